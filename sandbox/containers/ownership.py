"""Owner processes of runtime objects, to distinguish leftovers of killed processes from objects in use."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PID_LABEL, START_TIME_LABEL, MACHINE_LABEL = "owner-pid", "owner-started", "owner-machine"


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A process, identified uniquely.

    Attributes:
        pid: Its pid.
        start_time: Its start, in a unit of the platform; pids are reused, so they are not unique.
        machine: The machine and its pid namespace; the state of processes elsewhere is unknown.
    """

    pid: int
    start_time: str
    machine: str

    @property
    def labels(self) -> Mapping[str, str]:
        """The owner as labels, without prefix."""
        return {PID_LABEL: str(self.pid), START_TIME_LABEL: self.start_time, MACHINE_LABEL: self.machine}

    @property
    def has_ended(self) -> bool:
        """Whether the process has certainly ended."""
        return self.machine == _identify_machine() and _read_start_time(self.pid) != self.start_time


def identify_owner() -> Owner:
    """Return this process."""
    pid = os.getpid()
    return Owner(pid=pid, start_time=_read_start_time(pid) or "", machine=_identify_machine())


def parse_owner(labels: Mapping[str, str]) -> Owner | None:
    """Return the owner named in labels; None if there is none."""
    pid, started, machine = labels.get(PID_LABEL, ""), labels.get(START_TIME_LABEL), labels.get(MACHINE_LABEL)
    if not pid.isdecimal() or started is None or machine is None:
        return None
    return Owner(pid=int(pid), start_time=started, machine=machine)


def _read_start_time(pid: int) -> str | None:
    """Return a process's start time; None if it does not exist.

    On Linux it is in clock ticks since boot: unlike wall-clock time it does not change when the clock is set.
    """
    try:
        if Path("/proc/self/stat").exists():
            text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            state, *fields = text.rpartition(")")[2].split()
            return None if state in {"Z", "X"} else fields[18]
        return _read_psutil_start_time(pid)
    except OSError:
        return None


def _read_psutil_start_time(pid: int) -> str | None:
    import psutil  # noqa: PLC0415 - on Linux nobody needs it

    try:
        return str(int(psutil.Process(pid).create_time()))
    except psutil.NoSuchProcess:
        return None


def _identify_machine() -> str:
    """Return the machine's name with its pid namespace, which differs in containers."""
    space = Path("/proc/self/ns/pid")
    number = str(space.stat().st_ino) if space.exists() else "0"
    return f"{platform.node()}/{number}"
