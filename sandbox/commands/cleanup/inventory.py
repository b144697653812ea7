"""List every object that sandbox owns on this machine, with its last use."""

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
"""Kinds that hold people's data or data derived from it."""
# Folders of the kinds: in a project's state, and in the home shared by all projects.
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
    """A complete object that could be removed.

    Attributes:
        kind: Its kind.
        name: Unique within its kind and project.
        project: Its project; None if projects share it.
        path: The folder or file with its leases.
        bytes: Bytes freed by removing it, including layers and files shared with others.
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
    """An incomplete or abandoned object of a killed process or a removed sandbox.

    Attributes:
        name: Of the folder or container engine's object.
        description: Its kind and state.
        bytes: Bytes freed by removing it, if known.
        remove: Removes it; returns False if it is in use.
    """

    name: str
    description: str
    bytes: int
    remove: Callable[[], bool]


def list_items(home: Path) -> list[CleanupItem]:
    """Return all complete objects, unordered."""
    return [
        *(item for folder, kind in SHARED_FOLDERS.items() for item in _list_folder_items(home / folder, kind, None)),
        *_list_images(home),
        *(
            item
            for root in list_existing_projects()
            for folder, kind in PROJECT_FOLDERS.items()
            for item in _list_folder_items(root / ".sandbox" / folder, kind, root)
        ),
    ]


def find_leftovers(home: Path) -> list[Leftover]:
    """Return the leftovers of killed processes and removed sandboxes."""
    folders = [make_user_temp_folder(), home, *(home / folder for folder in (*SHARED_FOLDERS, "projects"))]
    for root in list_existing_projects():
        state = root / ".sandbox"
        folders += [state, *_list_folders(state), *_list_folders(state / "services")]
    unfinished = [path for folder in folders for path in find_leftover_paths(folder)]
    unfinished += [
        path for root in list_existing_projects() for path in find_leftover_paths(root) if _is_unfinished_lock(path)
    ]
    return [
        *map(_build_unfinished_leftover, unfinished),
        *(leftover for runtime in list_runtimes() for leftover in _find_runtime_leftovers(runtime)),
        *_find_image_leftovers(home),
    ]


def list_runtimes() -> Iterator[Runtime]:
    """Yield the available runtimes."""
    for name in ("docker", "local"):
        with contextlib.suppress(ContainerEngineError):
            yield choose_runtime(name)[0]


def remove_item(item: CleanupItem) -> bool:
    """Remove an item; return False if a living process uses it.

    Raises:
        StoreError: It may not be removed.
    """
    with translate_os_errors(item.path):
        if item.kind == "image":
            return image_usage.remove_image(item.path)
        if item.kind != "environment":
            return leases.remove_if_unused(item.path)
        with try_lock_path(item.path) as free:  # nobody uses it while it is built
            return free and leases.remove_if_unused(item.path)


def compute_size(root: Path) -> int:
    """Compute the bytes of a folder or file, ignoring files that vanish meanwhile."""
    total = 0
    for path in (root, *root.rglob("*")):
        with contextlib.suppress(OSError):
            total += 0 if path.is_dir() else path.lstat().st_size
    return total


def _build_unfinished_leftover(path: Path) -> Leftover:
    def remove_path() -> bool:
        with translate_os_errors(path):
            return leases.remove_if_unused(path) or not path.exists()

    return Leftover(name=str(path), description="half-made", bytes=compute_size(path), remove=remove_path)


def _is_unfinished_lock(path: Path) -> bool:
    """Check whether a file among the user's own is surely an unfinished ``sandbox.lock``."""
    return path.is_file() and re.fullmatch(rf"{re.escape(STAGED_PREFIX)}[a-z0-9_]{{8}}", path.name) is not None


def _find_runtime_leftovers(runtime: Runtime) -> Iterator[Leftover]:
    abandoned = {runtime_object.id: runtime_object for runtime_object in runtime.list_leftovers()}
    for runtime_object in abandoned.values():
        yield _build_abandoned_leftover(runtime, runtime_object)
    held, lost = runtime.list_objects({}), list_deleted_projects()
    for runtime_object in find_orphans(held, {*list_existing_projects(), *lost}):
        if runtime_object.id not in abandoned:
            yield _build_orphan_leftover(runtime, runtime_object)
    if runtime.name == "docker":
        paths = {runtime_object.labels.get("path") for runtime_object in held}
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
        for image in image_usage.list_leftovers(home):
            yield Leftover(
                name=next(iter(image.tags), image.id.removeprefix("sha256:")[:12]),
                description=ABORTED_BUILD_STAGE if "stage" in image.labels else KILLED_COMMAND_IMAGE,
                bytes=image.bytes,
                remove=partial(image_usage.remove_leftover, image, home),
            )


def _list_folders(parent: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return [path for path in parent.iterdir() if path.is_dir()]
    return []


def _list_folder_items(folder: Path, kind: ItemKind, project: Path | None) -> Iterator[CleanupItem]:
    for path in folder.glob("*"):
        if path.name.startswith((STAGED_PREFIX, UNFINISHED_PREFIX, ".")):
            continue
        with contextlib.suppress(OSError):
            used = path.stat().st_mtime
            yield CleanupItem(
                kind=kind,
                name=path.name,
                project=project,
                path=path,
                bytes=compute_size(path),
                created_at=_find_creation_time(path, kind, used),
                last_used_at=used,
            )


def _list_images(home: Path) -> Iterator[CleanupItem]:
    with contextlib.suppress(SandboxError):
        for path, image_bytes in image_usage.list_used_images(home):
            used = path.stat().st_mtime
            yield CleanupItem(
                kind="image",
                name=path.name,
                project=None,
                path=path,
                bytes=image_bytes,
                created_at=used,
                last_used_at=used,
            )


def _find_creation_time(path: Path, kind: ItemKind, otherwise: float) -> float:
    """Return when an object was created: for samples when drawn, for runs and reports by their names."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        if kind == "sample":
            drawn = json.loads((path / "manifest.json").read_text("utf-8"))["drawn"]
            return dt.datetime.fromisoformat(drawn).timestamp()
        if kind in {"run", "report"}:
            return dt.datetime.strptime(f"{path.name[:15]}+0000", "%Y%m%dT%H%M%S%z").timestamp()
    return otherwise
