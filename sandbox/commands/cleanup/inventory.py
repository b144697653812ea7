"""Everything that lies about of ours on this machine, and how long nobody has used it."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from sandbox.commands.cleanup.orphans import orphans, still
from sandbox.containers.runtime_choice import choose
from sandbox.errors import EngineError, SandboxError
from sandbox.project.registry import forget, gone, known
from sandbox.provisioner.images import image_usage
from sandbox.scratch import STAGED, UNFINISHED, half_made, temporary
from sandbox.store import leases
from sandbox.store.folder import locked_at_once, reported

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sandbox.containers.protocol import Held, Runtime

Kind = Literal["sample", "run", "report", "half", "comparison", "environment", "image", "wheel", "package"]
KILLED = "image of a command that was killed"
BROKEN_OFF = "stage of a build that was broken off"
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
    """What a killed process or a sandbox that is gone left: half-made, or at work for nobody.

    Attributes:
        name: Of a folder or of the engine's object.
        what: What it is, and why nobody needs it.
        bytes: What removing it gives back, as far as that is known.
        remove: Removes it; gives False where something uses it after all.
    """

    name: str
    what: str
    bytes: int
    remove: Callable[[], bool]


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
    """Give what killed processes and sandboxes that are gone left."""
    folders = [temporary(), home, *(home / folder for folder in (*SHARED, "projects"))]
    for root in known():
        state = root / ".sandbox"
        folders += [state, *_folders(state), *_folders(state / "services")]
    half = [path for folder in folders for path in half_made(folder)]
    half += [path for root in known() for path in half_made(root) if _half_written(path)]
    return [
        *map(_half, half),
        *(one for runtime in runtimes() for one in _of_runtime(runtime)),
        *_left_images(home),
    ]


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
            return image_usage.remove(item.place)
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
    def remove() -> bool:
        with reported(path):
            return leases.retire(path) or not path.exists()

    return Leftover(name=str(path), what="half-made", bytes=size(path), remove=remove)


def _half_written(path: Path) -> bool:
    """Say whether a file beside the user's own is certainly one that was to become ``sandbox.lock``."""
    return path.is_file() and re.fullmatch(rf"{re.escape(STAGED)}[a-z0-9_]{{8}}", path.name) is not None


def _of_runtime(runtime: Runtime) -> Iterator[Leftover]:
    abandoned = {one.id: one for one in runtime.abandoned()}
    for one in abandoned.values():
        yield _left(runtime, one)
    held, lost = runtime.held({}), gone()
    for one in orphans(held, {*known(), *lost}):
        if one.id not in abandoned:
            yield _orphan(runtime, one)
    if runtime.name == "docker":
        paths = {one.labels.get("path") for one in held}
        for root in lost:
            if str(root) not in paths:
                forget(root)


def _left(runtime: Runtime, held: Held) -> Leftover:
    what = f"{held.kind} whose owner is gone"
    return Leftover(name=held.name, what=what, bytes=0, remove=lambda: runtime.remove(held))


def _orphan(runtime: Runtime, held: Held) -> Leftover:
    what = f"{held.kind} whose sandbox is gone"
    return Leftover(name=held.name, what=what, bytes=0, remove=lambda: still(held) and runtime.remove(held))


def _left_images(home: Path) -> Iterator[Leftover]:
    with contextlib.suppress(EngineError):
        for one in image_usage.left(home):
            yield Leftover(
                name=next(iter(one.tags), one.id.removeprefix("sha256:")[:12]),
                what=BROKEN_OFF if "stage" in one.labels else KILLED,
                bytes=one.bytes,
                remove=partial(image_usage.discard, one, home),
            )


def _folders(parent: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return [path for path in parent.iterdir() if path.is_dir()]
    return []


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
        for place, image_bytes in image_usage.known(home):
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
