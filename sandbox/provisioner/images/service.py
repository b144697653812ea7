"""Images of services: the base, Debian's packages and files of ours, built with no network."""

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

BUILD_TIMEOUT_SECONDS = 1800  # for the engine to answer while a step of a build runs


@dataclass(frozen=True, kw_only=True)
class ServiceImage:
    """An image that the engine holds, and the SHA-256 (hex) of all that it was made of."""

    reference: str
    id: str


def ensure_service_image(
    name: str, *, home: Path, progress: Progress, lock: LockDocument | None = None, frozen: bool = False
) -> ServiceImage:
    """Give the image of a service, building it if it is not there.

    Args:
        name: A folder of ``images/``.
        home: Where packages are kept.
        progress: Shows what is made; silent when everything is there.
        lock: What ``sandbox.lock`` says, if there is one.
        frozen: Refuse another base image than the lock names.

    Raises:
        EngineError: The engine does not answer, a package cannot be had, or the build fails.
        FrozenError: The archive has other packages than the lock names, or the base is another and may not be.
    """
    with contextlib.closing(open_client()) as client:
        entry = lock.platforms.get(images.read_platform(client)) if lock else None
        own = lock is not None and is_custom_image(lock.inputs.image)  # then the lock names the base of that
        asked = entry.base if entry and not own else None
        ground = bases.ensure_base(client, asked, home=home, progress=progress, frozen=frozen)
        locked_ones = entry.packages.get(name) if entry and (own or ground == asked) else None
        folder = debian_packages.fetch_packages(
            client, name, ground, wanted=locked_ones, home=home, progress=progress
        ).path
        wanted = _describe_image(name, ground, debian_packages.read_digests(folder))
        image_usage.lease_image(home, wanted.id)
        if images.find_image(client, wanted.reference) is None:
            with lock_path(home / "images" / wanted.id[:16]):
                if images.find_image(client, wanted.reference) is None:
                    _build_image(client, name, ground, folder, wanted, home=home, progress=progress)
    return wanted


def _describe_image(name: str, base: LockedImage, contents: dict[str, str]) -> ServiceImage:
    own = paths.find_packaged_folder("images") / name
    files = {path.name: hash_file(path) for path in sorted(own.iterdir()) if path.is_file()}
    identifier = hash_json(
        {"builder": environment_id.BUILDER_VERSION, "base": base.digest, "files": files, "packages": contents}
    )
    return ServiceImage(reference=f"sandbox/{name}:{identifier[:16]}", id=identifier)


def _build_image(
    client: images.Client,
    name: str,
    base: LockedImage,
    folder: Path,
    wanted: ServiceImage,
    *,
    home: Path,
    progress: Progress,
) -> None:
    own = paths.find_packaged_folder("images") / name
    with translate_os_errors(home), make_staging_folder(home, label="build") as context:
        for path in own.iterdir():
            if path.is_file():
                shutil.copy(path, context)
        debian_packages.copy_packages(folder, context)
        labels = {
            "managed": "true",
            "role": "image",
            "image": name,
            "environment": wanted.id,
            "base": f"{base.reference.partition('@')[0]}@{base.digest}",
            "schema": str(environment_id.BUILDER_VERSION),
        }
        client.api.timeout = BUILD_TIMEOUT_SECONDS
        try:
            with progress.step(f"building {wanted.reference}"):
                images.build_image(
                    client,
                    context,
                    tag=wanted.reference,
                    arguments={"BASE": base.reference, "ENVIRONMENT": wanted.id},
                    labels=labels,
                    step=lambda _: None,
                )
        finally:
            for stage in images.list_build_stages(client, wanted.id):
                images.remove_image(client, stage)
