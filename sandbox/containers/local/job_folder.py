"""Temporary folders of local jobs, with a record of the job's owner."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.containers import ownership
from sandbox.containers.local import cgroups
from sandbox.containers.local.cgroups import ControlGroup
from sandbox.containers.local.job_processes import JobProcesses
from sandbox.errors import ContainerEngineError, StoreError
from sandbox.scratch import STAGED_PREFIX, make_locked_folder, make_user_temp_folder, remove_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sandbox.model import ResourceLimits

RECORD_FILE = "job.json"
REMOVAL_FILE = "removed"


@dataclass(frozen=True, kw_only=True)
class JobFolder:
    """One job's folder.

    Attributes:
        path: The parent of ``home`` and ``tmp``.
        labels: The job's and the owner's.
        control_group: The job's control group; None if it cannot be created.
    """

    path: Path
    labels: Mapping[str, str]
    control_group: ControlGroup | None = None

    @property
    def home(self) -> Path:
        return self.path / "home"

    @property
    def tmp(self) -> Path:
        return self.path / "tmp"

    @property
    def is_removed(self) -> bool:
        """True where another command ended the job and removes its folder."""
        return not self.path.is_dir() or (self.path / REMOVAL_FILE).exists()

    def mark_removed(self) -> None:
        """Let whoever waits for the job know that it did not end by itself."""
        with contextlib.suppress(OSError):
            (self.path / REMOVAL_FILE).touch()

    @property
    def is_leftover(self) -> bool:
        """Whether the process that created it is gone."""
        owning = ownership.parse_owner(self.labels)
        return owning is not None and owning.has_ended

    @property
    def processes(self) -> JobProcesses:
        """The job's processes, identified only by its home: pids may have been reused."""
        return JobProcesses(None, str(self.home), self.control_group)


def make_root_folder() -> Path:
    """Return this user's private folder for all job folders.

    Raises:
        ContainerEngineError: It belongs to another user, or cannot be created.
    """
    try:
        return make_user_temp_folder()
    except StoreError as error:
        raise ContainerEngineError(error.message, hint=error.hint) from error


@contextlib.contextmanager
def create_job_folder(name: str, labels: Mapping[str, str], limits: ResourceLimits) -> Iterator[JobFolder]:
    """Yield a new job folder, removed afterwards.

    Raises:
        ContainerEngineError: A job of this name is running.
    """
    folder = make_root_folder() / name
    control = cgroups.plan_control_group(f"sandbox-{os.getuid()}-{name}")
    job_folder = JobFolder(path=folder, labels={**labels, **ownership.identify_owner().labels}, control_group=control)
    try:
        _write_job_folder(job_folder)
    except OSError as error:
        if error.errno in {errno.EEXIST, errno.ENOTEMPTY}:
            raise ContainerEngineError(
                f"{name} is at work already", hint="wait for it, or end it: sandbox stop"
            ) from None
        raise ContainerEngineError(f"{folder} cannot be made: {error.strerror}", hint="free some space") from error
    try:
        # Created after it is recorded, so that none is left unknown.
        yield job_folder if control is None or control.create(limits) else replace(job_folder, control_group=None)
    finally:
        remove_job_folder(job_folder)


def _write_job_folder(job_folder: JobFolder) -> None:
    """Create a job folder atomically: an incomplete one must not look like a leftover."""
    with make_locked_folder(job_folder.path.parent, label=job_folder.path.name) as staged:
        (staged / job_folder.home.name).mkdir(mode=0o700)
        (staged / job_folder.tmp.name).mkdir(mode=0o700)
        record = {"labels": job_folder.labels, "control": _describe_control_group(job_folder.control_group)}
        (staged / RECORD_FILE).write_text(json.dumps(record), encoding="utf-8")
        staged.rename(job_folder.path)


def remove_job_folder(job_folder: JobFolder) -> None:
    """Remove a job folder, including files that a job could not remove itself.

    It is renamed first: whoever waits for the job never sees a part of it.
    """
    if job_folder.control_group is not None:
        job_folder.control_group.remove()
    aside = job_folder.path.with_name(f"{STAGED_PREFIX}removed-{secrets.token_hex(4)}")
    with contextlib.suppress(OSError):
        job_folder.path.rename(aside)
        remove_path(aside)


def list_job_folders() -> list[JobFolder]:
    folders = [_read_job_folder(file) for file in sorted(make_root_folder().glob(f"*/{RECORD_FILE}"))]
    return [folder for folder in folders if folder is not None]


def _describe_control_group(control: ControlGroup | None) -> dict[str, str] | None:
    return {name: str(folder) for name, folder in control.folders.items()} if control else None


def _read_job_folder(file: Path) -> JobFolder | None:
    with contextlib.suppress(OSError, ValueError, KeyError, AttributeError, TypeError):
        record: Any = json.loads(file.read_text(encoding="utf-8"))
        labels = {str(name): str(value) for name, value in record["labels"].items()}
        folders = {str(name): Path(folder) for name, folder in (record["control"] or {}).items()}
        control = ControlGroup(folders=folders) if folders else None
        return JobFolder(path=file.parent, labels=labels, control_group=control)
    return None
