"""Images of environments and services: what they take, which of them this user's projects have used, and removing those."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from sandbox.store import leases
from sandbox.store.folder import reported

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def note(home: Path, environment: str) -> None:
    """Say that this process uses an image: the engine cannot know before there is a container."""
    place = home / "images" / environment
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
    from sandbox.containers import docker_images as images  # noqa: PLC0415 - the SDK is slow to import
    from sandbox.containers.docker_client import connect  # noqa: PLC0415

    with contextlib.closing(connect()) as client:
        for place in places:
            found = images.ours(client, {"role": "image", "environment": place.name})
            yield place, sum(one.bytes for one in found)


def size(environment: str) -> int | None:
    """Give the bytes of an environment's image; None where the engine does not hold it.

    Raises:
        EngineError: No engine answers.
    """
    from sandbox.containers import docker_images as images  # noqa: PLC0415 - see `known`
    from sandbox.containers.docker_client import connect  # noqa: PLC0415

    with contextlib.closing(connect()) as client:
        found = images.ours(client, {"role": "image", "environment": environment})
    return sum(one.bytes for one in found) if found else None


def remove(place: Path) -> bool:
    """Remove the image that such a file stands for; False where a process or a container uses it.

    Raises:
        EngineError: The engine does not answer.
    """
    from sandbox.containers import docker_images as images  # noqa: PLC0415 - see `known`
    from sandbox.containers.docker_client import connect  # noqa: PLC0415

    if leases.in_use(place):
        return False
    with contextlib.closing(connect()) as client, leases.alone(place) as alone:
        if not alone:
            return False
        wanted = {"role": "image", "environment": place.name}
        for image in images.ours(client, wanted):
            images.remove(client, image)
        if images.ours(client, wanted):  # a container needs it still
            return False
        place.unlink()
    return True
