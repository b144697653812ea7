"""An image of the user's own as an environment: found or built, and held to what a run asks of every image."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from sandbox.containers.docker import images
from sandbox.containers.docker.client import connect
from sandbox.errors import EngineError
from sandbox.manifest.canonical_json import digest
from sandbox.manifest.lock import BaseImage
from sandbox.model import Environment
from sandbox.provisioner import environment_id
from sandbox.provisioner.doctor.check import Check, bad, carried_out, good, unchecked
from sandbox.provisioner.images import base as bases
from sandbox.provisioner.images import contract
from sandbox.provisioner.images.dockerfile import BASE
from sandbox.provisioner.lock import pins
from sandbox.store.folder import locked, reported, staging
from sandbox.store.leases import use

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.manifest.lock import Lock
    from sandbox.model import Progress
    from sandbox.provisioner.images.custom_image import OwnImage

IMAGE = "own image"
BUILD_SECONDS = 1800  # for the engine to answer while a step of a build runs


def make(
    own: OwnImage, lock: Lock, *, python: bool, home: Path, progress: Progress, frozen: bool = False
) -> Environment:
    """Give the environment of an own image, building it if it is not there (see `sandbox.provisioner.environment`).

    Args:
        own: The image.
        lock: What it was resolved to.
        python: Whether runs need a ``python`` in it.
        home: Where it is kept what was checked already.
        progress: Shows what is made; silent when everything is there.
        frozen: Refuse another base image than the lock names.

    Raises:
        EngineError: The engine does not hold it, or what it builds on; the build failed; or it does not do what a run
            asks of an image.
    """
    with contextlib.closing(connect()) as client:
        platform = images.platform(client)
        wanted_base = pins.entry(lock, platform).base
        if own.taken is None:
            found = _found(client, own, platform, pull=progress)
        else:
            ground = _ground(client, own, wanted_base, home=home, progress=progress, frozen=frozen)
            found = _environment(own, platform, ground)
            with locked(home / "images" / found.id[:16]):
                if images.find(client, found.reference) is None:
                    _build(client, own, found, ground, home=home, progress=progress)
        place = home / "images" / found.id
        if not use(place):
            with progress.step(f"trying what runs ask of {own.name}"):
                contract.require(client, found, own=own, python=python, home=home)
            with reported(place):
                place.parent.mkdir(parents=True, exist_ok=True)
                place.touch()
            use(place)
    return found


def checked(own: OwnImage, lock: Lock | None, *, python: bool, home: Path) -> list[Check]:
    """Check that an own image is there and does what a run asks; nothing is built or pulled."""

    def look() -> Check:
        found = _look(client, own, lock)
        if found is None:
            return bad(IMAGE, f"{own.name} is not built yet", "sandbox create")
        return good(IMAGE, found.reference)

    try:
        with contextlib.closing(connect()) as client:
            there = carried_out(IMAGE, look)
            if not there.ok:
                return [there]
            environment = _look(client, own, lock)
            assert environment is not None
            return [there, *contract.checked(client, environment, python=python, home=home)]
    except EngineError as error:
        return [unchecked(IMAGE, error.message)]


def _look(client: images.Client, own: OwnImage, lock: Lock | None) -> Environment | None:
    """Give the environment if the engine holds its image already."""
    platform = images.platform(client)
    if own.taken is None:
        return _found(client, own, platform, pull=None)
    entry = lock.platforms.get(platform) if lock else None
    wanted = _environment(own, platform, _held(client, own, entry.base if entry else None))
    return wanted if images.find(client, wanted.reference) else None


def _found(client: images.Client, own: OwnImage, platform: str, pull: Progress | None) -> Environment:
    """Give the environment of an image by name. Only what a digest names is pulled, if anything is."""
    image = images.find(client, own.name)
    if image is None and pull and "@sha256:" in own.name and images.offered(client, own.name):
        with pull.step(f"pulling {own.name.partition('@')[0]}", unit="bytes") as advance:
            image = images.pull(client, own.name, advance)
    if image is None:
        raise EngineError(
            f"the engine does not hold the image {own.name} that stack.image names, and nothing is pulled implicitly",
            hint=f"docker pull {own.name}\nor build it: docker build --tag {own.name.partition('@')[0]} .",
        )
    if image.platform != platform:
        raise EngineError(
            f"the image {own.name} is for {image.platform}, and the engine's containers are {platform}",
            hint=f"docker pull --platform {platform} {own.name}",
        )
    return _named(own, image)


def _named(own: OwnImage, image: images.Image) -> Environment:
    content = digest({"builder": environment_id.BUILDER, "layers": list(image.layers)})
    return Environment(
        id=content, runtime="docker", reference=own.name, platform=image.platform, python="", base=own.name
    )


def _ground(
    client: images.Client,
    own: OwnImage,
    wanted: BaseImage | None,
    *,
    home: Path,
    progress: Progress,
    frozen: bool,
) -> list[BaseImage]:
    """Give the images that a Dockerfile builds on, which the engine has to hold; our own base is made where it is asked for."""
    assert own.taken is not None
    if own.taken.ours:
        ours = wanted if wanted and (wanted.reference == bases.MADE or "@" in wanted.reference) else None
        bases.ensure(client, ours, home=home, progress=progress, frozen=frozen)
    return _held(client, own, wanted)


def _held(client: images.Client, own: OwnImage, wanted: BaseImage | None) -> list[BaseImage]:
    assert own.taken is not None
    found = []
    if own.taken.ours and (base := bases.present(client, wanted)) is not None:
        found.append(base)
    for name in own.taken.images:
        image = images.find(client, name)
        if image is None:
            raise EngineError(
                f"{own.name} builds on {name}, which the engine does not hold, and nothing is pulled implicitly",
                hint=f"docker pull {name}",
            )
        found.append(BaseImage(reference=name, digest="sha256:" + digest(list(image.layers))))
    return found


def _environment(own: OwnImage, platform: str, ground: list[BaseImage]) -> Environment:
    identifier = digest(
        {
            "builder": environment_id.BUILDER,
            "own": own.digest,
            "bases": [base.digest for base in ground],
            "platform": platform,
        }
    )
    first = next(iter(ground), None)
    return Environment(
        id=identifier,
        runtime="docker",
        reference=f"sandbox/own:{identifier[:16]}",
        platform=platform,
        python="",
        base=f"{first.reference.partition('@')[0]}@{first.digest}" if first else "scratch",
    )


def _build(
    client: images.Client,
    own: OwnImage,
    wanted: Environment,
    ground: list[BaseImage],
    *,
    home: Path,
    progress: Progress,
) -> None:
    labels = {
        "managed": "true",
        "role": "image",
        "image": "own",
        "environment": wanted.id,
        "base": wanted.base,
        "schema": str(environment_id.BUILDER),
    }
    with reported(home), staging(home, label="build") as context:
        for path, content in own.files.items():
            (context / path).parent.mkdir(parents=True, exist_ok=True)
            (context / path).write_bytes(content)
        client.api.timeout = BUILD_SECONDS
        try:
            with progress.step(f"building {own.name}"):
                images.build(
                    client,
                    context,
                    tag=wanted.reference,
                    arguments={BASE: ground[0].reference} if own.taken and own.taken.ours else {},
                    labels=labels,
                    step=lambda _: None,
                    network=own.network,
                )
        except EngineError as error:
            if own.network or "RUN" not in error.message:
                raise
            raise EngineError(
                error.message,
                hint='images are built with no network; if a step needs one: build_network = "default" in [stack]',
            ) from error
