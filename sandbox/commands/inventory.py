"""Everything that lies about of ours on this machine, and how long nobody has used it."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sandbox.commands.projects import known
from sandbox.containers.choose import choose
from sandbox.errors import EngineError, SandboxError
from sandbox.stack import unused_images
from sandbox.store import leases
from sandbox.store.folder import STAGED, UNFINISHED, half_made, locked_at_once, reported

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sandbox.containers.protocol import Held, Runtime

Kind = Literal["sample", "run", "report", "half", "comparison", "environment", "image", "wheel", "package"]
PERSONAL: frozenset[Kind] = frozenset({"sample", "run", "report", "half", "comparison"})
"""What holds people's data, or what was made from it."""
# Where each kind lies: in a project's state, and in what all projects share.
OF_PROJECT: dict[str, Kind] = {
    "runs": "run",
    "diffs": "report",
    "halves": "half",
    "comparisons": "comparison",
}
SHARED: dict[str, Kind] = {
    "samples": "sample",
    "environments": "environment",
    "wheels": "wheel",
    "packages": "package",
}


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing that could be removed.

    Attributes:
        kind: What it is.
        name: Its own name, unique within its kind and project.
        project: Whose it is; None where projects share it.
        place: The folder or file that says who uses it.
        bytes: What removing it gives back; layers and files that others share are counted as well.
        made, used: Seconds since 1970.
    """

    kind: Kind
    name: str
    project: Path | None
    place: Path
    bytes: int
    made: float
    used: float


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """What a killed process left: half-made, or at work for nobody."""

    name: str
    what: str
    bytes: int
    remove: Callable[[], object]


def items(home: Path) -> list[Item]:
    """Give all that was finished, in no order."""
    return [
        *(one for folder, kind in SHARED.items() for one in _in(home / folder, kind, None)),
        *_images(home),
        *(
            one
            for root in known()
            for folder, kind in OF_PROJECT.items()
            for one in _in(root / ".sandbox" / folder, kind, root)
        ),
    ]


def leftovers(home: Path) -> list[Leftover]:
    """Give what killed processes left."""
    folders = [home, *(home / folder for folder in (*SHARED, "projects"))]
    folders += [
        root / ".sandbox" / part
        for root in known()
        for part in ("", *OF_PROJECT, "requests", "sandboxes", "separability", "locks", "inside", "profiles")
    ]
    half = [_half(path) for folder in folders for path in half_made(folder)]
    return [*half, *(_left(runtime, one) for runtime in runtimes() for one in runtime.abandoned())]


def runtimes() -> Iterator[Runtime]:
    """Give the runtimes that answer."""
    for name in ("docker", "local"):
        with contextlib.suppress(EngineError):
            yield choose(name)[0]


def remove(item: Item) -> bool:
    """Remove one thing; False where a living process uses it after all.

    Raises:
        StoreError: It may not be removed.
    """
    with reported(item.place):
        if item.kind == "image":
            return unused_images.remove(item.place)
        if item.kind != "environment":
            return leases.retire(item.place)
        with locked_at_once(item.place) as free:  # while it is made nobody uses it yet
            return free and leases.retire(item.place)


def size(place: Path) -> int:
    """Give what a folder or file takes, in bytes; what vanishes meanwhile counts for nothing."""
    total = 0
    for path in (place, *place.rglob("*")):
        with contextlib.suppress(OSError):
            total += 0 if path.is_dir() else path.lstat().st_size
    return total


def _half(path: Path) -> Leftover:
    return Leftover(name=str(path), what="half-made", bytes=size(path), remove=lambda: leases.retire(path))


def _left(runtime: Runtime, held: Held) -> Leftover:
    return Leftover(
        name=held.name, what=f"{held.kind} whose owner is gone", bytes=0, remove=lambda: runtime.remove(held)
    )


def _in(folder: Path, kind: Kind, project: Path | None) -> Iterator[Item]:
    for place in folder.glob("*"):
        if place.name.startswith((STAGED, UNFINISHED, ".")):
            continue
        with contextlib.suppress(OSError):
            used = place.stat().st_mtime
            yield Item(
                kind=kind,
                name=place.name,
                project=project,
                place=place,
                bytes=size(place),
                made=_made(place, kind, used),
                used=used,
            )


def _images(home: Path) -> Iterator[Item]:
    with contextlib.suppress(SandboxError):
        for place, image_bytes in unused_images.known(home):
            used = place.stat().st_mtime
            yield Item(
                kind="image",
                name=place.name,
                project=None,
                place=place,
                bytes=image_bytes,
                made=used,
                used=used,
            )


def _made(place: Path, kind: Kind, otherwise: float) -> float:
    """Give when something was made: of a sample when it was drawn, wherever that was; of a run as its name says."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        if kind == "sample":
            drawn = json.loads((place / "manifest.json").read_text("utf-8"))["drawn"]
            return dt.datetime.fromisoformat(drawn).timestamp()
        if kind in {"run", "report"}:
            return dt.datetime.strptime(f"{place.name[:15]}+0000", "%Y%m%dT%H%M%S%z").timestamp()
    return otherwise
