"""The course of one local run: a process is started, watched, ended if need be, and its end is told."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

from sandbox.containers import fixed_environment
from sandbox.containers.local import cgroups
from sandbox.containers.local.job_processes import Group, Usage
from sandbox.containers.local.output import Pipes
from sandbox.containers.outcome import SLICE_SECONDS, Cause, End, classify, watch
from sandbox.containers.usage import Figures
from sandbox.errors import EngineError
from sandbox.model import Isolation, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sandbox.containers.local.job_folder import Place
    from sandbox.containers.protocol import Job, Stop
    from sandbox.containers.usage import Meter
    from sandbox.model import Limits

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
REST_SECONDS = 5.0


class LocalRun:
    """One run: watched, ended if need be, measured."""

    def __init__(self, job: Job, place: Place, grace: float) -> None:
        self._job = job
        self._place = place
        self._grace = grace
        self._process: subprocess.Popen[bytes] | None = None
        self._group = place.group
        self._meter: Meter | None = None
        self._figures = Figures()
        self._inside = False
        self._usage = Usage()
        self._peak = 0
        self._excess: Cause | None = None
        self._waited_cpu = 0.0
        self._began = time.monotonic()
        self._wall = 0.0
        self._ended = threading.Event()

    def carry_out(
        self,
        *,
        stdout: Callable[[bytes], object],
        stderr: Callable[[bytes], object],
        stop: Stop | None,
    ) -> Outcome:
        """Start the job and wait for its end; `finish` must follow, come what may."""
        started = time.time()
        self._process = process = start(self._job, self._place)
        self._began = time.monotonic()
        self._group = self._processes(process.pid)
        if self._place.control is not None:
            self._meter = cgroups.meter(self._place.control.folders)
        assert process.stdout is not None
        assert process.stderr is not None
        pipes = Pipes((process.stdout, stdout), (process.stderr, stderr))
        try:
            cause = self._watched(process.pid, stop, pipes)
        finally:
            status = self.finish()
            pipes.finish(REST_SECONDS)
        if pipes.refused is not None:  # the caller's own functions could not take the output: a full disk
            raise pipes.refused
        if cause is Cause.PROCESSES:
            stderr(f"ended: more than {self._job.limits.pids} processes and threads\n".encode())
        end = classify(cause, status, out_of_memory=self._figures.kills > 0)
        return self._outcome(end, started)

    def finish(self) -> int | None:
        """Leave no process behind, and give the status of the first as a shell does."""
        if self._process is None:
            return None
        if self._process.returncode is None:
            self._group.end()
            _, status, usage = os.wait4(self._process.pid, 0)
            self._process.returncode = os.waitstatus_to_exitcode(status)
            self._waited_cpu = usage.ru_utime + usage.ru_stime
        return shell_status(self._process.returncode)

    def _processes(self, leader: int | None) -> Group:
        return Group(leader, str(self._place.home), self._place.control)

    def _watched(self, pid: int, stop: Stop | None, pipes: Pipes) -> Cause:
        """Wait for the end, and bring it about where there is reason to.

        An interruption may hit this thread anywhere, so everything but waiting is left to others.
        """
        threads = [
            threading.Thread(target=self._wait, args=(pid,), name=f"end of {self._job.name}", daemon=True),
            threading.Thread(target=self._sample, name=f"figures of {self._job.name}", daemon=True),
        ]
        deadline = self._began + self._job.limits.timeout_seconds
        try:
            for thread in threads:
                thread.start()
            cause = watch(self._ended, deadline=deadline, stop=stop, trouble=lambda: self._trouble(pipes))
            if cause in {Cause.TIMED_OUT, Cause.STOPPED}:
                self._end_gently()
        except BaseException:  # the caller wants the job ended; a second interruption skips the grace period
            self._end_gently()
            raise
        finally:
            self._group.end()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
            self._figures = self._counted()
        return cause

    def _outcome(self, end: End, started: float) -> Outcome:
        """Tell how it went; what lives shorter than the time between two looks is not in the figures."""
        return Outcome(
            ending=end.ending,
            status=end.status,
            signal=end.signal,
            started=started,
            wall_seconds=self._wall,
            cpu_seconds=max(self._usage.cpu_seconds, self._waited_cpu),
            peak_memory_bytes=self._most_memory(),
            bytes_read=self._usage.bytes_read,
            bytes_written=self._usage.bytes_written,
            isolation=_isolation(self._job.limits),
        )

    def _counted(self) -> Figures:
        """Give what the kernel counted, up to the last process killed for memory."""
        if self._meter is None or self._place.control is None:
            return Figures()
        last = cgroups.from_kernel(self._place.control.folders)
        return self._meter.finish().together(last or Figures())

    def _most_memory(self) -> int | None:
        """Tell the peak: where the kernel counts what it counted, and all that there was where that was too little."""
        if self._figures.kills:
            return self._job.limits.memory_bytes
        return self._figures.memory_bytes or self._peak or None

    def _wait(self, pid: int) -> None:
        """Wait for the end without taking the status: until that is taken nobody else gets the process number."""
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        self._wall = time.monotonic() - self._began
        self._ended.set()

    def _sample(self) -> None:
        """Measure until the end, and note what exceeds a limit."""
        group = self._processes(self._group.leader)
        pause = 0.0
        while not self._ended.wait(pause):
            pause = SLICE_SECONDS
            self._usage = usage = group.usage()
            memory = usage.memory_bytes
            if (
                memory > self._job.limits.memory_bytes
            ):  # looked at closely: forked processes share most of theirs
                memory = group.exact_memory()
            self._peak = max(self._peak, memory)
            if self._kept_by_the_kernel():
                continue
            if memory > self._job.limits.memory_bytes:
                self._excess = Cause.MEMORY
            elif usage.tasks > self._job.limits.pids:
                self._excess = Cause.PROCESSES

    def _kept_by_the_kernel(self) -> bool:
        """Tell whether the job has got into its control group, so that nothing need be ended here."""
        control = self._place.control
        if not self._inside and control is not None:
            self._inside = self._group.leader in control.members()
        return self._inside

    def _trouble(self, pipes: Pipes) -> Cause | None:
        return Cause.STOPPED if pipes.refused is not None else self._excess

    def _end_gently(self) -> None:
        self._group.tell(signal.SIGTERM)
        deadline = time.monotonic() + self._grace
        while time.monotonic() < deadline and self._group.living():
            time.sleep(0.02)


def start(job: Job, place: Place, *, tty: int | None = None) -> subprocess.Popen[bytes]:
    """Start a job's shell as the leader of a session of its own, on a terminal or with its output in pipes.

    A terminal becomes the session's when its leader opens it, so the shell does that itself. It also goes into the job's
    control group itself, before there is anything else to be kept there.
    """
    doors = [str(door) for door in place.control.doors] if place.control is not None else []
    inside = 'while [ "$1" != -- ]; do echo $$ >"$1"; shift; done; shift; '
    on_terminal = 'exec <"$2" >"$2" 2>&1; ' if tty is not None else ""
    terminal = [os.ttyname(tty)] if tty is not None else []
    script = f'{inside}{on_terminal}exec /bin/sh -c "$1"'
    command = ["/bin/sh", "-c", script, "sh", *doors, "--", job.command, *terminal]
    try:
        with _on_processors(job.limits):
            return subprocess.Popen(
                command,
                cwd=job.workdir.source.resolve(),
                env=_variables(job, place, terminal=tty is not None),
                stdin=subprocess.DEVNULL if tty is None else tty,
                stdout=subprocess.PIPE if tty is None else tty,
                stderr=subprocess.PIPE if tty is None else tty,
                start_new_session=True,
            )
    except OSError as error:
        raise EngineError(f"cannot start {job.name}: {error.strerror or error}") from error


def _variables(job: Job, place: Place, *, terminal: bool) -> Mapping[str, str]:
    return {
        "PATH": f"{job.environment.reference}/bin:{SYSTEM_PATH}",
        **fixed_environment.variables(job.limits, home=str(place.home), temporary=str(place.temporary)),
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
    os.sched_setaffinity(0, sorted(allowed)[: fixed_environment.threads(limits)])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _isolation(limits: Limits) -> Isolation:
    processors = (
        min(fixed_environment.threads(limits), len(os.sched_getaffinity(0)))
        if sys.platform == "linux"
        else None
    )
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


def shell_status(code: int) -> int:
    """Give an exit status as a shell does: 128 + n for signal n."""
    return code if code >= 0 else 128 - code
