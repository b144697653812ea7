"""``sandbox unbundle``: put the contents of a bundle in the places of ``create`` and ``diff``. Nothing is fetched."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.commands.bundle.contents import LOCKS_FOLDER
from sandbox.commands.bundle.opened_bundle import open_bundle
from sandbox.commands.bundle.unpack import load_image, put_packages, put_wheels
from sandbox.errors import FrozenMismatchError, StoreError
from sandbox.manifest.lock import LockDocument
from sandbox.project.lock_file import LOCK_FILE, read_lock, write_stored_lock
from sandbox.project.registry import make_state_folder
from sandbox.provisioner.lock import pins
from sandbox.samples.catalog import record_sample
from sandbox.samples.remote import pull_sample
from sandbox.samples.source_record import forget_source
from sandbox.samples.specification import compute_request_id
from sandbox.store.folder import write_file
from sandbox.store.paths import find_home_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sandbox.commands.bundle.opened_bundle import OpenBundle
    from sandbox.config import Project
    from sandbox.containers.docker.images import Client
    from sandbox.model import Progress

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


def read_bundle(project: Project, path: Path, *, digest: str | None, progress: Progress) -> UnbundleResult:
    """Put a bundle's sample, locks, wheels, packages and images into the home, the project and the container engine.

    Existing files stay, so an interrupted call is resumed. Nothing is replaced.

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
    bundle = open_bundle(path)
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
        files = put_wheels(bundle, home, progress) + put_packages(bundle, home, progress)
        loaded = [
            image.reference
            for image in bundle.document.images
            if client is not None and load_image(client, bundle, image, progress)
        ]
    for name, lock in locks.items():
        if name != LOCK_FILE:
            write_stored_lock(project, lock.inputs, lock)
        elif read_lock(project) is None:
            write_file(project.root / LOCK_FILE, lock.to_json_text())
    record_sample(project, bundle.document.sample)
    forget_source(project)
    return UnbundleResult(digest=bundle.archive.digest, sample=bundle.document.sample, files=files, images=loaded)


def _read_locks(bundle: OpenBundle) -> dict[str, LockDocument]:
    """Return the locks of a bundle by path.

    Raises:
        StoreError: The project's own lock is missing, or one is damaged.
    """
    names = [name for name in bundle.files if name == LOCK_FILE or name.startswith(f"{LOCKS_FOLDER}/")]
    if LOCK_FILE not in names:
        raise StoreError(f"{bundle.name} is no bundle of sandbox: it has no {LOCK_FILE}")
    texts = {name: bundle.read_text(name, most=MAX_LOCK_BYTES) or "" for name in names}
    return {name: LockDocument.parse(text, origin=bundle.format_address(name)) for name, text in texts.items()}


def _check_project(project: Project, bundle: OpenBundle, lock: LockDocument) -> None:
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
def _open_engine(bundle: OpenBundle) -> Iterator[Client | None]:
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
