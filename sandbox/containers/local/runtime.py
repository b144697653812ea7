"""Jobs as processes of this machine, without a container engine: with limits, but without isolation."""

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
    """A `sandbox.containers.protocol.Runtime` for processes of this machine."""

    def __init__(self, *, grace: float = GRACE_SECONDS) -> None:
        """Set the seconds between SIGTERM and SIGKILL."""
        self._grace = grace

    @property
    def name(self) -> RuntimeName:
        return "local"

    def check(self) -> str:
        """Return a description of this machine."""
        job_folder.make_root_folder()
        return f"processes of this machine ({platform.system()} {platform.machine()}), without isolation"

    def read_total_memory(self) -> int:
        """Return the memory available to this process."""
        total = int(psutil.virtual_memory().total)
        return min(total, cgroups.read_memory_limit() or total)

    def resolve_mount_path(self, mount: Mount) -> str:
        """Return the real path of a mount."""
        return str(mount.source.resolve())

    def run(
        self,
        job: Job,
        *,
        stdout: Callable[[bytes], object],
        stderr: Callable[[bytes], object],
        stop: StopEvent | None = None,
    ) -> JobResult:
        """Run a job as a new process group and wait for its end."""
        with self._open_job_folder(job) as folder:
            local_run = LocalRun(job, folder, self._grace)
            try:
                return local_run.run(stdout=stdout, stderr=stderr, stop=stop)
            finally:
                local_run.finish()

    def run_shell(self, job: Job) -> int:
        with terminal.open_terminal() as caller, self._open_job_folder(job) as folder:
            master, slave = os.openpty()
            try:
                process = start_job(job, folder, tty=slave)
            finally:
                os.close(slave)
            try:
                terminal.relay_terminal(caller, master, resize=lambda *size: terminal.set_size(master, *size))
            finally:
                os.close(master)  # hangs up on the session
                status = _close_shell(process, JobProcesses(process.pid, str(folder.home), folder.control_group))
            return status

    def list_objects(self, labels: Mapping[str, str]) -> list[RuntimeObject]:
        """List running jobs, and leftovers of killed ones."""
        return [
            _build_object(folder) for folder in job_folder.list_job_folders() if labels.items() <= folder.labels.items()
        ]

    def measure_usage(self, objects: list[RuntimeObject]) -> list[RuntimeObject]:
        """Return the objects unchanged: `list_objects` measures them."""
        return objects

    def remove_object(self, held: RuntimeObject) -> bool:
        """Kill a job's processes and remove its folder."""
        for folder in job_folder.list_job_folders():
            if str(folder.path) == held.id:
                folder.mark_removed()
                folder.processes.kill()
                job_folder.remove_job_folder(folder)
        return True

    def list_leftovers(self) -> list[RuntimeObject]:
        """List leftovers of jobs whose owner was killed."""
        return [_build_object(folder) for folder in job_folder.list_job_folders() if folder.is_leftover]

    def remove_leftovers(self) -> list[str]:
        """Remove leftovers, and return the jobs' names."""
        left = self.list_leftovers()
        for item in left:
            self.remove_object(item)
        return [item.name for item in left]

    @contextlib.contextmanager
    def _open_job_folder(self, job: Job) -> Iterator[JobFolder]:
        for path in (Path(job.environment.reference), *(mount.source for mount in job.mounts)):
            if not path.is_dir():
                raise ContainerEngineError(f"cannot start {job.name}: {path} is not there")
        self.remove_leftovers()
        with job_folder.create_job_folder(job.name, job.labels, job.limits) as folder:
            try:
                yield folder
            finally:
                folder.processes.kill()


def _build_object(folder: JobFolder) -> RuntimeObject:
    usage = folder.processes.measure_usage()
    return RuntimeObject(
        id=str(folder.path),
        name=folder.path.name,
        kind="processes",
        labels=folder.labels,
        running=bool(usage.tasks),
        memory_bytes=usage.memory_bytes,
    )


def _close_shell(process: subprocess.Popen[bytes], group: JobProcesses) -> int:
    """Wait briefly for a shell without a terminal, kill remaining processes, and return its status."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(HANG_UP_SECONDS)
    group.kill()
    return compute_shell_status(process.wait())
