"""``sandbox ls``, ``stop`` and ``rm``: what a project has, and cleaning it up."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.commands.cleanup import inventory
from sandbox.config.config_problems import nearest
from sandbox.errors import EngineError, UsageError
from sandbox.manifest.sandbox_record import SandboxRecord
from sandbox.project.create import record_path
from sandbox.project.services import services
from sandbox.project.services.labels import labels
from sandbox.provisioner.images import image_usage
from sandbox.samples import catalog
from sandbox.scratch import discard
from sandbox.store import leases
from sandbox.store.folder import locked, reported
from sandbox.store.paths import home

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.config import Project
    from sandbox.containers.protocol import Held, Runtime
    from sandbox.model import Environment, Progress

PARTS = ("runs", "services", "halves", "separability", "comparisons", "diffs", "locks", "inside", "sandboxes")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One sandbox, with what it holds and what its runs use right now; None is what is not there any more."""

    record: SandboxRecord
    held: list[Held]
    sample_bytes: int | None
    environment_bytes: int | None

    def fields(self) -> dict[str, Any]:
        """Give its JSON."""
        running = [one for one in self.held if one.running]
        return {
            **{key: value for key, value in self.record.fields().items() if key != "format_version"},
            "sample_bytes": self.sample_bytes,
            "environment_bytes": self.environment_bytes,
            "running": [one.name for one in running],
            "services": services.known(Path(self.record.path), self.record.name, running),
            "cpu_percent": sum(one.cpu_percent or 0.0 for one in running) if running else None,
            "memory_bytes": sum(one.memory_bytes or 0 for one in running) if running else None,
        }


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The sandboxes of a project, and what its runs and reports occupy."""

    entries: list[Entry]
    runs: int
    runs_bytes: int
    state_bytes: int

    def fields(self) -> dict[str, Any]:
        """Give the JSON of ``sandbox ls --json``."""
        return {
            "format_version": 1,
            "sandboxes": [entry.fields() for entry in self.entries],
            "runs": self.runs,
            "runs_bytes": self.runs_bytes,
            "state_bytes": self.state_bytes,
        }


def ls(project: Project) -> Listing:
    """List the sandboxes of a project."""
    answering = list(inventory.runtimes())
    runs = project.state / "runs"
    return Listing(
        entries=[_entry(project, name, answering) for name in names(project)],
        runs=len(list(runs.glob("[0-9]*"))),
        runs_bytes=inventory.size(runs),
        state_bytes=inventory.size(project.state),
    )


def names(project: Project) -> list[str]:
    """Give the names of a project's sandboxes, sorted."""
    return sorted(place.stem for place in (project.state / "sandboxes").glob("*.json"))


def _entry(project: Project, name: str, answering: Sequence[Runtime]) -> Entry:
    record = SandboxRecord.read(record_path(project, name))
    return Entry(
        record=record,
        held=[one for runtime in answering for one in runtime.measured(runtime.held(labels(project, name)))],
        sample_bytes=_bytes(home() / "samples" / record.sample),
        environment_bytes=_environment_bytes(record.environment),
    )


def _environment_bytes(environment: Environment) -> int | None:
    if environment.runtime == "docker":
        with contextlib.suppress(EngineError):
            return image_usage.size(environment.id)
        return None
    return _bytes(Path(environment.reference))


def _bytes(folder: Path) -> int | None:
    return inventory.size(folder) if folder.is_dir() else None


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
        discard(services.state(project, name))
    removed.append(f"sandbox {name}")
    if not names(project):
        removed += _clear(project, samples=samples, progress=progress)
    return removed


def _clear(project: Project, *, samples: bool, progress: Progress) -> list[str]:
    """Remove what is left of a project without a sandbox: all of it, or all but what says which sample is its own."""
    removed = []
    fingerprint = catalog.requested(project) if samples else None
    place = catalog.folder_of(home(), fingerprint) if fingerprint else None
    if place is not None and place.exists():
        with reported(place):
            if leases.retire(place):
                removed.append(f"sample {place.name[:16]}")
            else:
                progress.say(f"another command uses the sample {place.name[:16]}: left alone")
    for folder in _parts(project, samples=samples, progress=progress):
        if folder.is_dir():
            with reported(folder):
                discard(folder)
            removed.append(str(folder))
    return removed


def _parts(project: Project, *, samples: bool, progress: Progress) -> list[Path]:
    """Give the folders to remove; notebooks are the user's work, without the rows that they show."""
    if not samples:
        return [project.state / part for part in PARTS]
    own = services.notebooks(project)
    if not own.is_dir():
        return [project.state]
    progress.say(f"kept your notebooks: {own}")
    return [*own.rglob("__marimo__"), *(one for one in project.state.iterdir() if one != own)]


def _end(project: Project, name: str, progress: Progress) -> list[str]:
    ended = []
    for runtime in inventory.runtimes():
        for held in runtime.held(labels(project, name)):
            with progress.step(f"ending {held.name}"):
                removed = runtime.remove(held)
            if removed:
                ended.append(held.name)
            else:
                progress.say(f"something else uses {held.name}: left alone")
    return ended


def _require(project: Project, name: str) -> None:
    # A bisection makes none, and may have brought services up.
    if record_path(project, name).is_file() or (project.state / "services" / name).is_dir():
        return
    there = names(project)
    if not there:
        raise UsageError(f"this project has no sandbox {name!r}", hint="there is none yet: sandbox create")
    raise UsageError(
        f"this project has no sandbox {name!r}{nearest(name, there)}", hint=f"there are: {', '.join(there)}"
    )
