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

NO_STAGES_MARK = "alone"  # written where an image was found with nothing of its build beside it


def ensure_image_environment(
    request: StackRequest, lock: LockDocument, *, home: Path, progress: Progress, frozen: bool = False
) -> Environment:
    """Give the image of a lock's entry for the engine's platform, building it if it is not there (see `environment`)."""
    platform = images.read_platform(open_shared_client())
    entry = pins.find_platform_entry(lock, platform)
    if debian_packages.list_package_names(request.image) and request.image not in entry.packages:
        raise debian_packages.explain_missing_packages(request.image, platform)
    if entry.base is not None:
        # What the lock names needs no base image any more once it is built.
        expected = _describe_environment(request, entry, platform, entry.base)
        image_usage.lease_image(home, expected.id)
        if _is_built(open_shared_client(), expected, home):
            return expected
    with contextlib.closing(open_client()) as client:
        base = bases.ensure_base(client, entry.base, home=home, progress=progress, frozen=frozen)
        wanted = _describe_environment(request, entry, platform, base)
        image_usage.lease_image(home, wanted.id)
        if _is_built(client, wanted, home):
            return wanted
        with lock_path(home / "images" / wanted.id[:16]):
            if images.find_image(client, wanted.reference) is None:
                from sandbox.provisioner.images.build import build_environment_image  # noqa: PLC0415 - most images are there

                build_environment_image(client, request, entry, wanted, base, home=home, progress=progress)
    return wanted


def _is_built(client: images.Client, environment: Environment, home: Path) -> bool:
    """Tell whether an image is built; what a build that was killed after it had its image left beside it goes, once."""
    if images.find_image(client, environment.reference) is None:
        return False
    place = home / "images" / environment.id
    with translate_os_errors(place):
        if place.read_text("utf-8") != NO_STAGES_MARK:
            for stage in images.list_build_stages(client, environment.id):
                images.remove_image(client, stage)
            place.write_text(NO_STAGES_MARK, "utf-8")
    return True


def record_image(lock: LockDocument, environment: Environment) -> LockDocument:
    """Write into a lock what was built: base, environment id and layers.

    A base from a registry is named by the digest of its index, which holds for the other platforms too.
    """
    entry = pins.find_platform_entry(lock, environment.platform)
    base = _parse_base(environment)
    if entry.environment == environment.id and entry.base == base:
        return lock
    found = images.find_image(open_shared_client(), environment.reference)
    layers = list(found.layers) if found else None
    if is_custom_image(lock.inputs.image):
        now = entry.model_copy(update={"base": base, "environment": environment.id, "layers": layers})
        return lock.model_copy(update={"platforms": lock.platforms | {environment.platform: now}})
    return _set_base(lock, environment.platform, base, layers)


def add_base_image(lock: LockDocument, before: LockDocument | None, *, home: Path, progress: Progress) -> LockDocument:
    """Give a lock that was resolved anew with the base image that its next image is built on, for the engine's platform.

    Args:
        lock: It names no base yet.
        before: What it follows: a base from a registry is followed by this version's own one from there.
        home: See `environment`.
        progress: Shows what is pulled or made.

    Raises:
        EngineError: The engine does not answer, or no base can be had.
    """
    if is_custom_image(lock.inputs.image):  # its base is its Dockerfile's
        return lock
    with contextlib.closing(open_client()) as client:
        platform = images.read_platform(client)
        then = before.platforms.get(platform) if before else None
        wanted = bases.describe_official_base() if then and then.base and "@" in then.base.reference else None
        base = bases.ensure_base(client, wanted, home=home, progress=progress)
    if debian_packages.list_package_names(lock.inputs.image):
        entry = lock.platforms[platform].model_copy(update={"base": base})
        lock = lock.model_copy(update={"platforms": {**lock.platforms, platform: entry}})
        lock = debian_packages.pin_packages(lock, lock.inputs.image, home=home, progress=progress, newest=True)
    made = _set_base(lock, platform, base, None)
    same = then is not None and then.environment == made.platforms[platform].environment
    return _set_base(lock, platform, base, then.layers) if then and same else made


def _set_base(lock: LockDocument, platform: str, base: LockedImage, layers: list[str] | None) -> LockDocument:
    platforms = lock.platforms | {platform: _set_entry_base(lock, platform, base, layers)}
    if "@" in base.reference:
        others = [one for one in pins.CONTAINER_PLATFORMS if one in platforms and platforms[one].base is None]
        platforms |= {one: _set_entry_base(lock, one, base, None) for one in others}
    return lock.model_copy(update={"platforms": platforms})


def _set_entry_base(lock: LockDocument, platform: str, base: LockedImage, layers: list[str] | None) -> PlatformLock:
    entry, image = lock.platforms[platform], lock.inputs.image
    if entry.base not in (None, base):  # they are what that base lacked
        entry = entry.model_copy(update={"packages": {}})
    # Which packages another platform has is known there.
    complete = image in entry.packages or not debian_packages.list_package_names(image)
    identifier = environment_id.compute_image_id(image, platform, entry, base) if complete else None
    return entry.model_copy(update={"base": base, "environment": identifier, "layers": layers})


def _parse_base(environment: Environment) -> LockedImage:
    name, _, digest = environment.base.partition("@")
    made = name == bases.LOCAL_BASE
    return LockedImage(reference=name if made else environment.base, digest=digest)


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
