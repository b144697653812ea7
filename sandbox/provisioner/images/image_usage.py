"""Images of environments and services: what they take, which of them this user's projects have used, and removing those."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from sandbox.containers import ownership
from sandbox.store import leases
from sandbox.store.folder import reported

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.containers.docker.images import Client, Image


def use(home: Path, identifier: str) -> None:
    """Say that this process uses an image: the engine cannot know before there is a container.

    Raises:
        StoreError: It cannot be written.
    """
    place = home / "images" / identifier
    if not leases.use(place):
        with reported(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
        leases.use(place)


def known(home: Path) -> Iterator[tuple[Path, int]]:
    """Give the images that were used from this home: the file that says when, and the bytes of the image.

    An image that only others have used is not known here, so it is never removed.

    Raises:
        EngineError: No engine answers.
    """
    places = sorted((home / "images").glob("[0-9a-f]*"))
    if not places:
        return
    from sandbox.containers.docker.client import connect  # noqa: PLC0415 - the SDK is slow to import

    with contextlib.closing(connect()) as client:
        for place in places:
            yield place, sum(one.bytes for one in _named(client, place.name))


def size(environment: str) -> int | None:
    """Give the bytes of an environment's image; None where the engine does not hold it.

    Raises:
        EngineError: No engine answers.
    """
    from sandbox.containers.docker.client import connect  # noqa: PLC0415 - see `known`

    with contextlib.closing(connect()) as client:
        found = _named(client, environment)
    return sum(one.bytes for one in found) if found else None


def remove(place: Path) -> bool:
    """Remove the image that such a file stands for; False where a process or a container uses it.

    Raises:
        EngineError: The engine does not answer.
    """
    from sandbox.containers.docker import images  # noqa: PLC0415 - see `known`
    from sandbox.containers.docker.client import connect  # noqa: PLC0415

    if leases.in_use(place):
        return False
    with contextlib.closing(connect()) as client, leases.alone(place) as alone:
        if not alone:
            return False
        for image in _named(client, place.name):
            images.remove(client, image)
        if _named(client, place.name):  # a container needs it still
            return False
        place.unlink()
    return True


def _named(client: Client, identifier: str) -> list[Image]:
    """Give the image of an environment or service, by the name that we gave it alone.

    What a user builds on it inherits its labels, and another name for it is the user's: neither is ours.
    """
    from sandbox.containers.docker import images  # noqa: PLC0415 - see `known`

    found = []
    for image in images.ours(client, {"role": "image", "environment": identifier}):
        name = f"sandbox/{image.labels.get('image')}:{identifier[:16]}"
        if name in image.tags:
            found.append(replace(image, tags=(name,)))
    return found


def left(home: Path) -> list[Image]:
    """Give images that nothing will use: of a killed process, and stages of builds that were broken off.

    Stages belong to nobody but whoever built them: those of images that were never used from this home are not given.

    Raises:
        EngineError: No engine answers.
    """
    from sandbox.containers.docker import images  # noqa: PLC0415 - see `known`
    from sandbox.containers.docker.client import connect  # noqa: PLC0415

    with contextlib.closing(connect()) as client:
        return [one for one in images.ours(client) if _left(one, home)]


def _left(image: Image, home: Path) -> bool:
    if (owning := ownership.named(image.labels)) is not None:
        return owning.gone
    stage = image.labels.get("stage")
    # What a user builds on an image of ours inherits its labels; a stage lacks those that an image gets at its end.
    if image.tags or not stage or not stage.isalnum() or "schema" in image.labels:
        return False
    place = home / "images" / stage
    return place.is_file() and not leases.in_use(place)


def discard(image: Image, home: Path) -> bool:
    """Remove such an image; False where a container or another image needs it, or somebody builds it again.

    Raises:
        EngineError: The engine does not answer.
    """
    from sandbox.containers.docker import images  # noqa: PLC0415 - see `known`
    from sandbox.containers.docker.client import connect  # noqa: PLC0415

    with contextlib.ExitStack() as stack:
        if ownership.named(image.labels) is None and not stack.enter_context(
            leases.alone(home / "images" / image.labels["stage"])
        ):
            return False
        client = stack.enter_context(contextlib.closing(connect()))
        images.remove(client, image)
        return images.find(client, image.id) is None
