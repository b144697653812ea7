"""Runs in memory, for tests of what lies above: a command is a Python function, time passes at once."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from sandbox.containers import fixed_environment
from sandbox.containers.outcome import EndCause, EndStatus, classify_end
from sandbox.containers.protocol import RuntimeObject
from sandbox.errors import ContainerEngineError
from sandbox.model import Isolation, JobResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sandbox.containers.protocol import Job, Mount, StopEvent
    from sandbox.model import ResourceLimits, RuntimeName

HOME_PATH, TMP_PATH = "/home/sandbox", "/tmp"  # noqa: S108 - names only, nothing is written there


class _ProcessEndError(Exception):
    def __init__(self, cause: EndCause, status: int | None = None) -> None:
        super().__init__(cause.value)
        self.cause = cause
        self.status = status


@dataclass(kw_only=True)
class FakeProcess:
    """What a played command can do.

    Attributes:
        job: What is played.
        variables: What the command would see.
        stdout: Takes its output.
        stderr: Takes its error output.
        stop: The caller's wish that it end.
        seconds: How much time has passed.
        memory: How much memory it holds.
    """

    job: Job
    variables: Mapping[str, str]
    stdout: Callable[[bytes], object]
    stderr: Callable[[bytes], object]
    stop: StopEvent | None
    seconds: float = 0.0
    memory: int = 0
    _has_killed_child: bool = field(default=False, init=False)

    def find_mounted_folder(self, target: str) -> Path:
        """Give the folder on this machine that is mounted at a path."""
        return next(mount.source for mount in self.job.mounts if mount.target == target)

    def write_file(self, target: str, name: str, content: bytes) -> None:
        """Write a file into a mount; into one that is read-only it fails as in a shell."""
        mount = next(mount for mount in self.job.mounts if mount.target == target)
        if not mount.writable:
            self.stderr(f"sh: cannot create {name}: Read-only file system\n".encode())
            raise _ProcessEndError(EndCause.EXITED, 2)
        (mount.source / name).write_bytes(content)

    def sleep(self, seconds: float) -> None:
        """Let time pass, which may be too much."""
        if self.stop is not None and self.stop.is_set():
            raise _ProcessEndError(EndCause.STOPPED, 128 + signal.SIGTERM)
        self.seconds += seconds
        if self.seconds > self.job.limits.timeout_seconds:
            self.seconds = self.job.limits.timeout_seconds
            raise _ProcessEndError(EndCause.TIMED_OUT, 128 + signal.SIGTERM)

    def allocate_memory(self, size: int) -> None:
        """Take memory, which may be too much."""
        self.memory = min(self.memory + size, self.job.limits.memory_bytes)
        if self.memory == self.job.limits.memory_bytes:
            raise _ProcessEndError(EndCause.MEMORY, 128 + signal.SIGKILL)

    def kill_child(self) -> None:
        """Lose a child to the memory limit, and go on."""
        self.memory = self.job.limits.memory_bytes
        self._has_killed_child = True

    def exit_by_signal(self, number: int) -> NoReturn:
        """Be killed by a signal from elsewhere."""
        raise _ProcessEndError(EndCause.EXITED, 128 + number)

    def lose_engine(self) -> NoReturn:
        """Lose the engine."""
        raise _ProcessEndError(EndCause.LOST)

    def run(self, act: Callable[[FakeProcess], int | None]) -> EndStatus:
        """Play a function to its end; what it returns is the exit status, None is 0."""
        cause: EndCause = EndCause.EXITED
        status: int | None
        try:
            status = act(self) or 0
        except _ProcessEndError as ended:
            cause, status = ended.cause, ended.status
        return classify_end(cause, status, out_of_memory=self._has_killed_child)


class FakeRuntime:
    """Implements `sandbox.containers.protocol.Runtime`.

    Attributes:
        jobs: Those that were carried out, in order.
        objects: What `list_objects` lists and `remove_object` removes.
    """

    def __init__(self, commands: Mapping[str, Callable[[FakeProcess], int | None]], *, answers: bool = True) -> None:
        """Script it.

        Args:
            commands: By the job's command, what is played; any other command is not found (127).
            answers: False plays an engine that is not there.
        """
        self._commands = commands
        self._is_available = answers
        self.jobs: list[Job] = []
        self.objects: list[RuntimeObject] = []

    @property
    def name(self) -> RuntimeName:
        """Which implementation this is."""
        return "fake"

    def check(self) -> str:
        """Make sure that it is scripted to answer."""
        if not self._is_available:
            raise ContainerEngineError("no engine is running", hint="start one")
        return "a fake, in memory"

    def read_total_memory(self) -> int:
        """Give an ordinary amount."""
        return 8 * 10**9

    def resolve_mount_path(self, mount: Mount) -> str:
        """Give the path under which a job sees a mount."""
        return mount.target

    def run(
        self,
        job: Job,
        *,
        stdout: Callable[[bytes], object],
        stderr: Callable[[bytes], object],
        stop: StopEvent | None = None,
    ) -> JobResult:
        """Play a job's command."""
        self.check()
        for mount in job.mounts:
            if not mount.source.is_dir():
                raise ContainerEngineError(f"cannot start {job.name}: {mount.source} is not there")
        if any(one.name == job.name for one in self.objects):
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
            return _build_outcome(play, play.run(self._commands.get(job.command, lambda _: 127)))
        finally:
            self.remove_object(mine)

    def run_shell(self, job: Job) -> int:
        """Play a job's command, its output thrown away, and give its exit status."""
        outcome = self.run(job, stdout=lambda _: None, stderr=lambda _: None)
        return 128 + outcome.signal if outcome.signal is not None else outcome.status or 0

    def list_objects(self, labels: Mapping[str, str]) -> list[RuntimeObject]:
        """List what is held with these labels."""
        return [one for one in self.objects if labels.items() <= one.labels.items()]

    def list_leftovers(self) -> list[RuntimeObject]:
        """List nothing: a play ends with its caller."""
        return []

    def measure_usage(self, found: list[RuntimeObject]) -> list[RuntimeObject]:
        """Give them as they are: what they use is looked at when they are listed."""
        return found

    def remove_object(self, held: RuntimeObject) -> bool:
        """Remove it from what is held."""
        self.objects = [one for one in self.objects if one != held]
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
