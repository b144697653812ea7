"""What differs between two locks: versions, files, bases. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sandbox.manifest.lock import LockDocument, LockedImage, PlatformLock

BASE_NAME = "the base image"


@dataclass(frozen=True, kw_only=True)
class LockChange:
    """Something that is another in the second of two locks.

    Attributes:
        kind: ``library``, ``package`` (Debian's) or ``base``.
        name: What it is called; a package stands with its image, as in ``postgres: libpq5``.
        before: Its version, or the base's digest; None where it was not there.
        after: The same afterwards; None where it is no more. Equal to ``before`` where only its files are others.
        platforms: Where, sorted.
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
        """Give it as JSON."""
        return {
            "of": self.kind,
            "name": self.name,
            "from": self.before,
            "to": self.after,
            "platforms": list(self.platforms),
        }


def compare_locks(then: LockDocument | None, now: LockDocument) -> list[LockChange]:
    """Give what is another, sorted by kind and name; what is the same change on several platforms is one."""
    before = then.platforms if then else {}
    found: dict[tuple[str, str, str | None, str | None], list[str]] = {}
    for platform, entry in now.platforms.items():
        for one in compare_entries(before.get(platform), entry):
            found.setdefault((one.kind, one.name, one.before, one.after), []).append(platform)
    return [
        LockChange(kind=of, name=name, before=was, after=is_, platforms=tuple(sorted(platforms)))
        for (of, name, was, is_), platforms in sorted(found.items(), key=lambda one: one[0][:2])
    ]


def compare_entries(then: PlatformLock | None, now: PlatformLock) -> Iterator[LockChange]:
    """Give what is another on one platform; a base that is not known on either side is none."""
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
    return {one.name: (one.version, *one.hashes) for one in entry.libraries} if entry else {}


def _index_packages(entry: PlatformLock | None) -> Mapping[str, tuple[str, ...]]:
    if entry is None:
        return {}
    return {
        f"{image}: {one.name}": (one.version, one.hash)
        for image, packages in entry.packages.items()
        for one in packages
    }


def _format_base(base: LockedImage) -> str:
    return f"{base.reference.partition('@')[0]} ({base.digest.removeprefix('sha256:')[:16]})"
