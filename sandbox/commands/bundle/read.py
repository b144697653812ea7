"""``sandbox unbundle``: put what a bundle holds where ``create`` and ``diff`` look for it. Nothing is fetched."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from sandbox.commands.bundle.contents import LOCKS_FOLDER, PACKAGES_FOLDER, WHEELS_FOLDER
from sandbox.errors import ContainerEngineError, FrozenMismatchError, StoreError
from sandbox.formatting import format_count
from sandbox.manifest.bundle import BundleDocument
from sandbox.manifest.canonical_json import hash_file
from sandbox.manifest.lock import LockDocument
from sandbox.project.lock_file import LOCK_FILE, read_lock, write_stored_lock
from sandbox.project.registry import make_state_folder
from sandbox.provisioner.lock import pins
from sandbox.samples.catalog import record_sample
from sandbox.samples.remote import pull_sample
from sandbox.samples.source_record import forget_source
from sandbox.samples.specification import compute_request_id
from sandbox.store.blob_archive import open_archive
from sandbox.store.folder import lock_path, make_staging_folder, publish_folder, translate_os_errors, write_file
from sandbox.store.paths import find_home_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.containers.docker.images import Client
    from sandbox.manifest.bundle import BundledFile, BundledImage
    from sandbox.model import Progress
    from sandbox.store.blob_archive import BlobArchive

MAX_LOCK_BYTES = 2**26


@dataclass(frozen=True, kw_only=True)
class UnbundleResult:
    """What came out of a bundle: the sample, the number of files put into the home, and the images loaded."""

    digest: str
    sample: str
    files: int
    images: Sequence[str]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of ``sandbox unbundle --json``."""
        return {
            "format_version": 1,
            "digest": self.digest,
            "sample": self.sample,
            "files": self.files,
            "images": list(self.images),
        }


@dataclass(frozen=True, kw_only=True)
class _OpenBundle:
    """A bundle as a store of files (see `sandbox.store.remote.ReadableStore`)."""

    name: str
    archive: BlobArchive
    document: BundleDocument

    @property
    def files(self) -> dict[str, BundledFile]:
        return {file.path: file for file in self.document.files}

    def list_sizes(self, folder: str) -> dict[str, int | None]:
        prefix = f"{folder}/"
        return {
            file.path.removeprefix(prefix): file.bytes for file in self.document.files if file.path.startswith(prefix)
        }

    def list_folders(self, folder: str) -> list[str]:
        return sorted({name.partition("/")[0] for name in self.list_sizes(folder)})

    def check_exists(self) -> None:
        """The archive was opened."""

    def read_text(self, path: str, *, most: int) -> str | None:
        if path not in self.files:
            return None
        try:
            return b"".join(self.read_chunks(path, most=most)).decode()
        except UnicodeDecodeError as error:
            raise StoreError(f"{self.format_address(path)} is damaged: {error}") from error

    def read_chunks(self, path: str, *, most: int) -> Iterator[bytes]:
        file = self.files[path]
        if file.bytes > most:
            raise StoreError(f"{self.format_address(path)} has more than its {format_count(most, 'byte')}")
        return self.archive.read_blob(file.sha256)

    def format_address(self, path: str) -> str:
        return f"{path} in {self.name}"


def read_bundle(project: Project, path: Path, *, digest: str | None, progress: Progress) -> UnbundleResult:
    """Put a bundle's sample, locks, wheels, packages and images into the home, the project and the container engine.

    What is there already stays, so an interrupted call is resumed. Nothing that is there is replaced.

    Args:
        project: The project; it must ask for the sample of the bundle and have its lock, or none.
        path: The bundle.
        digest: The expected digest of the bundle, if any.
        progress: Shows the steps.

    Raises:
        StoreError: It is damaged, or is not the bundle of the digest.
        FrozenMismatchError: It was made for another state of the project, or for another platform.
        ContainerEngineError: No container engine answers, or an image cannot be loaded.
    """
    bundle = _open_bundle(path)
    if digest is not None and bundle.archive.digest != digest.removeprefix("sha256:"):
        raise StoreError(
            f"{path} is another bundle: its digest is {bundle.archive.digest}",
            hint="get the right file, or ask whoever made it for its digest",
        )
    locks = _read_locks(bundle)
    _check_project(project, bundle, locks[LOCK_FILE])
    make_state_folder(project.state_folder)
    home = find_home_folder()
    with _open_engine(bundle) as client:
        pull_sample(home, bundle, bundle.document.sample, request=bundle.document.request, progress=progress)
        files = _put_wheels(bundle, home, progress) + _put_packages(bundle, home, progress)
        loaded = [
            image.reference
            for image in bundle.document.images
            if client is not None and _load_image(client, bundle, image, progress)
        ]
    for name, lock in locks.items():
        if name != LOCK_FILE:
            write_stored_lock(project, lock.inputs, lock)
        elif read_lock(project) is None:
            write_file(project.root / LOCK_FILE, lock.to_json_text())
    record_sample(project, bundle.document.sample)
    forget_source(project)
    return UnbundleResult(digest=bundle.archive.digest, sample=bundle.document.sample, files=files, images=loaded)


def _open_bundle(path: Path) -> _OpenBundle:
    archive = open_archive(path)
    document = BundleDocument.parse(archive.document, origin=str(path))
    bundle = _OpenBundle(name=str(path), archive=archive, document=document)
    for file in document.files:
        if archive.blobs.get(file.sha256, (0, -1))[1] != file.bytes:
            raise StoreError(f"{path} is damaged: {file.path} is not in it", hint="copy it again")
    for image in document.images:
        for name in (image.config, *image.layers):
            if name not in archive.blobs:
                raise StoreError(f"{path} is damaged: a part of {image.reference} is not in it", hint="copy it again")
    return bundle


def _read_locks(bundle: _OpenBundle) -> dict[str, LockDocument]:
    """Return the locks of a bundle by path.

    Raises:
        StoreError: The project's own lock is missing, or one is damaged.
    """
    names = [name for name in bundle.files if name == LOCK_FILE or name.startswith(f"{LOCKS_FOLDER}/")]
    if LOCK_FILE not in names:
        raise StoreError(f"{bundle.name} is no bundle of sandbox: it has no {LOCK_FILE}")
    texts = {name: bundle.read_text(name, most=MAX_LOCK_BYTES) or "" for name in names}
    return {name: LockDocument.parse(text, origin=bundle.format_address(name)) for name, text in texts.items()}


def _check_project(project: Project, bundle: _OpenBundle, lock: LockDocument) -> None:
    """Check that a bundle was made for this state of the project."""
    if compute_request_id(project.settings) != bundle.document.request:
        raise FrozenMismatchError(
            f"{project.file} asks for another sample than the one in {bundle.name}",
            hint="check out the commit that it was made at, or make it again here: sandbox bundle",
        )
    current = read_lock(project)
    if current is not None and current != lock:
        raise FrozenMismatchError(
            f"{LOCK_FILE} is not the one in {bundle.name}",
            hint=f"check out the commit that it was made at; to take the bundle's: rm {LOCK_FILE}, then again",
        )


@contextlib.contextmanager
def _open_engine(bundle: _OpenBundle) -> Iterator[Client | None]:
    """Yield a client of a container engine of the bundle's platform; None for a bundle without images."""
    if not bundle.document.images:
        if pins.read_host_platform() != bundle.document.platform.partition("-")[0]:
            raise FrozenMismatchError(
                f"{bundle.name} is for {bundle.document.platform}, and this machine is {pins.read_host_platform()}",
                hint="make it on a machine like this one: sandbox bundle",
            )
        yield None
        return
    from sandbox.containers.docker import images  # noqa: PLC0415 - the SDK is slow to import
    from sandbox.containers.docker.client import open_client  # noqa: PLC0415

    with contextlib.closing(open_client()) as client:
        platform = images.read_platform(client)
        if platform != bundle.document.platform:
            raise FrozenMismatchError(
                f"{bundle.name} is for {bundle.document.platform}, and the engine's containers are {platform}",
                hint="make it on a machine like this one: sandbox bundle",
            )
        yield client


def _put_wheels(bundle: _OpenBundle, home: Path, progress: Progress) -> int:
    """Put the missing wheels into the home and return their number."""
    put = 0
    files = [file for file in bundle.document.files if file.path.startswith(f"{WHEELS_FOLDER}/")]
    total = sum(file.bytes for file in files)
    with progress.step("unpacking wheels", total=total, unit="bytes") as advance:
        for file in files:
            _, digest, name = _split_path(bundle, file)
            if digest != file.sha256 or not name.endswith(".whl"):
                raise StoreError(f"{bundle.name} names a file that cannot be a wheel: {file.path[:200]!r}")
            wheel = home / WHEELS_FOLDER / digest / name
            if not (wheel.is_file() and hash_file(wheel) == digest):
                with make_staging_folder(home / WHEELS_FOLDER, label="unbundled") as staging:
                    _write_blob(bundle, file, staging / name)
                    with translate_os_errors(wheel):
                        wheel.parent.mkdir(exist_ok=True)
                        (staging / name).replace(wheel)
                put += 1
            advance(file.bytes)
    return put


def _put_packages(bundle: _OpenBundle, home: Path, progress: Progress) -> int:
    """Put the missing folders of Debian packages into the home and return the number of their files."""
    folders: dict[str, list[BundledFile]] = {}
    for file in bundle.document.files:
        if file.path.startswith(f"{PACKAGES_FOLDER}/"):
            folders.setdefault(_split_path(bundle, file)[1], []).append(file)
    if not folders:
        return 0
    from sandbox.provisioner.images import debian_packages  # noqa: PLC0415 - the SDK is slow to import

    put = 0
    for name, files in folders.items():
        folder = home / PACKAGES_FOLDER / name
        if folder.is_dir():
            continue
        with (
            make_staging_folder(folder.parent, label="unbundled") as staging,
            progress.step("unpacking packages of services", total=len(files), unit="files") as advance,
        ):
            for file in files:
                _write_blob(bundle, file, staging / _split_path(bundle, file)[2])
                advance(1)
            if debian_packages.compute_folder_name(staging) != name:
                raise StoreError(f"{bundle.name} is damaged: its packages are not those of {name[:16]}")
            publish_folder(staging, folder)
        put += len(files)
    return put


def _split_path(bundle: _OpenBundle, file: BundledFile) -> tuple[str, str, str]:
    """Return the three steps of a file's path, checked to lead nowhere else."""
    steps = PurePosixPath(file.path).parts
    if len(steps) != 3 or file.path != "/".join(steps) or any(step in {".", ".."} or "\0" in step for step in steps):
        raise StoreError(f"{bundle.name} names a file that cannot be in a bundle: {file.path[:200]!r}")
    return steps[0], steps[1], steps[2]


def _write_blob(bundle: _OpenBundle, file: BundledFile, target: Path) -> None:
    with translate_os_errors(target), target.open("xb") as written:
        for chunk in bundle.archive.read_blob(file.sha256):
            written.write(chunk)


def _load_image(client: Client, bundle: _OpenBundle, image: BundledImage, progress: Progress) -> bool:
    """Load an image unless the engine holds one of its name; return whether it was loaded.

    Raises:
        ContainerEngineError: The engine holds another image of this name, whose content is not named by it.
    """
    from sandbox.containers.docker import image_archive, images  # noqa: PLC0415 - the SDK is slow to import

    held = images.find_image(client, image.reference)
    if held is not None:
        layers = [layer.removeprefix("sha256:") for layer in held.layers]
        if layers != image.layers and not images.is_named_by_content(image.reference):
            raise ContainerEngineError(
                f"the container engine holds another image {image.reference} than the one in {bundle.name}",
                hint=f"give it another name: docker tag {image.reference} NAME && docker rmi {image.reference}",
            )
        return False
    sizes = {name: size for name, (_, size) in bundle.archive.blobs.items()}
    name = images.format_loaded_name(image.reference)
    with (
        progress.step(f"loading the image {image.reference.partition('@')[0]}"),
        lock_path(find_home_folder() / "load"),
    ):
        image_archive.load_image(
            client,
            name,
            config=image.config,
            layers=image.layers,
            sizes=sizes.__getitem__,
            read=bundle.archive.read_blob,
        )
    return True
