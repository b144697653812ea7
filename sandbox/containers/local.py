"""Runs as processes of this machine, for machines without a container engine: limits, but no isolation."""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

from sandbox.containers import fixed, local_place, terminal
from sandbox.containers.endings import Cause, classify, watch
from sandbox.containers.local_group import Group
from sandbox.containers.local_output import Pipes
from sandbox.containers.protocol import GRACE_SECONDS, Held
from sandbox.errors import EngineError
from sandbox.model import Isolation, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sandbox.containers.local_place import Place
    from sandbox.containers.protocol import Job, Mount, Stop
    from sandbox.model import Limits, RuntimeName

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
REST_SECONDS = 5.0
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
        local_place.root()
        return f"processes of this machine ({platform.system()} {platform.machine()}), no isolation"

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
            started = time.time()
            process = _started(job, place)
            assert process.stdout is not None
            assert process.stderr is not None
            course = _Course(job, process, place, self._grace)
            pipes = Pipes((process.stdout, stdout), (process.stderr, stderr))
            try:
                cause = course.watched(stop, pipes)
            finally:
                course.finish()
                pipes.finish(REST_SECONDS)
            if pipes.refused is not None:  # the caller's own functions could not take the output: a full disk
                raise pipes.refused
            if cause is Cause.PROCESSES:
                stderr(f"ended: more than {job.limits.pids} processes and threads\n".encode())
            return course.outcome(cause, started=started)

    def shell(self, job: Job) -> int:
        """Carry out a job on the caller's terminal and give its exit status."""
        with terminal.ready() as caller, self._placed(job) as place:
            master, slave = os.openpty()
            try:
                process = _started(job, place, tty=os.ttyname(slave))
            finally:
                os.close(slave)
            try:
                terminal.relay(caller, master, resize=lambda *size: terminal.set_size(master, *size))
            finally:
                os.close(master)  # hangs up on the session
                status = _left_alone(process, Group(process.pid, str(place.home)))
            return status

    def held(self, labels: Mapping[str, str]) -> list[Held]:
        """List jobs at work, and what killed ones left."""
        return [
            Held(
                id=str(place.folder),
                name=place.folder.name,
                kind="processes",
                labels=place.labels,
                running=bool(usage.tasks),
                memory_bytes=usage.memory_bytes,
            )
            for place in local_place.places()
            if labels.items() <= place.labels.items()
            for usage in (place.group.usage(),)
        ]

    def remove(self, held: Held) -> None:
        """End a job's processes and remove its temporary folder."""
        place = local_place.Place(folder=Path(held.id), labels=held.labels)
        place.group.end()
        local_place.clear(place)

    def reap(self) -> list[str]:
        """Remove what jobs left whose owner was killed, and give their names."""
        abandoned = [place for place in local_place.places() if place.abandoned]
        for place in abandoned:
            place.group.end()
            local_place.clear(place)
        return [place.folder.name for place in abandoned]

    @contextlib.contextmanager
    def _placed(self, job: Job) -> Iterator[Place]:
        for path in (Path(job.environment.reference), *(mount.source for mount in job.mounts)):
            if not path.is_dir():
                raise EngineError(f"cannot start {job.name}: {path} is not there")
        self.reap()
        with local_place.made(job.name, job.labels) as place:
            try:
                yield place
            finally:
                place.group.end()


class _Course:
    """One run: watched, ended if need be, measured."""

    def __init__(self, job: Job, process: subprocess.Popen[bytes], place: Place, grace: float) -> None:
        self._job = job
        self._process = process
        self._grace = grace
        self._group = Group(process.pid, str(place.home))
        self._usage = self._group.usage()
        self._peak = 0
        self._waited_cpu = 0.0
        self._began = time.monotonic()
        self._wall = 0.0
        self._ended = threading.Event()
        self._waiting = threading.Thread(target=self._wait, name=f"end of {job.name}", daemon=True)
        self._waiting.start()

    def watched(self, stop: Stop | None, pipes: Pipes) -> Cause:
        """Wait for the end, and bring it about where there is reason to."""
        deadline = self._began + self._job.limits.timeout_seconds
        try:
            cause = watch(self._ended, deadline=deadline, stop=stop, trouble=lambda: self._trouble(pipes))
            if cause in {Cause.TIMED_OUT, Cause.STOPPED}:
                self._end_gently()
        except BaseException:  # the caller wants the job ended; a second interruption skips the grace period
            self._end_gently()
            raise
        return cause

    def finish(self) -> None:
        """Leave no process behind."""
        self._group.end()
        self._waiting.join()
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        self._waited_cpu = usage.ru_utime + usage.ru_stime

    def outcome(self, cause: Cause, *, started: float) -> Outcome:
        """Tell how it went; what lives shorter than the time between two looks is not in the figures."""
        end = classify(cause, _shell_status(self._process.returncode))
        return Outcome(
            ending=end.ending,
            status=end.status,
            signal=end.signal,
            started=started,
            wall_seconds=self._wall,
            cpu_seconds=max(self._usage.cpu_seconds, self._waited_cpu),
            peak_memory_bytes=self._peak or None,
            bytes_read=self._usage.bytes_read,
            bytes_written=self._usage.bytes_written,
            isolation=_isolation(self._job.limits),
        )

    def _wait(self) -> None:
        """Wait for the end without taking the status: until that is taken nobody else gets the process number."""
        os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        self._wall = time.monotonic() - self._began
        self._ended.set()

    def _trouble(self, pipes: Pipes) -> Cause | None:
        if pipes.refused is not None:
            return Cause.STOPPED
        self._usage = usage = self._group.usage()
        memory = usage.memory_bytes
        if memory > self._job.limits.memory_bytes:  # looked at closely: forked processes share most of theirs
            memory = self._group.exact_memory()
        self._peak = max(self._peak, memory)
        if memory > self._job.limits.memory_bytes:
            return Cause.MEMORY
        return Cause.PROCESSES if usage.tasks > self._job.limits.pids else None

    def _end_gently(self) -> None:
        self._group.tell(signal.SIGTERM)
        deadline = time.monotonic() + self._grace
        while time.monotonic() < deadline and self._group.living():
            time.sleep(0.02)


def _started(job: Job, place: Place, *, tty: str | None = None) -> subprocess.Popen[bytes]:
    """Start a job's shell as the leader of a session of its own.

    A terminal becomes the session's when its leader opens it, so the shell does that itself.
    """
    command = ["/bin/sh", "-c", job.command]
    if tty is not None:
        command = ["/bin/sh", "-c", 'exec <"$1" >"$1" 2>&1; exec /bin/sh -c "$2"', "sh", tty, job.command]
    pipe: int | IO[bytes] | None = subprocess.PIPE if tty is None else None
    try:
        with _on_processors(job.limits):
            return subprocess.Popen(
                command,
                cwd=job.workdir.source.resolve(),
                env=_variables(job, place, terminal=tty is not None),
                stdin=subprocess.DEVNULL,
                stdout=pipe,
                stderr=pipe,
                start_new_session=True,
            )
    except OSError as error:
        raise EngineError(f"cannot start {job.name}: {error.strerror or error}") from error


def _variables(job: Job, place: Place, *, terminal: bool) -> Mapping[str, str]:
    return {
        "PATH": f"{job.environment.reference}/bin:{SYSTEM_PATH}",
        **fixed.variables(job.limits, home=str(place.home), temporary=str(place.temporary)),
        **({"TERM": os.environ.get("TERM", "xterm-256color")} if terminal else {}),
        **job.variables,
    }


@contextlib.contextmanager
def _on_processors(limits: Limits) -> Iterator[None]:
    """Let what this thread starts use that many processors: affinity is inherited from the thread that starts it."""
    if sys.platform != "linux":
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[: fixed.threads(limits)])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _isolation(limits: Limits) -> Isolation:
    processors = min(fixed.threads(limits), len(os.sched_getaffinity(0))) if sys.platform == "linux" else None
    return Isolation(
        network="host",
        root_filesystem="writable",
        sample="writable",
        user=f"{os.getuid()}:{os.getgid()}",
        capabilities="host",
        no_new_privileges=False,
        seccomp="none",
        memory_bytes=limits.memory_bytes,
        cpus=processors,
        pids=limits.pids,
    )


def _left_alone(process: subprocess.Popen[bytes], group: Group) -> int:
    """Wait a moment for a shell whose terminal is gone, then leave no process behind, and give its status."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(HANG_UP_SECONDS)
    group.end()
    return _shell_status(process.wait())


def _shell_status(code: int) -> int:
    """Give an exit status as a shell does: 128 + n for signal n."""
    return code if code >= 0 else 128 - code
