"""Everything that lies about of ours on this machine, and how long nobody has used it."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from sandbox.commands.cleanup.orphans import find_orphans, is_orphan
from sandbox.containers.runtime_choice import choose_runtime
from sandbox.errors import ContainerEngineError, SandboxError
from sandbox.project.registry import list_deleted_projects, list_existing_projects, unregister_project
from sandbox.provisioner.images import image_usage
from sandbox.scratch import STAGED_PREFIX, UNFINISHED_PREFIX, find_leftover_paths, make_user_temp_folder
from sandbox.store import leases
from sandbox.store.folder import translate_os_errors, try_lock_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sandbox.containers.protocol import Runtime, RuntimeObject

ItemKind = Literal["sample", "run", "report", "half", "comparison", "environment", "image", "wheel", "package"]
KILLED_COMMAND_IMAGE = "image of a command that was killed"
ABORTED_BUILD_STAGE = "stage of a build that was broken off"
PERSONAL_KINDS: frozenset[ItemKind] = frozenset({"sample", "run", "report", "half", "comparison"})
"""What holds people's data, or what was made from it."""
# Where each kind lies: in a project's state, and in what all projects share.
PROJECT_FOLDERS: dict[str, ItemKind] = {
    "runs": "run",
    "diffs": "report",
    "halves": "half",
    "comparisons": "comparison",
}
SHARED_FOLDERS: dict[str, ItemKind] = {
    "samples": "sample",
    "environments": "environment",
    "wheels": "wheel",
    "packages": "package",
}


@dataclass(frozen=True, kw_only=True)
class CleanupItem:
    """One thing that could be removed.

    Attributes:
        kind: What it is.
        name: Its own name, unique within its kind and project.
        project: Whose it is; None where projects share it.
        path: The folder or file that says who uses it.
        bytes: What removing it gives back; layers and files that others share are counted as well.
        created_at, last_used_at: Seconds since 1970.
    """

    kind: ItemKind
    name: str
    project: Path | None
    path: Path
    bytes: int
    created_at: float
    last_used_at: float


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """What a killed process or a sandbox that is gone left: half-made, or at work for nobody.

    Attributes:
        name: Of a folder or of the engine's object.
        description: What it is, and why nobody needs it.
        bytes: What removing it gives back, as far as that is known.
        remove: Removes it; gives False where something uses it after all.
    """

    name: str
    description: str
    bytes: int
    remove: Callable[[], bool]


def list_items(home: Path) -> list[CleanupItem]:
    """Give all that was finished, in no order."""
    return [
        *(one for folder, kind in SHARED_FOLDERS.items() for one in _list_folder_items(home / folder, kind, None)),
        *_list_images(home),
        *(
            one
            for root in list_existing_projects()
            for folder, kind in PROJECT_FOLDERS.items()
            for one in _list_folder_items(root / ".sandbox" / folder, kind, root)
        ),
    ]


def find_leftovers(home: Path) -> list[Leftover]:
    """Give what killed processes and sandboxes that are gone left."""
    folders = [make_user_temp_folder(), home, *(home / folder for folder in (*SHARED_FOLDERS, "projects"))]
    for root in list_existing_projects():
        state = root / ".sandbox"
        folders += [state, *_list_folders(state), *_list_folders(state / "services")]
    half = [path for folder in folders for path in find_leftover_paths(folder)]
    half += [
        path for root in list_existing_projects() for path in find_leftover_paths(root) if _is_unfinished_lock(path)
    ]
    return [
        *map(_build_unfinished_leftover, half),
        *(one for runtime in list_runtimes() for one in _find_runtime_leftovers(runtime)),
        *_find_image_leftovers(home),
    ]


def list_runtimes() -> Iterator[Runtime]:
    """Give the runtimes that answer."""
    for name in ("docker", "local"):
        with contextlib.suppress(ContainerEngineError):
            yield choose_runtime(name)[0]


def remove_item(item: CleanupItem) -> bool:
    """Remove one thing; False where a living process uses it after all.

    Raises:
        StoreError: It may not be removed.
    """
    with translate_os_errors(item.path):
        if item.kind == "image":
            return image_usage.remove_image(item.path)
        if item.kind != "environment":
            return leases.remove_if_unused(item.path)
        with try_lock_path(item.path) as free:  # while it is made nobody uses it yet
            return free and leases.remove_if_unused(item.path)


def compute_size(place: Path) -> int:
    """Give what a folder or file takes, in bytes; what vanishes meanwhile counts for nothing."""
    total = 0
    for path in (place, *place.rglob("*")):
        with contextlib.suppress(OSError):
            total += 0 if path.is_dir() else path.lstat().st_size
    return total


def _build_unfinished_leftover(path: Path) -> Leftover:
    def remove_path() -> bool:
        with translate_os_errors(path):
            return leases.remove_if_unused(path) or not path.exists()

    return Leftover(name=str(path), description="half-made", bytes=compute_size(path), remove=remove_path)


def _is_unfinished_lock(path: Path) -> bool:
    """Say whether a file beside the user's own is certainly one that was to become ``sandbox.lock``."""
    return path.is_file() and re.fullmatch(rf"{re.escape(STAGED_PREFIX)}[a-z0-9_]{{8}}", path.name) is not None


def _find_runtime_leftovers(runtime: Runtime) -> Iterator[Leftover]:
    abandoned = {one.id: one for one in runtime.list_leftovers()}
    for one in abandoned.values():
        yield _build_abandoned_leftover(runtime, one)
    held, lost = runtime.list_objects({}), list_deleted_projects()
    for one in find_orphans(held, {*list_existing_projects(), *lost}):
        if one.id not in abandoned:
            yield _build_orphan_leftover(runtime, one)
    if runtime.name == "docker":
        paths = {one.labels.get("path") for one in held}
        for root in lost:
            if str(root) not in paths:
                unregister_project(root)


def _build_abandoned_leftover(runtime: Runtime, held: RuntimeObject) -> Leftover:
    what = f"{held.kind} whose owner is gone"
    return Leftover(name=held.name, description=what, bytes=0, remove=lambda: runtime.remove_object(held))


def _build_orphan_leftover(runtime: Runtime, held: RuntimeObject) -> Leftover:
    what = f"{held.kind} whose sandbox is gone"
    return Leftover(
        name=held.name,
        description=what,
        bytes=0,
        remove=lambda: is_orphan(held) and runtime.remove_object(held),
    )


def _find_image_leftovers(home: Path) -> Iterator[Leftover]:
    with contextlib.suppress(ContainerEngineError):
        for one in image_usage.list_leftovers(home):
            yield Leftover(
                name=next(iter(one.tags), one.id.removeprefix("sha256:")[:12]),
                description=ABORTED_BUILD_STAGE if "stage" in one.labels else KILLED_COMMAND_IMAGE,
                bytes=one.bytes,
                remove=partial(image_usage.remove_leftover, one, home),
            )


def _list_folders(parent: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return [path for path in parent.iterdir() if path.is_dir()]
    return []


def _list_folder_items(folder: Path, kind: ItemKind, project: Path | None) -> Iterator[CleanupItem]:
    for place in folder.glob("*"):
        if place.name.startswith((STAGED_PREFIX, UNFINISHED_PREFIX, ".")):
            continue
        with contextlib.suppress(OSError):
            used = place.stat().st_mtime
            yield CleanupItem(
                kind=kind,
                name=place.name,
                project=project,
                path=place,
                bytes=compute_size(place),
                created_at=_find_creation_time(place, kind, used),
                last_used_at=used,
            )


def _list_images(home: Path) -> Iterator[CleanupItem]:
    with contextlib.suppress(SandboxError):
        for place, image_bytes in image_usage.list_used_images(home):
            used = place.stat().st_mtime
            yield CleanupItem(
                kind="image",
                name=place.name,
                project=None,
                path=place,
                bytes=image_bytes,
                created_at=used,
                last_used_at=used,
            )


def _find_creation_time(place: Path, kind: ItemKind, otherwise: float) -> float:
    """Give when something was made: of a sample when it was drawn, wherever that was; of a run as its name says."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        if kind == "sample":
            drawn = json.loads((place / "manifest.json").read_text("utf-8"))["drawn"]
            return dt.datetime.fromisoformat(drawn).timestamp()
        if kind in {"run", "report"}:
            return dt.datetime.strptime(f"{place.name[:15]}+0000", "%Y%m%dT%H%M%S%z").timestamp()
    return otherwise
