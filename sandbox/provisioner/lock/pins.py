"""Pinned versions with hashes in pip's and uv's format, by target platform."""

from __future__ import annotations

import os
import platform as host
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.errors import ConfigError, FrozenMismatchError
from sandbox.manifest.lock import LockedLibrary
from sandbox.store import paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from packaging.tags import Tag

    from sandbox.manifest.lock import LockDocument, PlatformLock

ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
CONTAINER_PLATFORMS = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}
GLIBC_MINOR = 40  # Debian 13 has glibc 2.41, and 2.40 is the newest known to both uv and pip
_PIN_PATTERN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;]+)\s*(?:;\s*(?P<marker>.*))?$")


@dataclass(frozen=True, kw_only=True)
class InstallTarget:
    """A target of library installation: a container, or this machine.

    Attributes:
        platform: For example ``linux/amd64``.
        python: Major and minor.
        in_container: Whether the image's C library applies, not this machine's.
    """

    platform: str
    python: str
    in_container: bool

    @property
    def wheel_tags(self) -> frozenset[Tag]:
        return frozenset(self._list_tags())

    def list_platform_tags(self) -> list[str]:
        """Return the platform tags of installable wheels, the most specific first."""
        if not self.in_container:
            from packaging import tags  # noqa: PLC0415 - slow, and what is there needs none

            return list(tags.platform_tags())
        machine = CONTAINER_PLATFORMS[self.platform]
        oldest = 5 if machine == "x86_64" else 17
        aliases = ("2014", "2010", "1") if machine == "x86_64" else ("2014",)
        return [
            *(f"manylinux_2_{minor}_{machine}" for minor in range(GLIBC_MINOR, oldest - 1, -1)),
            *(f"manylinux{alias}_{machine}" for alias in aliases),
        ]

    def _list_tags(self) -> Iterator[Tag]:
        from packaging import tags  # noqa: PLC0415 - see `list_platform_tags`

        major, minor = (int(part) for part in self.python.split("."))
        platforms = self.list_platform_tags()
        yield from tags.cpython_tags((major, minor), platforms=platforms)
        yield from tags.compatible_tags((major, minor), interpreter=f"cp{major}{minor}", platforms=platforms)

    def matches_marker(self, marker: str | None) -> bool:
        """Return whether an environment marker applies to this target."""
        if not marker:
            return True
        from packaging.markers import Marker, default_environment  # noqa: PLC0415 - see `list_platform_tags`

        here = {name: str(value) for name, value in default_environment().items()}
        here |= {"python_version": self.python, "python_full_version": f"{self.python}.0"}
        if self.in_container:
            here |= {
                "os_name": "posix",
                "sys_platform": "linux",
                "platform_system": "Linux",
                "platform_machine": CONTAINER_PLATFORMS[self.platform],
                "platform_release": "",
                "platform_version": "",
                "implementation_name": "cpython",
                "platform_python_implementation": "CPython",
            }
        return Marker(marker).evaluate(here)


def read_host_platform() -> str:
    """Return this machine's platform, as in ``linux/amd64``."""
    machine = host.machine().lower()
    system = {"nt": "windows"}.get(os.name, host.system().lower())
    return f"{system}/{ARCHITECTURES.get(machine, machine)}"


def list_targets(python: str) -> list[InstallTarget]:
    return [InstallTarget(platform=platform, python=python, in_container=True) for platform in CONTAINER_PLATFORMS]


def format_platform_key(target: InstallTarget, python: str) -> str:
    """Return a target's key in the lock of a stack with this Python."""
    return target.platform if target.python == python else f"{target.platform}-python{target.python}"


def find_platform_entry(lock: LockDocument, key: str) -> PlatformLock:
    """Return a lock's entry for a platform.

    Raises:
        FrozenMismatchError: There is none.
    """
    entry = lock.platforms.get(key)
    if entry is None:
        raise FrozenMismatchError(
            f"sandbox.lock has nothing for {key}; it has {', '.join(sorted(lock.platforms))}",
            hint="run this on such a machine, and commit the file: sandbox lock",
        )
    return entry


def find_image_file(image: str, name: str) -> Path:
    """Return the path of an image's packaged file."""
    return paths.find_packaged_folder("images") / image / name


def find_dockerfile(image: str) -> Path:
    """Return an image's Dockerfile, without further packaged files; an image without one uses python's."""
    path = find_image_file(image, "Dockerfile")
    return path if path.is_file() else find_image_file("python", "Dockerfile")


def read_image_pins(image: str, target: InstallTarget) -> list[LockedLibrary]:
    lock = find_image_file(image, "requirements.lock")
    return parse_pins(lock.read_text("utf-8"), target, origin=f"images/{image}/requirements.lock")


def parse_pins(text: str, target: InstallTarget, *, origin: str) -> list[LockedLibrary]:
    """Parse a requirements file of pins with hashes into one target's libraries, sorted by name.

    Raises:
        ConfigError: A line is not a pin, or has no hash.
    """
    from packaging.utils import canonicalize_name  # noqa: PLC0415 - see `InstallTarget.list_platform_tags`

    libraries = []
    for entry in _split_entries(text):
        pin, *hashes = [part.strip() for part in entry.split("--hash=")]
        match = _PIN_PATTERN.match(pin)
        if match is None or not hashes:
            raise ConfigError(
                f"{origin} has something that is no exact version with hashes: {pin}",
                hint=f"only libraries that an index has as wheels are supported; remove what asks for {pin}",
            )
        if target.matches_marker(match["marker"]):
            name = canonicalize_name(match["name"])
            libraries.append(LockedLibrary(name=name, version=match["version"], hashes=sorted(hashes)))
    return sorted(libraries, key=lambda library: library.name)


def _split_entries(text: str) -> Iterator[str]:
    for line in text.replace("\\\n", " ").splitlines():
        entry = line.strip()
        if entry and not entry.startswith("#"):
            yield entry


def format_pins(libraries: Iterable[LockedLibrary], *, hashes: bool = True) -> str:
    """Return pins as a requirements file, reproducible for the same libraries."""
    lines = []
    for library in sorted(libraries, key=lambda library: library.name):
        checks = [f"    --hash={value}" for value in library.hashes] if hashes else []
        lines.append(" \\\n".join([f"{library.name}=={library.version}", *checks]))
    return "".join(f"{line}\n" for line in lines)
