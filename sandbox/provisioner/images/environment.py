"""Environments as images."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from sandbox.containers.docker import images
from sandbox.containers.docker.client import open_client, open_shared_client
from sandbox.manifest.lock import LockedImage
from sandbox.model import Environment, is_custom_image
from sandbox.provisioner import environment_id
from sandbox.provisioner.images import base as bases
from sandbox.provisioner.images import debian_packages, image_usage
from sandbox.provisioner.lock import pins
from sandbox.store.folder import lock_path, translate_os_errors

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.manifest.lock import LockDocument, PlatformLock
    from sandbox.model import Progress
    from sandbox.provisioner.lock.request import StackRequest

NO_STAGES_MARK = "alone"  # written once the leftover stages of the image's build are removed


def ensure_image_environment(
    request: StackRequest, lock: LockDocument, *, home: Path, progress: Progress, frozen: bool = False
) -> Environment:
    """Return the image of a lock's entry for the container engine's platform, built if necessary.

    See `sandbox.provisioner.environments`.
    """
    platform = images.read_platform(open_shared_client())
    entry = pins.find_platform_entry(lock, platform)
    if debian_packages.list_package_names(request.image) and request.image not in entry.packages:
        raise debian_packages.explain_missing_packages(request.image, platform)
    if entry.base is not None:
        # An image already built does not need its base.
        expected = _describe_environment(request, entry, platform, entry.base)
        image_usage.lease_image(home, expected.id)
        if _is_built(open_shared_client(), expected, home):
            return expected
    with contextlib.closing(open_client()) as client:
        base = bases.ensure_base(client, entry.base, home=home, progress=progress, frozen=frozen)
        environment = _describe_environment(request, entry, platform, base)
        image_usage.lease_image(home, environment.id)
        if _is_built(client, environment, home):
            return environment
        with lock_path(home / "images" / environment.id[:16]):
            if images.find_image(client, environment.reference) is None:
                from sandbox.provisioner.images.build import build_environment_image  # noqa: PLC0415 - most images are there

                build_environment_image(client, request, entry, environment, base, home=home, progress=progress)
    return environment


def _is_built(client: images.Client, environment: Environment, home: Path) -> bool:
    """Return whether an image is built; the first call also removes leftover stages of a killed build."""
    if images.find_image(client, environment.reference) is None:
        return False
    path = home / "images" / environment.id
    with translate_os_errors(path):
        if path.read_text("utf-8") != NO_STAGES_MARK:
            for stage in images.list_untagged_images(client, environment.id):
                images.remove_image(client, stage)
            path.write_text(NO_STAGES_MARK, "utf-8")
    return True


def record_image(lock: LockDocument, environment: Environment) -> LockDocument:
    """Record the built image in a lock: base, environment id and layers.

    A base from a registry is recorded by the digest of its index, valid for the other platforms too.
    """
    entry = pins.find_platform_entry(lock, environment.platform)
    base = _parse_base(environment)
    if entry.environment == environment.id and entry.base == base:
        return lock
    image = images.find_image(open_shared_client(), environment.reference)
    layers = list(image.layers) if image else None
    if is_custom_image(lock.inputs.image):
        updated = entry.model_copy(update={"base": base, "environment": environment.id, "layers": layers})
        return lock.model_copy(update={"platforms": lock.platforms | {environment.platform: updated}})
    return _set_base(lock, environment.platform, base, layers)


def add_base_image(lock: LockDocument, before: LockDocument | None, *, home: Path, progress: Progress) -> LockDocument:
    """Return a newly resolved lock with its base image for the container engine's platform.

    A base from a registry in the previous lock, ``before``, is replaced by this version's official one.

    Raises:
        ContainerEngineError: The container engine does not answer, or no base is available.
    """
    if is_custom_image(lock.inputs.image):  # its Dockerfile names the base
        return lock
    with contextlib.closing(open_client()) as client:
        platform = images.read_platform(client)
        then = before.platforms.get(platform) if before else None
        official = bases.describe_official_base() if then and then.base and "@" in then.base.reference else None
        base = bases.ensure_base(client, official, home=home, progress=progress)
    if debian_packages.list_package_names(lock.inputs.image):
        entry = lock.platforms[platform].model_copy(update={"base": base})
        lock = lock.model_copy(update={"platforms": {**lock.platforms, platform: entry}})
        lock = debian_packages.pin_packages(lock, lock.inputs.image, home=home, progress=progress, newest=True)
    updated = _set_base(lock, platform, base, None)
    same = then is not None and then.environment == updated.platforms[platform].environment
    return _set_base(lock, platform, base, then.layers) if then and same else updated


def _set_base(lock: LockDocument, platform: str, base: LockedImage, layers: list[str] | None) -> LockDocument:
    platforms = lock.platforms | {platform: _set_entry_base(lock, platform, base, layers)}
    if "@" in base.reference:
        others = [name for name in pins.CONTAINER_PLATFORMS if name in platforms and platforms[name].base is None]
        platforms |= {name: _set_entry_base(lock, name, base, None) for name in others}
    return lock.model_copy(update={"platforms": platforms})


def _set_entry_base(lock: LockDocument, platform: str, base: LockedImage, layers: list[str] | None) -> PlatformLock:
    entry, image = lock.platforms[platform], lock.inputs.image
    if entry.base not in (None, base):  # packages depend on the base
        entry = entry.model_copy(update={"packages": {}})
    # Packages of another platform are resolved on that platform.
    complete = image in entry.packages or not debian_packages.list_package_names(image)
    identifier = environment_id.compute_image_id(image, platform, entry, base) if complete else None
    return entry.model_copy(update={"base": base, "environment": identifier, "layers": layers})


def _parse_base(environment: Environment) -> LockedImage:
    name, _, digest = environment.base.partition("@")
    is_local = name == bases.LOCAL_BASE
    return LockedImage(reference=name if is_local else environment.base, digest=digest)


def _describe_environment(request: StackRequest, entry: PlatformLock, platform: str, base: LockedImage) -> Environment:
    identifier = environment_id.compute_image_id(request.image, platform, entry, base)
    return Environment(
        id=identifier,
        runtime="docker",
        reference=f"sandbox/{request.image}:{identifier[:16]}",
        platform=platform,
        python=entry.python,
        base=f"{base.reference.partition('@')[0]}@{base.digest}",
    )
