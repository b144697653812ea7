"""Ids of environments, computed from their inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.manifest.canonical_json import hash_file, hash_json
from sandbox.provisioner.lock import pins

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox.manifest.lock import LockedImage, LockedLibrary, PlatformLock

BUILDER_VERSION = 1  # increased when the same inputs are built differently


def compute_image_id(image: str, platform: str, entry: PlatformLock, base: LockedImage) -> str:
    """Return the id of an environment in a container.

    Args:
        image: The folder of ``images/`` that it is built from.
        platform: For example ``linux/amd64``.
        entry: Its Python, libraries with hashes and packages are included.
        base: Only its digest is included; its local name does not affect the content.
    """
    packages = [[package.name, package.version, package.hash] for package in entry.packages.get(image, ())]
    return hash_json(
        {
            "builder": BUILDER_VERSION,
            "files": {"Dockerfile": hash_file(pins.find_dockerfile(image))},
            "base": base.digest,
            "platform": platform,
            "python": entry.python,
            "libraries": _list_libraries(entry.libraries),
            **({"packages": packages} if packages else {}),
        }
    )


def compute_host_id(platform: str, python: str, libraries: Iterable[LockedLibrary]) -> str:
    """Return the id of an environment on this machine; ``python`` is the full version of its interpreter."""
    return hash_json(
        {
            "builder": BUILDER_VERSION,
            "host": True,
            "platform": platform,
            "python": python,
            "libraries": _list_libraries(libraries),
        }
    )


def _list_libraries(libraries: Iterable[LockedLibrary]) -> list[list[object]]:
    return [
        [library.name, library.version, sorted(library.hashes)]
        for library in sorted(libraries, key=lambda library: library.name)
    ]
