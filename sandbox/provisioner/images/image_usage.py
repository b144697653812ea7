"""Images of environments and services: sizes, use by this home's projects, and removal."""

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
    """Mark an image as used by this process, before a container exists.

    Raises:
        StoreError: The lease cannot be written.
    """
    path = home / "images" / identifier
    if not leases.acquire_lease(path):
        with translate_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        leases.acquire_lease(path)


def list_used_images(home: Path) -> Iterator[tuple[Path, int]]:
    """Yield the images used from this home: the file with the time of last use, and the image's size in bytes.

    Images used only from other homes are unknown here and never removed.

    Raises:
        ContainerEngineError: No container engine answers.
    """
    usage_files = sorted((home / "images").glob("[0-9a-f]*"))
    if not usage_files:
        return
    from sandbox.containers.docker.client import open_client  # noqa: PLC0415 - the SDK is slow to import

    with contextlib.closing(open_client()) as client:
        for path in usage_files:
            yield path, sum(image.bytes for image in _find_tagged_images(client, path.name))


def read_image_size(environment: str) -> int | None:
    """Return the size of an environment's image in bytes; None if the container engine does not hold it.

    Raises:
        ContainerEngineError: No container engine answers.
    """
    from sandbox.containers.docker.client import open_client  # noqa: PLC0415 - see `list_used_images`

    with contextlib.closing(open_client()) as client:
        tagged = _find_tagged_images(client, environment)
    return sum(image.bytes for image in tagged) if tagged else None


def remove_image(path: Path) -> bool:
    """Remove the image of a usage file; return False if a process or a container uses it.

    Raises:
        ContainerEngineError: The container engine does not answer.
    """
    from sandbox.containers.docker import images  # noqa: PLC0415 - see `list_used_images`
    from sandbox.containers.docker.client import open_client  # noqa: PLC0415

    if leases.is_in_use(path):
        return False
    with contextlib.closing(open_client()) as client, leases.lock_if_unused(path) as alone:
        if not alone:
            return False
        for image in _find_tagged_images(client, path.name):
            images.remove_image(client, image)
        if _find_tagged_images(client, path.name):  # a container still uses it
            return False
        path.unlink()
    return True


def _find_tagged_images(client: Client, identifier: str) -> list[EngineImage]:
    """Return the image of an environment or service by its sandbox tag only.

    Images built on it inherit its labels, and other tags belong to the user; neither may be removed.
    """
    from sandbox.containers.docker import images  # noqa: PLC0415 - see `list_used_images`

    tagged = []
    for image in images.list_images(client, {"role": "image", "environment": identifier}):
        name = f"sandbox/{image.labels.get('image')}:{identifier[:16]}"
        if name in image.tags:
            tagged.append(replace(image, tags=(name,)))
    return tagged


def list_leftovers(home: Path) -> list[EngineImage]:
    """Return unused images: of killed processes, and stages of interrupted builds.

    Stages belong to the home that built them: stages of images never used from this home are excluded.

    Raises:
        ContainerEngineError: No container engine answers.
    """
    from sandbox.containers.docker import images  # noqa: PLC0415 - see `list_used_images`
    from sandbox.containers.docker.client import open_client  # noqa: PLC0415

    with contextlib.closing(open_client()) as client:
        return [image for image in images.list_images(client) if _is_leftover(image, home)]


def _is_leftover(image: EngineImage, home: Path) -> bool:
    if (owning := ownership.parse_owner(image.labels)) is not None:
        return owning.has_ended
    stage = image.labels.get("stage")
    # A user's image built on ours inherits its labels; a stage lacks the labels added at the end of a build.
    if image.tags or not stage or not stage.isalnum() or "schema" in image.labels:
        return False
    path = home / "images" / stage
    return path.is_file() and not leases.is_in_use(path)


def remove_leftover(image: EngineImage, home: Path) -> bool:
    """Remove a leftover image; return False if a container, another image or a build uses it.

    Raises:
        ContainerEngineError: The container engine does not answer.
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
