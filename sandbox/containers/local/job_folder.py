"""A local job's place: a temporary folder with its home, named after it, that says whose it is."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.containers import ownership
from sandbox.containers.local import cgroups
from sandbox.containers.local.cgroups import ControlGroup
from sandbox.containers.local.job_processes import JobProcesses
from sandbox.errors import ContainerEngineError, StoreError
from sandbox.scratch import make_locked_folder, make_user_temp_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sandbox.model import ResourceLimits

RECORD_FILE = "job.json"


@dataclass(frozen=True, kw_only=True)
class JobFolder:
    """One job's folder.

    Attributes:
        path: ``home`` and ``tmp`` lie in it.
        labels: The job's and the owner's.
        control_group: The job's control group; None where this process may not make one.
    """

    path: Path
    labels: Mapping[str, str]
    control_group: ControlGroup | None = None

    @property
    def home(self) -> Path:
        """The job's home."""
        return self.path / "home"

    @property
    def tmp(self) -> Path:
        """The job's folder for temporary files."""
        return self.path / "tmp"

    @property
    def is_leftover(self) -> bool:
        """True where the process that made it is gone."""
        owning = ownership.parse_owner(self.labels)
        return owning is not None and owning.has_ended

    @property
    def processes(self) -> JobProcesses:
        """The job's processes, told by its home alone: process numbers may be others' by now."""
        return JobProcesses(None, str(self.home), self.control_group)


def make_root_folder() -> Path:
    """Give the folder of all places of this user, which nobody else can write to.

    Raises:
        EngineError: Somebody else made it, or it cannot be made.
    """
    try:
        return make_user_temp_folder()
    except StoreError as error:
        raise ContainerEngineError(error.message, hint=error.hint) from error


@contextlib.contextmanager
def create_job_folder(name: str, labels: Mapping[str, str], limits: ResourceLimits) -> Iterator[JobFolder]:
    """Give a place that is removed afterwards.

    Raises:
        EngineError: A job of this name is at work.
    """
    folder = make_root_folder() / name
    control = cgroups.plan_control_group(f"sandbox-{os.getuid()}-{name}")
    place = JobFolder(path=folder, labels={**labels, **ownership.identify_owner().labels}, control_group=control)
    try:
        _write_job_folder(place)
    except OSError as error:
        if error.errno in {errno.EEXIST, errno.ENOTEMPTY}:
            raise ContainerEngineError(
                f"{name} is at work already", hint="wait for it, or end it: sandbox stop"
            ) from None
        raise ContainerEngineError(f"{folder} cannot be made: {error.strerror}", hint="free some space") from error
    try:
        # Made when it is on record, so that none is left that nobody knows.
        yield place if control is None or control.create(limits) else replace(place, control_group=None)
    finally:
        remove_job_folder(place)


def _write_job_folder(place: JobFolder) -> None:
    """Make a place whole at once: whoever looks meanwhile must not take a half for a wreck."""
    with make_locked_folder(place.path.parent, label=place.path.name) as half:
        (half / place.home.name).mkdir(mode=0o700)
        (half / place.tmp.name).mkdir(mode=0o700)
        about = {"labels": place.labels, "control": _describe_control_group(place.control_group)}
        (half / RECORD_FILE).write_text(json.dumps(about), encoding="utf-8")
        half.rename(place.path)


def remove_job_folder(place: JobFolder) -> None:
    """Remove a place, and what a job left in it that it could not remove itself."""
    if place.control_group is not None:
        place.control_group.remove()
    for folder, names, _ in os.walk(place.path):
        for inside in (Path(folder) / name for name in names):
            with contextlib.suppress(OSError):
                if not inside.is_symlink():
                    inside.chmod(0o700)
    shutil.rmtree(place.path, ignore_errors=True)


def list_job_folders() -> list[JobFolder]:
    """Give all places of this user."""
    found = [_read_job_folder(file) for file in sorted(make_root_folder().glob(f"*/{RECORD_FILE}"))]
    return [place for place in found if place is not None]


def _describe_control_group(control: ControlGroup | None) -> dict[str, str] | None:
    return {name: str(folder) for name, folder in control.folders.items()} if control else None


def _read_job_folder(file: Path) -> JobFolder | None:
    with contextlib.suppress(OSError, ValueError, KeyError, AttributeError, TypeError):
        found: Any = json.loads(file.read_text(encoding="utf-8"))
        labels = {str(name): str(value) for name, value in found["labels"].items()}
        folders = {str(name): Path(folder) for name, folder in (found["control"] or {}).items()}
        control = ControlGroup(folders=folders) if folders else None
        return JobFolder(path=file.parent, labels=labels, control_group=control)
    return None
