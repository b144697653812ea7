"""Which living process owns what a runtime holds, so that what a killed one left can be told from what is in use."""

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
    """A process, named so that it is never taken for another.

    Attributes:
        pid: Its number.
        start_time: When it started, in a unit of the platform's; numbers are used again, so they alone do not tell.
        machine: The machine and the space of process numbers; of processes elsewhere nothing can be said.
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
        """True where it is certain that the process has ended."""
        return self.machine == _identify_machine() and _read_start_time(self.pid) != self.start_time


def identify_owner() -> Owner:
    """Give this process."""
    pid = os.getpid()
    return Owner(pid=pid, start_time=_read_start_time(pid) or "", machine=_identify_machine())


def parse_owner(labels: Mapping[str, str]) -> Owner | None:
    """Give the owner that labels name; None where they name none."""
    pid, started, machine = labels.get(PID_LABEL, ""), labels.get(START_TIME_LABEL), labels.get(MACHINE_LABEL)
    if not pid.isdecimal() or started is None or machine is None:
        return None
    return Owner(pid=int(pid), start_time=started, machine=machine)


def _read_start_time(pid: int) -> str | None:
    """Give a process's start; None where there is no such process.

    On Linux it is in clock ticks since boot: unlike a time of day it does not move when the clock is set.
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
    """Name the machine; within a container with process numbers of its own it is another."""
    space = Path("/proc/self/ns/pid")
    number = str(space.stat().st_ino) if space.exists() else "0"
    return f"{platform.node()}/{number}"
