"""``sandbox ls``, ``stop`` and ``rm``: what a project has, and cleaning it up."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.commands.create import record_path
from sandbox.commands.run import labels
from sandbox.containers.choose import choose
from sandbox.errors import EngineError, UsageError
from sandbox.manifest.sandbox import SandboxRecord
from sandbox.sampler import kept
from sandbox.store.folder import locked, reported
from sandbox.store.places import home

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.containers.protocol import Held, Runtime
    from sandbox.model import Progress


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One sandbox, with what its runs use right now."""

    record: SandboxRecord
    held: list[Held]
    sample_bytes: int | None

    def fields(self) -> dict[str, Any]:
        """Give its JSON."""
        running = [one for one in self.held if one.running]
        return {
            **{key: value for key, value in self.record.fields().items() if key != "format_version"},
            "sample_bytes": self.sample_bytes,
            "running": [one.name for one in running],
            "cpu_percent": sum(one.cpu_percent or 0.0 for one in running) if running else None,
            "memory_bytes": sum(one.memory_bytes or 0 for one in running) if running else None,
        }


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The sandboxes of a project, and what its runs and reports occupy."""

    entries: list[Entry]
    state_bytes: int

    def fields(self) -> dict[str, Any]:
        """Give the JSON of ``sandbox ls --json``."""
        return {
            "format_version": 1,
            "sandboxes": [entry.fields() for entry in self.entries],
            "state_bytes": self.state_bytes,
        }


def ls(project: Project) -> Listing:
    """List the sandboxes of a project."""
    runtime = _runtime(project)
    entries = []
    for place in sorted((project.state / "sandboxes").glob("*.json")):
        record = SandboxRecord.read(place)
        held = runtime.held(labels(project, record.name)) if runtime else []
        entries.append(Entry(record=record, held=held, sample_bytes=_sample_bytes(record.sample)))
    return Listing(entries=entries, state_bytes=_bytes(project.state))


def stop(project: Project, *, name: str, progress: Progress) -> list[str]:
    """End what runs for a sandbox, and give the names of what was ended."""
    _require(project, name)
    return _end(project, name, progress)


def rm(project: Project, *, name: str, samples: bool, progress: Progress) -> list[str]:
    """Remove a sandbox and what runs for it; with the project's last one its runs and reports go too.

    Samples stay unless ``samples`` is set; environments stay, because projects share them.
    """
    _require(project, name)
    removed = _end(project, name, progress)
    place = record_path(project, name)
    with locked(place), reported(place):
        place.unlink(missing_ok=True)
    removed.append(f"sandbox {name}")
    if not list(place.parent.glob("*.json")):
        removed += _clear(project, samples=samples)
    return removed


def _clear(project: Project, *, samples: bool) -> list[str]:
    removed = []
    drawn = kept.drawn(project, home()) if samples else None
    if drawn is not None:
        with reported(drawn.path):
            shutil.rmtree(drawn.path)
            shutil.rmtree(project.state / "requests")
        removed.append(f"sample {drawn.fingerprint[:16]}")
    for part in ("runs", "halves", "separability", "comparisons", "diffs", "locks", "sandboxes"):
        folder = project.state / part
        if folder.is_dir():
            with reported(folder):
                shutil.rmtree(folder)
            removed.append(str(folder))
    return removed


def _end(project: Project, name: str, progress: Progress) -> list[str]:
    runtime = _runtime(project)
    ended = []
    for held in runtime.held(labels(project, name)) if runtime else []:
        with progress.step(f"ending {held.name}"):
            assert runtime is not None
            runtime.remove(held)
        ended.append(held.name)
    return ended


def _require(project: Project, name: str) -> None:
    if not record_path(project, name).is_file():
        names = sorted(place.stem for place in (project.state / "sandboxes").glob("*.json"))
        there = f"there are: {', '.join(names)}" if names else "there is none yet: sandbox create"
        raise UsageError(f"this project has no sandbox {name!r}", hint=there)


def _runtime(project: Project) -> Runtime | None:
    """Give the project's runtime; without one that answers nothing of ours can run."""
    try:
        return choose(project.settings.stack.runtime)[0]
    except EngineError:
        return None


def _sample_bytes(fingerprint: str) -> int | None:
    folder = home() / "samples" / fingerprint
    return _bytes(folder) if folder.is_dir() else None


def _bytes(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
