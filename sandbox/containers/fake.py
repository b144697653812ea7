"""An in-memory runtime for tests: commands are Python functions, and time is simulated."""

from __future__ import annotations

import functools
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from sandbox.containers import fixed_environment
from sandbox.containers.outcome import EndCause, EndStatus, classify_end
from sandbox.containers.output_watch import OutputWatch
from sandbox.containers.protocol import RuntimeObject
from sandbox.errors import ContainerEngineError
from sandbox.model import Isolation, JobResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sandbox.containers.protocol import Job, Mount, StopEvent
    from sandbox.model import ResourceLimits, RuntimeName

HOME_PATH, TMP_PATH = "/home/sandbox", "/tmp"  # noqa: S108 - names only, never written


class _ProcessEndError(Exception):
    def __init__(self, cause: EndCause, status: int | None = None) -> None:
        super().__init__(cause.value)
        self.cause = cause
        self.status = status


@dataclass(kw_only=True)
class FakeProcess:
    """The process passed to a simulated command.

    Attributes:
        job: The job.
        variables: The command's environment.
        stdout: Receives its output.
        stderr: Receives its error output.
        stop: Set by the caller to stop it.
        seconds: Simulated time since its start.
        memory: Simulated memory.
    """

    job: Job
    variables: Mapping[str, str]
    stdout: Callable[[bytes], object]
    stderr: Callable[[bytes], object]
    stop: StopEvent | None
    seconds: float = 0.0
    memory: int = 0
    _has_killed_child: bool = field(default=False, init=False)

    @functools.cached_property
    def output(self) -> OutputWatch:
        """The measurement of its writable mounts."""
        return OutputWatch(self.job)

    def find_mounted_folder(self, target: str) -> Path:
        """Return the local folder mounted at a path."""
        return next(mount.source for mount in self.job.mounts if mount.target == target)

    def write_file(self, target: str, name: str, content: bytes) -> None:
        """Write a file into a mount; on a read-only mount fail as a shell does."""
        mount = next(mount for mount in self.job.mounts if mount.target == target)
        if not mount.writable:
            self.stderr(f"sh: cannot create {name}: Read-only file system\n".encode())
            raise _ProcessEndError(EndCause.EXITED, 2)
        (mount.source / name).write_bytes(content)

    def sleep(self, seconds: float) -> None:
        """Advance time, up to the timeout."""
        if self.stop is not None and self.stop.is_set():
            raise _ProcessEndError(EndCause.STOPPED, 128 + signal.SIGTERM)
        self.seconds += seconds
        if self.seconds > self.job.limits.timeout_seconds:
            self.seconds = self.job.limits.timeout_seconds
            raise _ProcessEndError(EndCause.TIMED_OUT, 128 + signal.SIGTERM)

    def allocate_memory(self, size: int) -> None:
        """Allocate memory, up to the limit."""
        self.memory = min(self.memory + size, self.job.limits.memory_bytes)
        if self.memory == self.job.limits.memory_bytes:
            raise _ProcessEndError(EndCause.MEMORY, 128 + signal.SIGKILL)

    def kill_child(self) -> None:
        """Simulate a child killed for memory, and continue."""
        self.memory = self.job.limits.memory_bytes
        self._has_killed_child = True

    def exit_by_signal(self, number: int) -> NoReturn:
        """Simulate a signal from outside."""
        raise _ProcessEndError(EndCause.EXITED, 128 + number)

    def run(self, act: Callable[[FakeProcess], int | None]) -> EndStatus:
        """Run a function; its result is the exit status, None is 0."""
        cause: EndCause = EndCause.EXITED
        status: int | None
        try:
            status = act(self) or 0
        except _ProcessEndError as ended:
            cause, status = ended.cause, ended.status
        self.output.finish()
        if self.output.is_full:
            cause = EndCause.OUTPUT
        return classify_end(cause, status, out_of_memory=self._has_killed_child)


class FakeRuntime:
    """A simulated `sandbox.containers.protocol.Runtime`.

    Attributes:
        jobs: The jobs run so far, in order.
        objects: Objects returned by `list_objects`.
    """

    def __init__(self, commands: Mapping[str, Callable[[FakeProcess], int | None]], *, answers: bool = True) -> None:
        """Configure the simulation.

        Args:
            commands: Functions by job command; other commands are not found (127).
            answers: False simulates a missing engine.
        """
        self._commands = commands
        self._is_available = answers
        self.jobs: list[Job] = []
        self.objects: list[RuntimeObject] = []

    @property
    def name(self) -> RuntimeName:
        return "fake"

    def check(self) -> str:
        """Check that an engine is simulated."""
        if not self._is_available:
            raise ContainerEngineError("no engine is running", hint="start one")
        return "a fake, in memory"

    def read_total_memory(self) -> int:
        return 8 * 10**9

    def resolve_mount_path(self, mount: Mount) -> str:
        return mount.target

    def run(
        self,
        job: Job,
        *,
        stdout: Callable[[bytes], object],
        stderr: Callable[[bytes], object],
        stop: StopEvent | None = None,
    ) -> JobResult:
        self.check()
        for mount in job.mounts:
            if not mount.source.is_dir():
                raise ContainerEngineError(f"cannot start {job.name}: {mount.source} is not there")
        if any(held.name == job.name for held in self.objects):
            raise ContainerEngineError(f"{job.name} is at work already")
        self.jobs.append(job)
        mine = RuntimeObject(id=job.name, name=job.name, kind="play", labels=job.labels, running=True)
        self.objects.append(mine)
        try:
            variables = {
                **fixed_environment.build_variables(job.limits, home=HOME_PATH, temporary=TMP_PATH),
                **job.variables,
            }
            play = FakeProcess(job=job, variables=variables, stdout=stdout, stderr=stderr, stop=stop)
            end = play.run(self._commands.get(job.command, lambda _: 127))
            return _build_outcome(play, end if mine in self.objects else classify_end(EndCause.LOST, None))
        finally:
            self.remove_object(mine)

    def run_shell(self, job: Job) -> int:
        """Run a job's function without output, and return its exit status."""
        outcome = self.run(job, stdout=lambda _: None, stderr=lambda _: None)
        return 128 + outcome.signal if outcome.signal is not None else outcome.status or 0

    def list_objects(self, labels: Mapping[str, str]) -> list[RuntimeObject]:
        return [held for held in self.objects if labels.items() <= held.labels.items()]

    def list_leftovers(self) -> list[RuntimeObject]:
        """Return nothing: simulations end with their caller."""
        return []

    def measure_usage(self, objects: list[RuntimeObject]) -> list[RuntimeObject]:
        return objects

    def remove_object(self, held: RuntimeObject) -> bool:
        self.objects = [other for other in self.objects if other != held]
        return True


def _build_outcome(play: FakeProcess, end: EndStatus) -> JobResult:
    return JobResult(
        ending=end.ending,
        status=end.status,
        signal=end.signal,
        started=0.0,
        wall_seconds=play.seconds,
        cpu_seconds=0.0,
        peak_memory_bytes=play.memory,
        bytes_read=None,
        bytes_written=None,
        isolation=_describe_isolation(play.job.limits),
        output_bytes=play.output.output_bytes,
    )


def _describe_isolation(limits: ResourceLimits) -> Isolation:
    return Isolation(
        network="none",
        root_filesystem="read-only",
        sample="read-only",
        user="1000:1000",
        capabilities="none",
        no_new_privileges=True,
        seccomp="default",
        memory_bytes=limits.memory_bytes,
        cpus=limits.cpus,
        pids=limits.pids,
    )
