"""All processes of one local job, including daemons: listed, measured, ended."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sandbox.containers.local.cgroups import ControlGroup

KILL_SECONDS = 10.0
PAUSE_SECONDS = 0.02


@dataclass(frozen=True, kw_only=True)
class ProcessUsage:
    """Current usage of a job's living processes; None is not supported by the platform.

    Attributes:
        cpu_seconds: Of living processes and their waited-for children.
        memory_bytes: Resident memory, summed; shared pages count for each process.
        bytes_read, bytes_written: From and to devices.
        tasks: Processes and threads.
    """

    cpu_seconds: float = 0.0
    memory_bytes: int = 0
    bytes_read: int | None = None
    bytes_written: int | None = None
    tasks: int = 0


class JobProcesses:
    """A job's processes: its session, their descendants, and all processes with the job's home in their environment.

    A daemon leaves the session and has no parent in it; its environment stays.
    """

    def __init__(self, leader: int | None, home: str, control: ControlGroup | None = None) -> None:
        """Identify the job.

        Args:
            leader: The session's leader; None if unknown.
            home: The job's home folder, unique to its processes.
            control: The job's control group, which processes cannot leave; None without one.
        """
        self.leader = leader
        self._home = home
        self._control_group = control
        self._known_processes: set[psutil.Process] = set()
        self._usage_by_process: dict[psutil.Process, tuple[float, int, int]] = {}

    def list_processes(self) -> list[psutil.Process]:
        """Return the living processes of the session, their descendants, and those seen before."""
        if self.leader is None:
            return list(self._find_hidden_processes())
        members = self._read_cgroup_pids()
        children: dict[int, list[psutil.Process]] = {}
        processes: dict[int, psutil.Process] = {}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, ProcessLookupError, PermissionError):
                children.setdefault(process.ppid(), []).append(process)
                if process.pid in members or process in self._known_processes or os.getsid(process.pid) == self.leader:
                    processes[process.pid] = process
        waiting = list(processes)
        while waiting:
            for child in children.get(waiting.pop(), ()):
                if child.pid not in processes:
                    processes[child.pid] = child
                    waiting.append(child.pid)
        alive = [process for process in processes.values() if _is_alive(process)]
        self._known_processes.update(alive)
        return alive

    def measure_usage(self) -> ProcessUsage:
        """Measure the living processes, and add the last known usage of ended ones."""
        memory = tasks = 0
        for process in self.list_processes():
            with contextlib.suppress(psutil.Error), process.oneshot():
                memory += process.memory_info().rss
                tasks += process.num_threads()
                times = process.cpu_times()
                read, written = _read_io_bytes(process)
                self._usage_by_process[process] = (times.user + times.system, read, written)
        used = list(self._usage_by_process.values())
        known = hasattr(psutil.Process, "io_counters")
        return ProcessUsage(
            cpu_seconds=sum(cpu for cpu, _, _ in used),
            memory_bytes=memory,
            bytes_read=sum(read for _, read, _ in used) if known else None,
            bytes_written=sum(written for _, _, written in used) if known else None,
            tasks=tasks,
        )

    def measure_memory(self) -> int:
        """Return the memory of living processes, with shared pages counted once if supported (slow)."""
        total = 0
        for process in self.list_processes():
            with contextlib.suppress(psutil.Error):
                whole = process.memory_full_info()
                total += getattr(whole, "pss", whole.rss)
        return total

    def send_signal(self, number: int) -> None:
        _send_signal(self.list_processes(), number)

    def kill(self) -> None:
        """Kill all processes, including daemons, until none is left."""
        deadline = time.monotonic() + KILL_SECONDS
        while left := {*self.list_processes(), *self._find_hidden_processes()}:
            self._kill_process_group()
            _send_signal(left, signal.SIGKILL)
            if time.monotonic() > deadline:
                break
            time.sleep(PAUSE_SECONDS)

    def _kill_process_group(self) -> None:
        """Kill the leader's process group at once, so that no process can fork in between."""
        if self.leader is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.leader, signal.SIGKILL)

    def _find_hidden_processes(self) -> Iterator[psutil.Process]:
        members = self._read_cgroup_pids()
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if (
                    process.pid != os.getpid()
                    and _is_alive(process)
                    and (process.pid in members or process.environ().get("HOME") == self._home)
                ):
                    yield process

    def _read_cgroup_pids(self) -> set[int]:
        return self._control_group.read_pids() if self._control_group is not None else set()


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _send_signal(processes: Iterable[psutil.Process], number: int) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)


def _read_io_bytes(process: psutil.Process) -> tuple[int, int]:
    if not hasattr(process, "io_counters"):
        return 0, 0
    counters = process.io_counters()
    return int(counters.read_bytes), int(counters.write_bytes)
