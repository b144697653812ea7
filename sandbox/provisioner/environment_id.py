"""What an environment is, as one id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.manifest.canonical_json import digest, file_digest
from sandbox.provisioner.lock import pins

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox.manifest.lock import BaseImage, Library, PlatformLock

BUILDER = 1  # raised when the same inputs are built in another way


def of_image(image: str, platform: str, entry: PlatformLock, base: BaseImage) -> str:
    """Give the id of an environment in a container.

    Args:
        image: The folder of ``images/`` that it is built from.
        platform: For example ``linux/amd64``.
        entry: Its Python, its libraries with their hashes and its packages count.
        base: Only its digest counts: what it is called here does not change what is in it.
    """
    packages = [[one.name, one.version, one.hash] for one in entry.packages.get(image, ())]
    return digest(
        {
            "builder": BUILDER,
            "files": {"Dockerfile": file_digest(pins.dockerfile(image))},
            "base": base.digest,
            "platform": platform,
            "python": entry.python,
            "libraries": _listed(entry.libraries),
            **({"packages": packages} if packages else {}),
        }
    )


def of_host(platform: str, python: str, libraries: Iterable[Library]) -> str:
    """Give the id of an environment on this machine; ``python`` is the full version of its interpreter."""
    return digest(
        {
            "builder": BUILDER,
            "host": True,
            "platform": platform,
            "python": python,
            "libraries": _listed(libraries),
        }
    )


def _listed(libraries: Iterable[Library]) -> list[list[object]]:
    return [
        [one.name, one.version, sorted(one.hashes)] for one in sorted(libraries, key=lambda one: one.name)
    ]
