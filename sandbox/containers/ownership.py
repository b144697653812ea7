"""Which living process owns what a runtime holds, so that what a killed one left can be told from what is in use."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PID, STARTED, MACHINE = "owner-pid", "owner-started", "owner-machine"


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A process, named so that it is never taken for another.

    Attributes:
        pid: Its number.
        started: When it started, in a unit of the platform's; numbers are used again, so they alone do not tell.
        machine: The machine and the space of process numbers; of processes elsewhere nothing can be said.
    """

    pid: int
    started: str
    machine: str

    @property
    def labels(self) -> Mapping[str, str]:
        """The owner as labels, without prefix."""
        return {PID: str(self.pid), STARTED: self.started, MACHINE: self.machine}

    @property
    def gone(self) -> bool:
        """True where it is certain that the process has ended."""
        return self.machine == _machine() and _started(self.pid) != self.started


def current() -> Owner:
    """Give this process."""
    pid = os.getpid()
    return Owner(pid=pid, started=_started(pid) or "", machine=_machine())


def named(labels: Mapping[str, str]) -> Owner | None:
    """Give the owner that labels name; None where they name none."""
    pid, started, machine = labels.get(PID, ""), labels.get(STARTED), labels.get(MACHINE)
    if not pid.isdecimal() or started is None or machine is None:
        return None
    return Owner(pid=int(pid), started=started, machine=machine)


def _started(pid: int) -> str | None:
    """Give a process's start; None where there is no such process.

    On Linux it is in clock ticks since boot: unlike a time of day it does not move when the clock is set.
    """
    try:
        if Path("/proc/self/stat").exists():
            text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            state, *fields = text.rpartition(")")[2].split()
            return None if state in {"Z", "X"} else fields[18]
        return _started_elsewhere(pid)
    except OSError:
        return None


def _started_elsewhere(pid: int) -> str | None:
    import psutil  # noqa: PLC0415 - on Linux nobody needs it

    try:
        return str(int(psutil.Process(pid).create_time()))
    except psutil.NoSuchProcess:
        return None


def _machine() -> str:
    """Name the machine; within a container with process numbers of its own it is another."""
    space = Path("/proc/self/ns/pid")
    number = str(space.stat().st_ino) if space.exists() else "0"
    return f"{platform.node()}/{number}"
