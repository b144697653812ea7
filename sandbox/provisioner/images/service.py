"""Images of services: the base, Debian packages and packaged files, built without a network."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.containers.docker import images
from sandbox.containers.docker.client import open_client
from sandbox.manifest.canonical_json import hash_file, hash_json
from sandbox.model import is_custom_image
from sandbox.provisioner import environment_id
from sandbox.provisioner.images import base as bases
from sandbox.provisioner.images import debian_packages, image_usage
from sandbox.store import paths
from sandbox.store.folder import lock_path, make_staging_folder, translate_os_errors

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.manifest.lock import LockDocument, LockedImage
    from sandbox.model import Progress

BUILD_TIMEOUT_SECONDS = 1800  # for one build step


@dataclass(frozen=True, kw_only=True)
class ServiceImage:
    """An image present in the container engine; ``id`` is the SHA-256 (hex) of its inputs."""

    reference: str
    id: str


def ensure_service_image(
    name: str, *, home: Path, progress: Progress, lock: LockDocument | None = None, frozen: bool = False
) -> ServiceImage:
    """Return the image of a service, built if necessary.

    Raises:
        ContainerEngineError: The container engine does not answer, a package is not available, or the build fails.
        FrozenMismatchError: The archive's packages differ from the lock's, or ``frozen`` and the base differs.
    """
    with contextlib.closing(open_client()) as client:
        entry = lock.platforms.get(images.read_platform(client)) if lock else None
        is_custom = lock is not None and is_custom_image(lock.inputs.image)  # the locked base is then that image's
        locked_base = entry.base if entry and not is_custom else None
        base = bases.ensure_base(client, locked_base, home=home, progress=progress, frozen=frozen)
        locked_packages = entry.packages.get(name) if entry and (is_custom or base == locked_base) else None
        folder = debian_packages.fetch_packages(
            client, name, base, locked=locked_packages, home=home, progress=progress
        ).path
        service = _describe_image(name, base, debian_packages.read_digests(folder))
        image_usage.lease_image(home, service.id)
        if images.find_image(client, service.reference) is None:
            with lock_path(home / "images" / service.id[:16]):
                if images.find_image(client, service.reference) is None:
                    _build_image(client, name, base, folder, service, home=home, progress=progress)
    return service


def _describe_image(name: str, base: LockedImage, contents: dict[str, str]) -> ServiceImage:
    source = paths.find_packaged_folder("images") / name
    files = {path.name: hash_file(path) for path in sorted(source.iterdir()) if path.is_file()}
    identifier = hash_json(
        {"builder": environment_id.BUILDER_VERSION, "base": base.digest, "files": files, "packages": contents}
    )
    return ServiceImage(reference=f"sandbox/{name}:{identifier[:16]}", id=identifier)


def _build_image(
    client: images.Client,
    name: str,
    base: LockedImage,
    folder: Path,
    service: ServiceImage,
    *,
    home: Path,
    progress: Progress,
) -> None:
    source = paths.find_packaged_folder("images") / name
    with translate_os_errors(home), make_staging_folder(home, label="build") as context:
        for path in source.iterdir():
            if path.is_file():
                shutil.copy(path, context)
        debian_packages.copy_packages(folder, context)
        labels = {
            "managed": "true",
            "role": "image",
            "image": name,
            "environment": service.id,
            "base": f"{base.reference.partition('@')[0]}@{base.digest}",
            "schema": str(environment_id.BUILDER_VERSION),
        }
        client.api.timeout = BUILD_TIMEOUT_SECONDS
        try:
            with progress.step(f"building {service.reference}"):
                images.build_image(
                    client,
                    context,
                    tag=service.reference,
                    arguments={"BASE": images.find_local_name(client, base.reference), "ENVIRONMENT": service.id},
                    labels=labels,
                    step=lambda _: None,
                )
        finally:
            for stage in images.list_untagged_images(client, service.id):
                images.remove_image(client, stage)
