"""One local run: start a process, watch it, stop it if necessary, and determine its outcome."""

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
from sandbox.containers.local.job_processes import JobProcesses, ProcessUsage
from sandbox.containers.local.output import PipeReader
from sandbox.containers.outcome import POLL_SECONDS, EndCause, EndStatus, classify_end, wait_for_end
from sandbox.containers.output_watch import OutputWatch
from sandbox.containers.usage import ResourceUsage
from sandbox.errors import ContainerEngineError
from sandbox.model import Isolation, JobResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sandbox.containers.local.job_folder import JobFolder
    from sandbox.containers.protocol import Job, StopEvent
    from sandbox.containers.usage import UsageMeter
    from sandbox.model import ResourceLimits

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OUTPUT_TIMEOUT_SECONDS = 5.0


class LocalRun:
    def __init__(self, job: Job, folder: JobFolder, grace: float) -> None:
        self._job = job
        self._folder = folder
        self._grace = grace
        self._process: subprocess.Popen[bytes] | None = None
        self._job_processes = folder.processes
        self._meter: UsageMeter | None = None
        self._kernel_usage = ResourceUsage()
        self._in_control_group = False
        self._process_usage = ProcessUsage()
        self._peak_memory = 0
        self._limit_cause: EndCause | None = None
        self._exit_cpu_seconds = 0.0
        self._start_time = time.monotonic()
        self._wall_seconds = 0.0
        self._exit_event = threading.Event()
        self._output = OutputWatch(job)

    def run(
        self,
        *,
        stdout: Callable[[bytes], object],
        stderr: Callable[[bytes], object],
        stop: StopEvent | None,
    ) -> JobResult:
        """Start the job and wait for its end; `finish` must always follow."""
        started = time.time()
        self._process = process = start_job(self._job, self._folder)
        self._start_time = time.monotonic()
        self._job_processes = self._build_processes(process.pid)
        if self._folder.control_group is not None:
            self._meter = cgroups.start_meter(self._folder.control_group.folders)
        assert process.stdout is not None
        assert process.stderr is not None
        pipes = PipeReader((process.stdout, stdout), (process.stderr, stderr))
        self._output.start()
        try:
            cause = self._watch_process(process.pid, stop, pipes)
        finally:
            status = self.finish()
            self._output.finish()
            pipes.finish(OUTPUT_TIMEOUT_SECONDS)
        if pipes.error is not None:  # the caller's functions failed, for example on a full disk
            raise pipes.error
        if self._output.is_full and cause is EndCause.EXITED:
            cause = EndCause.OUTPUT
        if cause is EndCause.PROCESSES:
            stderr(f"ended: more than {self._job.limits.pids} processes and threads\n".encode())
        if self._folder.is_removed:
            cause = EndCause.LOST
        end = classify_end(cause, status, out_of_memory=self._kernel_usage.kills > 0)
        return self._build_outcome(end, started)

    def finish(self) -> int | None:
        """Kill remaining processes, and return the first one's status as a shell does."""
        if self._process is None:
            return None
        if self._process.returncode is None:
            self._job_processes.kill()
            _, status, usage = os.wait4(self._process.pid, 0)
            self._process.returncode = os.waitstatus_to_exitcode(status)
            self._exit_cpu_seconds = usage.ru_utime + usage.ru_stime
        return compute_shell_status(self._process.returncode)

    def _build_processes(self, leader: int | None) -> JobProcesses:
        return JobProcesses(leader, str(self._folder.home), self._folder.control_group)

    def _watch_process(self, pid: int, stop: StopEvent | None, pipes: PipeReader) -> EndCause:
        """Wait for the end, and stop the job if there is a reason.

        An interrupt may arrive anywhere in this thread, so other threads do everything except waiting.
        """
        threads = [
            threading.Thread(target=self._wait_for_exit, args=(pid,), name=f"end of {self._job.name}", daemon=True),
            threading.Thread(target=self._sample_usage, name=f"figures of {self._job.name}", daemon=True),
        ]
        deadline = self._start_time + self._job.limits.timeout_seconds
        try:
            for thread in threads:
                thread.start()
            cause = wait_for_end(
                self._exit_event, deadline=deadline, stop=stop, find_cause=lambda: self._find_stop_cause(pipes)
            )
            if cause in {EndCause.TIMED_OUT, EndCause.STOPPED}:
                self._terminate_processes()
        except BaseException:  # stop the job; a second interrupt skips the grace period
            self._terminate_processes()
            raise
        finally:
            self._job_processes.kill()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
            self._kernel_usage = self._read_kernel_usage()
        return cause

    def _build_outcome(self, end: EndStatus, started: float) -> JobResult:
        """Return the outcome; processes that live shorter than the sampling interval are not measured."""
        return JobResult(
            ending=end.ending,
            status=end.status,
            signal=end.signal,
            started=started,
            wall_seconds=self._wall_seconds,
            cpu_seconds=max(self._process_usage.cpu_seconds, self._exit_cpu_seconds),
            peak_memory_bytes=self._compute_peak_memory(),
            bytes_read=self._process_usage.bytes_read,
            bytes_written=self._process_usage.bytes_written,
            isolation=_describe_isolation(self._job.limits),
            output_bytes=self._output.output_bytes,
        )

    def _read_kernel_usage(self) -> ResourceUsage:
        """Return the kernel's counters, up to the last process killed for memory."""
        if self._meter is None or self._folder.control_group is None:
            return ResourceUsage()
        last = cgroups.read_usage(self._folder.control_group.folders)
        return self._meter.stop().merge_peaks(last or ResourceUsage())

    def _compute_peak_memory(self) -> int | None:
        """Return the peak memory: the kernel's figure if available, and the limit after a kill for memory."""
        if self._kernel_usage.kills:
            return self._job.limits.memory_bytes
        return self._kernel_usage.memory_bytes or self._peak_memory or None

    def _wait_for_exit(self, pid: int) -> None:
        """Wait for the exit without reaping the process, so that its pid is not reused."""
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        self._wall_seconds = time.monotonic() - self._start_time
        self._exit_event.set()

    def _sample_usage(self) -> None:
        """Measure until the end, and record exceeded limits."""
        group = self._build_processes(self._job_processes.leader)
        pause = 0.0
        while not self._exit_event.wait(pause):
            pause = POLL_SECONDS
            self._process_usage = usage = group.measure_usage()
            memory = usage.memory_bytes
            if memory > self._job.limits.memory_bytes:  # exact measurement: forked processes share most pages
                memory = group.measure_memory()
            self._peak_memory = max(self._peak_memory, memory)
            if self._is_in_control_group():
                continue
            if memory > self._job.limits.memory_bytes:
                self._limit_cause = EndCause.MEMORY
            elif usage.tasks > self._job.limits.pids:
                self._limit_cause = EndCause.PROCESSES

    def _is_in_control_group(self) -> bool:
        """Return whether the job has joined its control group, which then enforces the limits."""
        control = self._folder.control_group
        if not self._in_control_group and control is not None:
            self._in_control_group = self._job_processes.leader in control.read_pids()
        return self._in_control_group

    def _find_stop_cause(self, pipes: PipeReader) -> EndCause | None:
        if pipes.error is not None:
            return EndCause.STOPPED
        return EndCause.OUTPUT if self._output.is_full else self._limit_cause

    def _terminate_processes(self) -> None:
        self._job_processes.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + self._grace
        while time.monotonic() < deadline and self._job_processes.list_processes():
            time.sleep(0.02)


def start_job(job: Job, folder: JobFolder, *, tty: int | None = None) -> subprocess.Popen[bytes]:
    """Start a job's shell as the leader of a new session, on a terminal or with its output in pipes.

    A terminal becomes the session's when its leader opens it, so the shell opens it itself. It also joins the job's
    control group itself, before it starts other processes.
    """
    procs_files = [str(path) for path in folder.control_group.procs_files] if folder.control_group is not None else []
    inside = 'while [ "$1" != -- ]; do echo $$ >"$1"; shift; done; shift; '
    on_terminal = 'exec <"$2" >"$2" 2>&1; ' if tty is not None else ""
    terminal = [os.ttyname(tty)] if tty is not None else []
    script = f'{inside}{on_terminal}exec /bin/sh -c "$1"'
    command = ["/bin/sh", "-c", script, "sh", *procs_files, "--", job.command, *terminal]
    try:
        with _limit_processors(job.limits):
            return subprocess.Popen(
                command,
                cwd=job.workdir.source.resolve(),
                env=_build_variables(job, folder, terminal=tty is not None),
                stdin=subprocess.DEVNULL if tty is None else tty,
                stdout=subprocess.PIPE if tty is None else tty,
                stderr=subprocess.PIPE if tty is None else tty,
                start_new_session=True,
            )
    except OSError as error:
        raise ContainerEngineError(f"cannot start {job.name}: {error.strerror or error}") from error


def _build_variables(job: Job, folder: JobFolder, *, terminal: bool) -> Mapping[str, str]:
    return {
        "PATH": f"{job.environment.reference}/bin:{SYSTEM_PATH}",
        **fixed_environment.build_variables(job.limits, home=str(folder.home), temporary=str(folder.tmp)),
        **({"TERM": os.environ.get("TERM", "xterm-256color")} if terminal else {}),
        **job.variables,
    }


@contextlib.contextmanager
def _limit_processors(limits: ResourceLimits) -> Iterator[None]:
    """Limit the processors of processes started by this thread, which inherit its affinity."""
    if sys.platform != "linux":
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[: fixed_environment.count_threads(limits)])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _describe_isolation(limits: ResourceLimits) -> Isolation:
    processors = (
        min(fixed_environment.count_threads(limits), len(os.sched_getaffinity(0))) if sys.platform == "linux" else None
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


def compute_shell_status(code: int) -> int:
    """Return an exit status as a shell does: 128 + n for signal n."""
    return code if code >= 0 else 128 - code
