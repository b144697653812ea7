"""Put the wheels, packages and images of a bundle in their places; existing ones stay."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from sandbox.commands.bundle.contents import PACKAGES_FOLDER, WHEELS_FOLDER
from sandbox.errors import ContainerEngineError, StoreError
from sandbox.manifest.canonical_json import hash_file
from sandbox.store.folder import lock_path, make_staging_folder, publish_folder, translate_os_errors
from sandbox.store.paths import find_home_folder

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.commands.bundle.opened_bundle import OpenBundle
    from sandbox.containers.docker.images import Client
    from sandbox.model import Progress
    from sandbox.store.bundle_document import BundledFile, BundledImage


def put_wheels(bundle: OpenBundle, home: Path, progress: Progress) -> int:
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


def put_packages(bundle: OpenBundle, home: Path, progress: Progress) -> int:
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


def _split_path(bundle: OpenBundle, file: BundledFile) -> tuple[str, str, str]:
    """Return the three steps of a file's path, checked to lead nowhere else."""
    steps = PurePosixPath(file.path).parts
    if len(steps) != 3 or file.path != "/".join(steps) or any(step in {".", ".."} or "\0" in step for step in steps):
        raise StoreError(f"{bundle.name} names a file that cannot be in a bundle: {file.path[:200]!r}")
    return steps[0], steps[1], steps[2]


def _write_blob(bundle: OpenBundle, file: BundledFile, target: Path) -> None:
    with translate_os_errors(target), target.open("xb") as written:
        for chunk in bundle.archive.read_blob(file.sha256):
            written.write(chunk)


def load_image(client: Client, bundle: OpenBundle, image: BundledImage, progress: Progress) -> bool:
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
