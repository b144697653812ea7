"""``sandbox ls``, ``stop`` and ``rm``: list, stop and remove the sandboxes of a project."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.commands.cleanup import inventory
from sandbox.config.config_problems import suggest_name
from sandbox.errors import ContainerEngineError, UsageError
from sandbox.manifest.sandbox_record import SandboxRecord
from sandbox.project.create import build_record_path
from sandbox.project.services import services, state_files
from sandbox.project.services.labels import build_labels
from sandbox.provisioner.images import image_usage
from sandbox.samples import catalog
from sandbox.scratch import STAGED_PREFIX, remove_path
from sandbox.store import leases
from sandbox.store.folder import lock_path, translate_os_errors
from sandbox.store.paths import find_home_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.config import Project
    from sandbox.containers.protocol import Runtime, RuntimeObject
    from sandbox.model import Environment, Progress

STATE_FOLDERS = (
    "runs",
    "services",
    "exported",
    "halves",
    "separability",
    "certificates",
    "expected-columns",
    "groups",
    "comparisons",
    "diffs",
    "locks",
    "inside",
    "sandboxes",
)


@dataclass(frozen=True, kw_only=True)
class SandboxEntry:
    """A sandbox with its sizes and its runs' present usage; None for missing parts."""

    record: SandboxRecord
    runtime_objects: list[RuntimeObject]
    sample_bytes: int | None
    environment_bytes: int | None

    def to_dict(self) -> dict[str, Any]:
        running = [runtime_object for runtime_object in self.runtime_objects if runtime_object.running]
        return {
            **{key: value for key, value in self.record.to_dict().items() if key != "format_version"},
            "sample_bytes": self.sample_bytes,
            "environment_bytes": self.environment_bytes,
            "running": [runtime_object.name for runtime_object in running],
            "services": services.describe_running_services(Path(self.record.path), self.record.name, running),
            "cpu_percent": sum(runtime_object.cpu_percent or 0.0 for runtime_object in running) if running else None,
            "memory_bytes": sum(runtime_object.memory_bytes or 0 for runtime_object in running) if running else None,
        }


@dataclass(frozen=True, kw_only=True)
class SandboxListing:
    """The sandboxes of a project, and the sizes of its runs and state."""

    entries: list[SandboxEntry]
    runs: int
    runs_bytes: int
    state_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of ``sandbox ls --json``."""
        return {
            "format_version": 1,
            "sandboxes": [entry.to_dict() for entry in self.entries],
            "runs": self.runs,
            "runs_bytes": self.runs_bytes,
            "state_bytes": self.state_bytes,
        }


def ls(project: Project) -> SandboxListing:
    """List the sandboxes of a project."""
    answering = list(inventory.list_runtimes())
    runs = project.state_folder / "runs"
    return SandboxListing(
        entries=[_read_entry(project, name, answering) for name in list_sandbox_names(project)],
        runs=len(list(runs.glob("[0-9]*"))),
        runs_bytes=inventory.compute_size(runs),
        state_bytes=inventory.compute_size(project.state_folder),
    )


def list_sandbox_names(project: Project) -> list[str]:
    """Return the names of a project's sandboxes, sorted."""
    return sorted(record.stem for record in (project.state_folder / "sandboxes").glob("*.json"))


def _read_entry(project: Project, name: str, answering: Sequence[Runtime]) -> SandboxEntry:
    record = SandboxRecord.read(build_record_path(project, name))
    return SandboxEntry(
        record=record,
        runtime_objects=[
            runtime_object
            for runtime in answering
            for runtime_object in runtime.measure_usage(runtime.list_objects(build_labels(project, name)))
        ],
        sample_bytes=_compute_folder_bytes(find_home_folder() / "samples" / record.sample),
        environment_bytes=_compute_environment_bytes(record.environment),
    )


def _compute_environment_bytes(environment: Environment) -> int | None:
    if environment.runtime == "docker":
        with contextlib.suppress(ContainerEngineError):
            return image_usage.read_image_size(environment.id)
        return None
    return _compute_folder_bytes(Path(environment.reference))


def _compute_folder_bytes(folder: Path) -> int | None:
    return inventory.compute_size(folder) if folder.is_dir() else None


def stop(project: Project, *, name: str, progress: Progress) -> list[str]:
    """Stop a sandbox's running objects and return their names."""
    _check_sandbox_exists(project, name)
    return _remove_runtime_objects(project, name, progress)


def rm(project: Project, *, name: str, samples: bool, progress: Progress) -> list[str]:
    """Remove a sandbox and its running objects; with the project's last one also runs and reports.

    Samples stay unless ``samples`` is set; environments stay, because projects share them. A project without sandboxes
    may still have a sample, for ``samples`` to remove.
    """
    if samples and not list_sandbox_names(project) and catalog.read_requested_fingerprint(project) is not None:
        removed = _remove_runtime_objects(project, name, progress)
        return removed + _remove_project_state(project, samples=True, progress=progress)
    _check_sandbox_exists(project, name)
    removed = _remove_runtime_objects(project, name, progress)
    record_path = build_record_path(project, name)
    with lock_path(record_path), translate_os_errors(record_path):
        record_path.unlink(missing_ok=True)
        remove_path(state_files.make_services_folder(project, name))
        with contextlib.suppress(FileNotFoundError):
            remove_path(project.state_folder / "exported" / name)
    removed.append(f"sandbox {name}")
    if not list_sandbox_names(project):
        removed += _remove_project_state(project, samples=samples, progress=progress)
    return removed


def _remove_project_state(project: Project, *, samples: bool, progress: Progress) -> list[str]:
    """Remove the state of a project without sandboxes; without ``samples`` the record of its sample stays."""
    removed = []
    fingerprint = catalog.read_requested_fingerprint(project) if samples else None
    sample_path = catalog.resolve_sample_path(find_home_folder(), fingerprint) if fingerprint else None
    if sample_path is not None and sample_path.exists():
        with translate_os_errors(sample_path):
            if leases.remove_if_unused(sample_path):
                removed.append(f"sample {sample_path.name[:16]}")
            else:
                progress.print_message(f"another command uses the sample {sample_path.name[:16]}: left alone")
    for folder in _list_removable_folders(project, samples=samples, progress=progress):
        if not folder.is_dir():
            continue
        with translate_os_errors(folder):
            if _remove_unused(folder, is_state=folder == project.state_folder):
                removed.append(str(folder))
            else:
                progress.print_message(f"another command uses a part of {folder}: left alone")
    return removed


def _remove_unused(folder: Path, *, is_state: bool = False) -> bool:
    """Remove a folder but for what another command uses; return whether all of it is gone."""
    for path in folder.iterdir():
        if is_state and path.is_dir() and not path.is_symlink() and not path.name.startswith(STAGED_PREFIX):
            _remove_unused(path)
        else:
            leases.remove_if_unused(path)
    if any(folder.iterdir()):
        return False
    folder.rmdir()
    return True


def _list_removable_folders(project: Project, *, samples: bool, progress: Progress) -> list[Path]:
    """Return the folders to remove; notebooks are the user's work and stay, without their cached rows."""
    if not samples:
        return [project.state_folder / part for part in STATE_FOLDERS]
    notebooks = state_files.build_notebooks_path(project)
    if not notebooks.is_dir():
        return [project.state_folder]
    progress.print_message(f"kept your notebooks: {notebooks}")
    return [*notebooks.rglob("__marimo__"), *(path for path in project.state_folder.iterdir() if path != notebooks)]


def _remove_runtime_objects(project: Project, name: str, progress: Progress) -> list[str]:
    ended = []
    for runtime in inventory.list_runtimes():
        for held in runtime.list_objects(build_labels(project, name)):
            with progress.step(f"ending {held.name}"):
                removed = runtime.remove_object(held)
            if removed:
                ended.append(held.name)
            else:
                progress.print_message(f"something else uses {held.name}: left alone")
    return ended


def _check_sandbox_exists(project: Project, name: str) -> None:
    # A bisection creates no sandbox, but may have started services.
    if build_record_path(project, name).is_file() or (project.state_folder / "services" / name).is_dir():
        return
    there = list_sandbox_names(project)
    if not there:
        raise UsageError(f"this project has no sandbox {name!r}", hint="there is none yet: sandbox create")
    raise UsageError(
        f"this project has no sandbox {name!r}{suggest_name(name, there)}",
        hint=f"there are: {', '.join(there)}",
    )
