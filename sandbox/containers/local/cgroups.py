"""Control groups, version 1 and 2: their counters, and limits for jobs if permitted."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.containers.usage import ResourceUsage, UsageMeter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.model import ResourceLimits

CGROUP_ROOT = Path("/sys/fs/cgroup")
MIN_SAMPLE_SECONDS, MAX_SAMPLE_SECONDS = 0.01, 0.05
CGROUP_REMOVAL_SECONDS = 2.0
PROCS_FILE = "cgroup.procs"
OPTIONAL_FILES = {
    "memory.memsw.limit_in_bytes",
    "memory.swap.max",
}  # without swap accounting in the kernel


@dataclass(frozen=True, kw_only=True)
class ControlGroup:
    """A job's control group.

    Attributes:
        folders: By controller, ``""`` for version 2.
    """

    folders: Mapping[str, Path]

    @property
    def procs_files(self) -> list[Path]:
        """Files for a process to write its pid to, in order to join."""
        return [folder / PROCS_FILE for folder in self.folders.values()]

    def read_pids(self) -> set[int]:
        pids: set[int] = set()
        for procs_file in self.procs_files:
            with contextlib.suppress(OSError):
                pids |= {int(number) for number in procs_file.read_text(encoding="ascii").split()}
        return pids

    def create(self, limits: ResourceLimits) -> bool:
        """Create the group with its limits; return False, with nothing left behind, if that is not permitted."""
        try:
            for folder in self.folders.values():
                folder.mkdir()
            for controller, file, value in _list_limit_settings(limits):
                target = self.folders.get(controller)
                if target is not None and (file not in OPTIONAL_FILES or (target / file).is_file()):
                    (target / file).write_text(f"{value}\n", encoding="ascii")
        except OSError:
            self.remove()
            return False
        return True

    def remove(self) -> None:
        """Kill the group's processes, and remove it."""
        until = time.monotonic() + CGROUP_REMOVAL_SECONDS
        for folder in self.folders.values():
            while folder.is_dir() and time.monotonic() < until:
                with contextlib.suppress(OSError):
                    folder.rmdir()
                    break
                for number in self.read_pids():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(number, signal.SIGKILL)
                time.sleep(0.01)


def plan_control_group(name: str) -> ControlGroup | None:
    """Return a group of this name for this process to create, not created yet; None without permission.

    Its parent is this process's group if subgroups are allowed there (version 1), else the parent of that group.
    """
    current = _find_own_groups()
    folders: dict[str, Path]
    if "memory" in current:
        folders = {kind: current[kind] / name for kind in ("memory", "pids", "cpuacct", "blkio") if kind in current}
        allowed = "pids" in current and all(os.access(folder.parent, os.W_OK) for folder in folders.values())
    elif "" in current and (parent := current[""].parent) != CGROUP_ROOT.parent:
        folders = {"": parent / name}
        allowed = _is_delegated(parent)
    else:
        return None
    return ControlGroup(folders=folders) if allowed else None


def read_memory_limit() -> int | None:
    """Return the memory limit of this process's group in bytes; None without one."""
    current = _find_own_groups()
    for controller, file in (("memory", "memory.limit_in_bytes"), ("", "memory.max")):
        with contextlib.suppress(OSError, ValueError, KeyError):
            return int(_read_text(current[controller] / file))  # "max" raises ValueError
    return None


def _find_own_groups() -> dict[str, Path]:
    """Return the groups of this process by controller."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    groups: dict[str, Path] = {}
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            folder = CGROUP_ROOT / controller / path.lstrip("/")
            if (folder / PROCS_FILE).is_file():
                groups[controller] = folder
    return groups


def _is_delegated(parent: Path) -> bool:
    """Return whether a version 2 subgroup would have limits, and processes may be moved into it."""
    try:
        enabled = (parent / "cgroup.subtree_control").read_text(encoding="ascii").split()
    except OSError:
        return False
    return {"memory", "pids"} <= set(enabled) and all(
        os.access(path, os.W_OK) for path in (parent, parent / PROCS_FILE)
    )


def _list_limit_settings(limits: ResourceLimits) -> list[tuple[str, str, int]]:
    """Return controller, file and value of each limit; memory and swap are limited together."""
    return [
        ("memory", "memory.limit_in_bytes", limits.memory_bytes),
        ("memory", "memory.memsw.limit_in_bytes", limits.memory_bytes),
        ("pids", "pids.max", limits.pids),
        ("", "memory.max", limits.memory_bytes),
        ("", "memory.swap.max", 0),
        ("", "pids.max", limits.pids),
    ]


def find_container_groups(pid: int, container: str) -> Mapping[str, Path]:
    """Return the folders of a container's control group by controller (``""`` for version 2); empty if not visible.

    The pid may belong to another machine: only a group with the container's id in its path is used.
    """
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    groups: dict[str, Path] = {}
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if container not in path:
            continue
        for controller in controllers.split(","):
            folder = CGROUP_ROOT / controller / path.lstrip("/")
            if folder.is_dir():
                groups[controller] = folder
    return groups


def start_meter(folders: Mapping[str, Path]) -> UsageMeter:
    return UsageMeter(lambda: read_usage(folders), soonest=MIN_SAMPLE_SECONDS, latest=MAX_SAMPLE_SECONDS)


def read_usage(folders: Mapping[str, Path]) -> ResourceUsage | None:
    """Read a control group's counters, version 1 or 2; return None if it is gone."""
    try:
        if "memory" in folders:
            return _read_usage_v1(folders)
        return _read_usage_v2(folders[""])
    except (OSError, KeyError, ValueError, IndexError):
        return None


def _read_usage_v1(folders: Mapping[str, Path]) -> ResourceUsage:
    stat = _read_pairs(folders["memory"] / "memory.stat")
    cpu = int(_read_text(folders["cpuacct"] / "cpuacct.usage")) if "cpuacct" in folders else None
    moved: Mapping[str, int] | None = None
    if "blkio" in folders:
        lines = _read_text(folders["blkio"] / "blkio.throttle.io_service_bytes").splitlines()
        entries = [line.split() for line in lines if line.count(" ") == 2]
        moved = {way: sum(int(value) for _, kind, value in entries if kind == way) for way in ("Read", "Write")}
    return ResourceUsage(
        cpu_seconds=cpu / 1e9 if cpu is not None else None,
        memory_bytes=stat["total_rss"] + stat.get("total_shmem", 0),
        bytes_read=moved["Read"] if moved is not None else None,
        bytes_written=moved["Write"] if moved is not None else None,
        kills=_read_pairs(folders["memory"] / "memory.oom_control").get("oom_kill", 0),
    )


def _read_usage_v2(folder: Path) -> ResourceUsage:
    stat = _read_pairs(folder / "memory.stat")
    moved: list[dict[str, str]] | None = None
    with contextlib.suppress(FileNotFoundError):  # the controller may be missing
        lines = _read_text(folder / "io.stat").splitlines()
        moved = [dict(field.split("=", 1) for field in line.split()[1:]) for line in lines]
    return ResourceUsage(
        cpu_seconds=_read_pairs(folder / "cpu.stat")["usage_usec"] / 1e6,
        memory_bytes=stat["anon"] + stat.get("shmem", 0),
        bytes_read=sum(int(device.get("rbytes", 0)) for device in moved) if moved is not None else None,
        bytes_written=sum(int(device.get("wbytes", 0)) for device in moved) if moved is not None else None,
        kills=_read_pairs(folder / "memory.events").get("oom_kill", 0),
    )


def _read_pairs(path: Path) -> dict[str, int]:
    return {name: int(value) for name, value in (line.split(" ", 1) for line in _read_text(path).splitlines())}


def _read_text(path: Path) -> str:
    return path.read_text(encoding="ascii")
