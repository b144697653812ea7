"""Runs in memory, for tests of what lies above: a command is a Python function, time passes at once."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from sandbox.containers import fixed_environment
from sandbox.containers.outcome import Cause, End, classify
from sandbox.containers.protocol import Held
from sandbox.errors import EngineError
from sandbox.model import Isolation, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sandbox.containers.protocol import Job, Mount, Stop
    from sandbox.model import Limits, RuntimeName

HOME, TEMPORARY = "/home/sandbox", "/tmp"  # noqa: S108 - names only, nothing is written there


class _EndedError(Exception):
    def __init__(self, cause: Cause, status: int | None = None) -> None:
        super().__init__(cause.value)
        self.cause = cause
        self.status = status


@dataclass(kw_only=True)
class Play:
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
    stop: Stop | None
    seconds: float = 0.0
    memory: int = 0
    _killed: bool = field(default=False, init=False)

    def folder(self, target: str) -> Path:
        """Give the folder on this machine that is mounted at a path."""
        return next(mount.source for mount in self.job.mounts if mount.target == target)

    def write(self, target: str, name: str, content: bytes) -> None:
        """Write a file into a mount; into one that is read-only it fails as in a shell."""
        mount = next(mount for mount in self.job.mounts if mount.target == target)
        if not mount.writable:
            self.stderr(f"sh: cannot create {name}: Read-only file system\n".encode())
            raise _EndedError(Cause.EXITED, 2)
        (mount.source / name).write_bytes(content)

    def sleep(self, seconds: float) -> None:
        """Let time pass, which may be too much."""
        if self.stop is not None and self.stop.is_set():
            raise _EndedError(Cause.STOPPED, 128 + signal.SIGTERM)
        self.seconds += seconds
        if self.seconds > self.job.limits.timeout_seconds:
            self.seconds = self.job.limits.timeout_seconds
            raise _EndedError(Cause.TIMED_OUT, 128 + signal.SIGTERM)

    def allocate(self, size: int) -> None:
        """Take memory, which may be too much."""
        self.memory = min(self.memory + size, self.job.limits.memory_bytes)
        if self.memory == self.job.limits.memory_bytes:
            raise _EndedError(Cause.MEMORY, 128 + signal.SIGKILL)

    def child_killed(self) -> None:
        """Lose a child to the memory limit, and go on."""
        self.memory = self.job.limits.memory_bytes
        self._killed = True

    def die(self, number: int) -> NoReturn:
        """Be killed by a signal from elsewhere."""
        raise _EndedError(Cause.EXITED, 128 + number)

    def lose(self) -> NoReturn:
        """Lose the engine."""
        raise _EndedError(Cause.LOST)

    def end(self, act: Callable[[Play], int | None]) -> End:
        """Play a function to its end; what it returns is the exit status, None is 0."""
        cause: Cause = Cause.EXITED
        status: int | None
        try:
            status = act(self) or 0
        except _EndedError as ended:
            cause, status = ended.cause, ended.status
        return classify(cause, status, out_of_memory=self._killed)


class FakeRuntime:
    """Implements `sandbox.containers.protocol.Runtime`.

    Attributes:
        jobs: Those that were carried out, in order.
        holding: What `held` lists and `remove` removes.
    """

    def __init__(self, commands: Mapping[str, Callable[[Play], int | None]], *, answers: bool = True) -> None:
        """Script it.

        Args:
            commands: By the job's command, what is played; any other command is not found (127).
            answers: False plays an engine that is not there.
        """
        self._commands = commands
        self._answers = answers
        self.jobs: list[Job] = []
        self.holding: list[Held] = []

    @property
    def name(self) -> RuntimeName:
        """Which implementation this is."""
        return "fake"

    def check(self) -> str:
        """Make sure that it is scripted to answer."""
        if not self._answers:
            raise EngineError("no engine is running", hint="start one")
        return "a fake, in memory"

    def memory_bytes(self) -> int:
        """Give an ordinary amount."""
        return 8 * 10**9

    def seen(self, mount: Mount) -> str:
        """Give the path under which a job sees a mount."""
        return mount.target

    def run(
        self,
        job: Job,
        *,
        stdout: Callable[[bytes], object],
        stderr: Callable[[bytes], object],
        stop: Stop | None = None,
    ) -> Outcome:
        """Play a job's command."""
        self.check()
        for mount in job.mounts:
            if not mount.source.is_dir():
                raise EngineError(f"cannot start {job.name}: {mount.source} is not there")
        if any(one.name == job.name for one in self.holding):
            raise EngineError(f"{job.name} is at work already")
        self.jobs.append(job)
        mine = Held(id=job.name, name=job.name, kind="play", labels=job.labels, running=True)
        self.holding.append(mine)
        try:
            variables = {
                **fixed_environment.variables(job.limits, home=HOME, temporary=TEMPORARY),
                **job.variables,
            }
            play = Play(job=job, variables=variables, stdout=stdout, stderr=stderr, stop=stop)
            return _outcome(play, play.end(self._commands.get(job.command, lambda _: 127)))
        finally:
            self.remove(mine)

    def shell(self, job: Job) -> int:
        """Play a job's command, its output thrown away, and give its exit status."""
        outcome = self.run(job, stdout=lambda _: None, stderr=lambda _: None)
        return 128 + outcome.signal if outcome.signal is not None else outcome.status or 0

    def held(self, labels: Mapping[str, str]) -> list[Held]:
        """List what is held with these labels."""
        return [one for one in self.holding if labels.items() <= one.labels.items()]

    def abandoned(self) -> list[Held]:
        """List nothing: a play ends with its caller."""
        return []

    def measured(self, found: list[Held]) -> list[Held]:
        """Give them as they are: what they use is looked at when they are listed."""
        return found

    def remove(self, held: Held) -> bool:
        """Remove it from what is held."""
        self.holding = [one for one in self.holding if one != held]
        return True


def _outcome(play: Play, end: End) -> Outcome:
    return Outcome(
        ending=end.ending,
        status=end.status,
        signal=end.signal,
        started=0.0,
        wall_seconds=play.seconds,
        cpu_seconds=0.0,
        peak_memory_bytes=play.memory,
        bytes_read=None,
        bytes_written=None,
        isolation=_isolation(play.job.limits),
    )


def _isolation(limits: Limits) -> Isolation:
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
