"""Images of environments and services: what they take, which of them this user's projects have used, and removing those."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from sandbox.containers import ownership
from sandbox.store import leases
from sandbox.store.folder import translate_os_errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.containers.docker.images import Client, EngineImage


def lease_image(home: Path, identifier: str) -> None:
    """Say that this process uses an image: the engine cannot know before there is a container.

    Raises:
        StoreError: It cannot be written.
    """
    place = home / "images" / identifier
    if not leases.acquire_lease(place):
        with translate_os_errors(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
        leases.acquire_lease(place)


def list_used_images(home: Path) -> Iterator[tuple[Path, int]]:
    """Give the images that were used from this home: the file that says when, and the bytes of the image.

    An image that only others have used is not known here, so it is never removed.

    Raises:
        EngineError: No engine answers.
    """
    places = sorted((home / "images").glob("[0-9a-f]*"))
    if not places:
        return
    from sandbox.containers.docker.client import open_client  # noqa: PLC0415 - the SDK is slow to import

    with contextlib.closing(open_client()) as client:
        for place in places:
            yield place, sum(one.bytes for one in _find_tagged_images(client, place.name))


def read_image_size(environment: str) -> int | None:
    """Give the bytes of an environment's image; None where the engine does not hold it.

    Raises:
        EngineError: No engine answers.
    """
    from sandbox.containers.docker.client import open_client  # noqa: PLC0415 - see `list_used_images`

    with contextlib.closing(open_client()) as client:
        found = _find_tagged_images(client, environment)
    return sum(one.bytes for one in found) if found else None


def remove_image(place: Path) -> bool:
    """Remove the image that such a file stands for; False where a process or a container uses it.

    Raises:
        EngineError: The engine does not answer.
    """
    from sandbox.containers.docker import images  # noqa: PLC0415 - see `list_used_images`
    from sandbox.containers.docker.client import open_client  # noqa: PLC0415

    if leases.is_in_use(place):
        return False
    with contextlib.closing(open_client()) as client, leases.lock_if_unused(place) as alone:
        if not alone:
            return False
        for image in _find_tagged_images(client, place.name):
            images.remove_image(client, image)
        if _find_tagged_images(client, place.name):  # a container needs it still
            return False
        place.unlink()
    return True


def _find_tagged_images(client: Client, identifier: str) -> list[EngineImage]:
    """Give the image of an environment or service, by the name that we gave it alone.

    What a user builds on it inherits its labels, and another name for it is the user's: neither is ours.
    """
    from sandbox.containers.docker import images  # noqa: PLC0415 - see `list_used_images`

    found = []
    for image in images.list_images(client, {"role": "image", "environment": identifier}):
        name = f"sandbox/{image.labels.get('image')}:{identifier[:16]}"
        if name in image.tags:
            found.append(replace(image, tags=(name,)))
    return found


def list_leftovers(home: Path) -> list[EngineImage]:
    """Give images that nothing will use: of a killed process, and stages of builds that were broken off.

    Stages belong to nobody but whoever built them: those of images that were never used from this home are not given.

    Raises:
        EngineError: No engine answers.
    """
    from sandbox.containers.docker import images  # noqa: PLC0415 - see `list_used_images`
    from sandbox.containers.docker.client import open_client  # noqa: PLC0415

    with contextlib.closing(open_client()) as client:
        return [one for one in images.list_images(client) if _is_leftover(one, home)]


def _is_leftover(image: EngineImage, home: Path) -> bool:
    if (owning := ownership.parse_owner(image.labels)) is not None:
        return owning.has_ended
    stage = image.labels.get("stage")
    # What a user builds on an image of ours inherits its labels; a stage lacks those that an image gets at its end.
    if image.tags or not stage or not stage.isalnum() or "schema" in image.labels:
        return False
    place = home / "images" / stage
    return place.is_file() and not leases.is_in_use(place)


def remove_leftover(image: EngineImage, home: Path) -> bool:
    """Remove such an image; False where a container or another image needs it, or somebody builds it again.

    Raises:
        EngineError: The engine does not answer.
    """
    from sandbox.containers.docker import images  # noqa: PLC0415 - see `list_used_images`
    from sandbox.containers.docker.client import open_client  # noqa: PLC0415

    with contextlib.ExitStack() as stack:
        if ownership.parse_owner(image.labels) is None and not stack.enter_context(
            leases.lock_if_unused(home / "images" / image.labels["stage"])
        ):
            return False
        client = stack.enter_context(contextlib.closing(open_client()))
        images.remove_image(client, image)
        return images.find_image(client, image.id) is None
