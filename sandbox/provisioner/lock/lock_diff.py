"""Differences between two locks: versions, files, bases. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sandbox.manifest.lock import LockDocument, LockedImage, PlatformLock

BASE_NAME = "the base image"


@dataclass(frozen=True, kw_only=True)
class LockChange:
    """A difference between two locks.

    Attributes:
        kind: ``library``, ``package`` (Debian) or ``base``.
        name: Its name; a package is prefixed with its image, as in ``postgres: libpq5``.
        before: Its version, or the base's digest; None if it was added.
        after: The same afterwards; None if it was removed. Equal to ``before`` if only its files changed.
        platforms: The affected platforms, sorted.
    """

    kind: str
    name: str
    before: str | None
    after: str | None
    platforms: tuple[str, ...]

    def __str__(self) -> str:
        if self.before is None:
            return f"{self.name} {self.after} came in"
        if self.after is None:
            return f"{self.name} fell out"
        if self.before == self.after:
            return f"{self.name} {self.after} has other files"
        return f"{self.name} is {self.after}, and was {self.before}"

    def fields(self) -> dict[str, object]:
        return {
            "of": self.kind,
            "name": self.name,
            "from": self.before,
            "to": self.after,
            "platforms": list(self.platforms),
        }


def compare_locks(then: LockDocument | None, now: LockDocument) -> list[LockChange]:
    """Return the differences, sorted by kind and name; the same change on several platforms is listed once."""
    before = then.platforms if then else {}
    platforms_by_change: dict[tuple[str, str, str | None, str | None], list[str]] = {}
    for platform, entry in now.platforms.items():
        for change in compare_entries(before.get(platform), entry):
            platforms_by_change.setdefault((change.kind, change.name, change.before, change.after), []).append(platform)
    return [
        LockChange(kind=of, name=name, before=was, after=is_, platforms=tuple(sorted(platforms)))
        for (of, name, was, is_), platforms in sorted(platforms_by_change.items(), key=lambda item: item[0][:2])
    ]


def compare_entries(then: PlatformLock | None, now: PlatformLock) -> Iterator[LockChange]:
    """Yield the differences on one platform; a base unknown on either side is ignored."""
    if then is not None and then.base and now.base and then.base != now.base:
        yield LockChange(
            kind="base",
            name=BASE_NAME,
            before=_format_base(then.base),
            after=_format_base(now.base),
            platforms=(),
        )
    for of, was, is_ in (
        ("library", _index_libraries(then), _index_libraries(now)),
        ("package", _index_packages(then), _index_packages(now)),
    ):
        for name in sorted(was.keys() | is_.keys()):
            if was.get(name) != is_.get(name):
                before, after = was.get(name, (None,)), is_.get(name, (None,))
                yield LockChange(kind=of, name=name, before=before[0], after=after[0], platforms=())


def _index_libraries(entry: PlatformLock | None) -> Mapping[str, tuple[str, ...]]:
    return {library.name: (library.version, *library.hashes) for library in entry.libraries} if entry else {}


def _index_packages(entry: PlatformLock | None) -> Mapping[str, tuple[str, ...]]:
    if entry is None:
        return {}
    return {
        f"{image}: {package.name}": (package.version, package.hash)
        for image, packages in entry.packages.items()
        for package in packages
    }


def _format_base(base: LockedImage) -> str:
    return f"{base.reference.partition('@')[0]} ({base.digest.removeprefix('sha256:')[:16]})"
