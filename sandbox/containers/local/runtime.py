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
from sandbox.containers.local.job_processes import Group
from sandbox.containers.local.run import LocalRun, shell_status, start
from sandbox.containers.protocol import GRACE_SECONDS, Held
from sandbox.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sandbox.containers.local.job_folder import Place
    from sandbox.containers.protocol import Job, Mount, Stop
    from sandbox.model import Outcome, RuntimeName

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
        job_folder.root()
        return f"processes of this machine ({platform.system()} {platform.machine()}), no isolation"

    def memory_bytes(self) -> int:
        """Give the memory of this machine, or of the part of it that this process may use."""
        total = int(psutil.virtual_memory().total)
        return min(total, cgroups.allowed() or total)

    def seen(self, mount: Mount) -> str:
        """Give the real path of a mount."""
        return str(mount.source.resolve())

    def run(
        self,
        job: Job,
        *,
        stdout: Callable[[bytes], object],
        stderr: Callable[[bytes], object],
        stop: Stop | None = None,
    ) -> Outcome:
        """Carry out a job as a process group of its own and wait for its end."""
        with self._placed(job) as place:
            course = LocalRun(job, place, self._grace)
            try:
                return course.carry_out(stdout=stdout, stderr=stderr, stop=stop)
            finally:
                course.finish()

    def shell(self, job: Job) -> int:
        """Carry out a job on the caller's terminal and give its exit status."""
        with terminal.ready() as caller, self._placed(job) as place:
            master, slave = os.openpty()
            try:
                process = start(job, place, tty=slave)
            finally:
                os.close(slave)
            try:
                terminal.relay(caller, master, resize=lambda *size: terminal.set_size(master, *size))
            finally:
                os.close(master)  # hangs up on the session
                status = _left_alone(process, Group(process.pid, str(place.home), place.control))
            return status

    def held(self, labels: Mapping[str, str]) -> list[Held]:
        """List jobs at work, and what killed ones left."""
        return [_held(place) for place in job_folder.places() if labels.items() <= place.labels.items()]

    def measured(self, found: list[Held]) -> list[Held]:
        """Give them as they are: what they use is looked at when they are listed."""
        return found

    def remove(self, held: Held) -> bool:
        """End a job's processes and remove its temporary folder."""
        for place in job_folder.places():
            if str(place.folder) == held.id:
                place.group.end()
                job_folder.clear(place)
        return True

    def abandoned(self) -> list[Held]:
        """List what jobs left whose owner was killed."""
        return [_held(place) for place in job_folder.places() if place.abandoned]

    def reap(self) -> list[str]:
        """Remove it, and give the jobs' names."""
        left = self.abandoned()
        for one in left:
            self.remove(one)
        return [one.name for one in left]

    @contextlib.contextmanager
    def _placed(self, job: Job) -> Iterator[Place]:
        for path in (Path(job.environment.reference), *(mount.source for mount in job.mounts)):
            if not path.is_dir():
                raise EngineError(f"cannot start {job.name}: {path} is not there")
        self.reap()
        with job_folder.made(job.name, job.labels, job.limits) as place:
            try:
                yield place
            finally:
                place.group.end()


def _held(place: Place) -> Held:
    usage = place.group.usage()
    return Held(
        id=str(place.folder),
        name=place.folder.name,
        kind="processes",
        labels=place.labels,
        running=bool(usage.tasks),
        memory_bytes=usage.memory_bytes,
    )


def _left_alone(process: subprocess.Popen[bytes], group: Group) -> int:
    """Wait a moment for a shell whose terminal is gone, then leave no process behind, and give its status."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(HANG_UP_SECONDS)
    group.end()
    return shell_status(process.wait())
