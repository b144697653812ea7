"""Environments as images."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from sandbox.containers.docker import images
from sandbox.containers.docker.client import connect, connected
from sandbox.manifest.lock import BaseImage
from sandbox.model import Environment, is_own_image
from sandbox.provisioner import environment_id
from sandbox.provisioner.images import base as bases
from sandbox.provisioner.images import debian_packages, image_usage
from sandbox.provisioner.lock import pins
from sandbox.store.folder import locked, reported

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.manifest.lock import Lock, PlatformLock
    from sandbox.model import Progress
    from sandbox.provisioner.lock.request import StackRequest

ALONE = "alone"  # written where an image was found with nothing of its build beside it


def make(
    request: StackRequest, lock: Lock, *, home: Path, progress: Progress, frozen: bool = False
) -> Environment:
    """Give the image of a lock's entry for the engine's platform, building it if it is not there (see `environment`)."""
    platform = images.platform(connected())
    entry = pins.entry(lock, platform)
    if debian_packages.named(request.image) and request.image not in entry.packages:
        raise debian_packages.lacking(request.image, platform)
    if entry.base is not None:
        # What the lock names needs no base image any more once it is built.
        expected = _environment(request, entry, platform, entry.base)
        image_usage.use(home, expected.id)
        if _there(connected(), expected, home):
            return expected
    with contextlib.closing(connect()) as client:
        base = bases.ensure(client, entry.base, home=home, progress=progress, frozen=frozen)
        wanted = _environment(request, entry, platform, base)
        image_usage.use(home, wanted.id)
        if _there(client, wanted, home):
            return wanted
        with locked(home / "images" / wanted.id[:16]):
            if images.find(client, wanted.reference) is None:
                from sandbox.provisioner.images.build import build  # noqa: PLC0415 - most images are there

                build(client, request, entry, wanted, base, home=home, progress=progress)
    return wanted


def _there(client: images.Client, environment: Environment, home: Path) -> bool:
    """Tell whether an image is built; what a build that was killed after it had its image left beside it goes, once."""
    if images.find(client, environment.reference) is None:
        return False
    place = home / "images" / environment.id
    with reported(place):
        if place.read_text("utf-8") != ALONE:
            for stage in images.stages(client, environment.id):
                images.remove(client, stage)
            place.write_text(ALONE, "utf-8")
    return True


def recorded(lock: Lock, environment: Environment) -> Lock:
    """Write into a lock what was built: base, environment id and layers.

    A base from a registry is named by the digest of its index, which holds for the other platforms too.
    """
    entry = pins.entry(lock, environment.platform)
    base = _base(environment)
    if entry.environment == environment.id and entry.base == base:
        return lock
    found = images.find(connected(), environment.reference)
    layers = list(found.layers) if found else None
    if is_own_image(lock.inputs.image):
        now = entry.model_copy(update={"base": base, "environment": environment.id, "layers": layers})
        return lock.model_copy(update={"platforms": lock.platforms | {environment.platform: now}})
    return _on(lock, environment.platform, base, layers)


def rebased(lock: Lock, before: Lock | None, *, home: Path, progress: Progress) -> Lock:
    """Give a lock that was resolved anew with the base image that its next image is built on, for the engine's platform.

    Args:
        lock: It names no base yet.
        before: What it follows: a base from a registry is followed by this version's own one from there.
        home: See `environment`.
        progress: Shows what is pulled or made.

    Raises:
        EngineError: The engine does not answer, or no base can be had.
    """
    if is_own_image(lock.inputs.image):  # its base is its Dockerfile's
        return lock
    with contextlib.closing(connect()) as client:
        platform = images.platform(client)
        then = before.platforms.get(platform) if before else None
        wanted = bases.official() if then and then.base and "@" in then.base.reference else None
        base = bases.ensure(client, wanted, home=home, progress=progress)
    if debian_packages.named(lock.inputs.image):
        entry = lock.platforms[platform].model_copy(update={"base": base})
        lock = lock.model_copy(update={"platforms": {**lock.platforms, platform: entry}})
        lock = debian_packages.pinned(lock, lock.inputs.image, home=home, progress=progress, newest=True)
    made = _on(lock, platform, base, None)
    same = then is not None and then.environment == made.platforms[platform].environment
    return _on(lock, platform, base, then.layers) if then and same else made


def _on(lock: Lock, platform: str, base: BaseImage, layers: list[str] | None) -> Lock:
    platforms = lock.platforms | {platform: _with(lock, platform, base, layers)}
    if "@" in base.reference:
        others = [one for one in pins.CONTAINER_PLATFORMS if one in platforms and platforms[one].base is None]
        platforms |= {one: _with(lock, one, base, None) for one in others}
    return lock.model_copy(update={"platforms": platforms})


def _with(lock: Lock, platform: str, base: BaseImage, layers: list[str] | None) -> PlatformLock:
    entry, image = lock.platforms[platform], lock.inputs.image
    if entry.base not in (None, base):  # they are what that base lacked
        entry = entry.model_copy(update={"packages": {}})
    # Which packages another platform has is known there.
    complete = image in entry.packages or not debian_packages.named(image)
    identifier = environment_id.of_image(image, platform, entry, base) if complete else None
    return entry.model_copy(update={"base": base, "environment": identifier, "layers": layers})


def _base(environment: Environment) -> BaseImage:
    name, _, digest = environment.base.partition("@")
    made = name == bases.MADE
    return BaseImage(reference=name if made else environment.base, digest=digest)


def _environment(request: StackRequest, entry: PlatformLock, platform: str, base: BaseImage) -> Environment:
    identifier = environment_id.of_image(request.image, platform, entry, base)
    return Environment(
        id=identifier,
        runtime="docker",
        reference=f"sandbox/{request.image}:{identifier[:16]}",
        platform=platform,
        python=entry.python,
        base=f"{base.reference.partition('@')[0]}@{base.digest}",
    )
