"""Runs as processes of this machine, for machines without a container engine: limits, but no isolation."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from sandbox.containers import terminal
from sandbox.containers.local import cgroups, job_folder
from sandbox.containers.local.job_processes import JobProcesses
from sandbox.containers.local.run import LocalRun, compute_shell_status, start_job
from sandbox.containers.protocol import GRACE_SECONDS, RuntimeObject
from sandbox.errors import ContainerEngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sandbox.containers.local.job_folder import JobFolder
    from sandbox.containers.protocol import Job, Mount, StopEvent
    from sandbox.model import JobResult, RuntimeName

HANG_UP_SECONDS = 2.0


class LocalRuntime:
    """Implements `sandbox.containers.protocol.Runtime`."""

    def __init__(self, *, grace: float = GRACE_SECONDS) -> None:
        """Choose how many seconds a job has between SIGTERM and SIGKILL."""
        self._grace = grace

    @property
    def name(self) -> RuntimeName:
        """Which implementation this is."""
        return "local"

    def check(self) -> str:
        """Say which machine this is."""
        job_folder.make_root_folder()
        return f"processes of this machine ({platform.system()} {platform.machine()}), no isolation"

    def read_total_memory(self) -> int:
        """Give the memory of this machine, or of the part of it that this process may use."""
        total = int(psutil.virtual_memory().total)
        return min(total, cgroups.read_memory_limit() or total)

    def resolve_mount_path(self, mount: Mount) -> str:
        """Give the real path of a mount."""
        return str(mount.source.resolve())

    def run(
        self,
        job: Job,
        *,
        stdout: Callable[[bytes], object],
        stderr: Callable[[bytes], object],
        stop: StopEvent | None = None,
    ) -> JobResult:
        """Carry out a job as a process group of its own and wait for its end."""
        with self._open_job_folder(job) as place:
            course = LocalRun(job, place, self._grace)
            try:
                return course.run(stdout=stdout, stderr=stderr, stop=stop)
            finally:
                course.finish()

    def run_shell(self, job: Job) -> int:
        """Carry out a job on the caller's terminal and give its exit status."""
        with terminal.open_terminal() as caller, self._open_job_folder(job) as place:
            master, slave = os.openpty()
            try:
                process = start_job(job, place, tty=slave)
            finally:
                os.close(slave)
            try:
                terminal.relay_terminal(caller, master, resize=lambda *size: terminal.set_size(master, *size))
            finally:
                os.close(master)  # hangs up on the session
                status = _close_shell(process, JobProcesses(process.pid, str(place.home), place.control_group))
            return status

    def list_objects(self, labels: Mapping[str, str]) -> list[RuntimeObject]:
        """List jobs at work, and what killed ones left."""
        return [
            _build_object(place) for place in job_folder.list_job_folders() if labels.items() <= place.labels.items()
        ]

    def measure_usage(self, found: list[RuntimeObject]) -> list[RuntimeObject]:
        """Give them as they are: what they use is looked at when they are listed."""
        return found

    def remove_object(self, held: RuntimeObject) -> bool:
        """End a job's processes and remove its temporary folder."""
        for place in job_folder.list_job_folders():
            if str(place.path) == held.id:
                place.processes.kill()
                job_folder.remove_job_folder(place)
        return True

    def list_leftovers(self) -> list[RuntimeObject]:
        """List what jobs left whose owner was killed."""
        return [_build_object(place) for place in job_folder.list_job_folders() if place.is_leftover]

    def remove_leftovers(self) -> list[str]:
        """Remove it, and give the jobs' names."""
        left = self.list_leftovers()
        for one in left:
            self.remove_object(one)
        return [one.name for one in left]

    @contextlib.contextmanager
    def _open_job_folder(self, job: Job) -> Iterator[JobFolder]:
        for path in (Path(job.environment.reference), *(mount.source for mount in job.mounts)):
            if not path.is_dir():
                raise ContainerEngineError(f"cannot start {job.name}: {path} is not there")
        self.remove_leftovers()
        with job_folder.create_job_folder(job.name, job.labels, job.limits) as place:
            try:
                yield place
            finally:
                place.processes.kill()


def _build_object(place: JobFolder) -> RuntimeObject:
    usage = place.processes.measure_usage()
    return RuntimeObject(
        id=str(place.path),
        name=place.path.name,
        kind="processes",
        labels=place.labels,
        running=bool(usage.tasks),
        memory_bytes=usage.memory_bytes,
    )


def _close_shell(process: subprocess.Popen[bytes], group: JobProcesses) -> int:
    """Wait a moment for a shell whose terminal is gone, then leave no process behind, and give its status."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(HANG_UP_SECONDS)
    group.kill()
    return compute_shell_status(process.wait())
