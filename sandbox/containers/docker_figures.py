"""What a container uses: sampled while it lives, because nothing tells once it is gone.

The kernel's own counters are read where this machine shows them. Where the engine's containers live elsewhere (in the
virtual machine of Docker Desktop), the engine is asked instead, less often.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import docker.errors

from sandbox.containers.docker_client import CONNECTION_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Number = TypeVar("Number", int, float)
CGROUPS = Path("/sys/fs/cgroup")
SOONEST_SECONDS, LATEST_SECONDS = 0.01, 0.05
ASKING_SECONDS = 0.25


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What was used up to a moment; None is what cannot be known.

    Attributes:
        cpu_seconds: Of all processors together.
        memory_bytes: What cannot be given back: anonymous memory and tmpfs, without the cache of files.
        bytes_read, bytes_written: From and to devices.
        kills: Processes killed for memory.
    """

    cpu_seconds: float | None = None
    memory_bytes: int | None = None
    bytes_read: int | None = None
    bytes_written: int | None = None
    kills: int = 0

    def together(self, later: Figures) -> Figures:
        """Give the highest of each."""
        return Figures(
            cpu_seconds=_higher(self.cpu_seconds, later.cpu_seconds),
            memory_bytes=_higher(self.memory_bytes, later.memory_bytes),
            bytes_read=_higher(self.bytes_read, later.bytes_read),
            bytes_written=_higher(self.bytes_written, later.bytes_written),
            kills=max(self.kills, later.kills),
        )


class Meter:
    """Samples a container in a thread of its own until it is told to stop or the container is gone."""

    def __init__(self, read: Callable[[], Figures | None], *, soonest: float, latest: float) -> None:
        self._read = read
        self._soonest = soonest
        self._latest = latest
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="figures", daemon=True)
        self._figures = Figures()
        self._thread.start()

    def finish(self) -> Figures:
        """Stop, and give the highest figures seen."""
        self._stop.set()
        self._thread.join(self._latest * 4)
        return self._figures

    def _work(self) -> None:
        started = time.monotonic()
        while (figures := self._read()) is not None:
            self._figures = self._figures.together(figures)
            pause = (
                time.monotonic() - started
            ) / 10  # often at first: a container may live for a moment only
            if self._stop.wait(min(max(pause, self._soonest), self._latest)):
                return


def meter(client: docker.DockerClient, container: str, pid: int) -> Meter:
    """Start to measure a running container.

    Args:
        client: Its engine's.
        container: Its id.
        pid: Of its first process, as the engine says.
    """
    folders = control_groups(pid, container)
    if folders:
        return Meter(lambda: from_kernel(folders), soonest=SOONEST_SECONDS, latest=LATEST_SECONDS)
    return Meter(lambda: _asked(client, container), soonest=ASKING_SECONDS, latest=ASKING_SECONDS)


def control_groups(pid: int, container: str) -> Mapping[str, Path]:
    """Give the folders of a container's control group by controller (``""`` for version 2); empty if not on show.

    The process number may be one of another machine: only a group that carries the container's id is believed.
    """
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    found: dict[str, Path] = {}
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if container not in path:
            continue
        for controller in controllers.split(","):
            folder = CGROUPS / controller / path.lstrip("/")
            if folder.is_dir():
                found[controller] = folder
    return found


def from_kernel(folders: Mapping[str, Path]) -> Figures | None:
    """Read a control group's counters, of version 1 or 2; None when it is gone."""
    try:
        if "memory" in folders:
            return _version_1(folders)
        return _version_2(folders[""])
    except (OSError, KeyError, ValueError, IndexError):
        return None


def from_engine(answer: Mapping[str, Any]) -> Figures:
    """Read the engine's answer to ``/stats``; of a container that has ended it says nothing."""
    memory = answer.get("memory_stats") or {}
    stat = memory.get("stats") or {}
    held = stat.get("anon", stat.get("total_rss"))
    total = (answer.get("cpu_stats") or {}).get("cpu_usage", {}).get("total_usage")
    blocks = (answer.get("blkio_stats") or {}).get("io_service_bytes_recursive")
    return Figures(
        cpu_seconds=total / 1e9 if total else None,
        memory_bytes=held + stat.get("shmem", stat.get("total_shmem", 0)) if held is not None else None,
        bytes_read=_moved(blocks, "read"),
        bytes_written=_moved(blocks, "write"),
    )


def _asked(client: docker.DockerClient, container: str) -> Figures | None:
    with contextlib.suppress(docker.errors.DockerException, *CONNECTION_ERRORS):
        return from_engine(client.api.stats(container, stream=False, one_shot=True))
    return None


def _moved(blocks: list[Mapping[str, Any]] | None, way: str) -> int | None:
    if blocks is None:
        return None
    return sum(int(entry["value"]) for entry in blocks if str(entry["op"]).lower() == way)


def _version_1(folders: Mapping[str, Path]) -> Figures:
    stat = _pairs(folders["memory"] / "memory.stat")
    cpu = int(_text(folders["cpuacct"] / "cpuacct.usage")) if "cpuacct" in folders else None
    moved: Mapping[str, int] | None = None
    if "blkio" in folders:
        lines = _text(folders["blkio"] / "blkio.throttle.io_service_bytes").splitlines()
        entries = [line.split() for line in lines if line.count(" ") == 2]
        moved = {
            way: sum(int(value) for _, kind, value in entries if kind == way) for way in ("Read", "Write")
        }
    return Figures(
        cpu_seconds=cpu / 1e9 if cpu is not None else None,
        memory_bytes=stat["total_rss"] + stat.get("total_shmem", 0),
        bytes_read=moved["Read"] if moved is not None else None,
        bytes_written=moved["Write"] if moved is not None else None,
        kills=_pairs(folders["memory"] / "memory.oom_control").get("oom_kill", 0),
    )


def _version_2(folder: Path) -> Figures:
    stat = _pairs(folder / "memory.stat")
    moved = [
        dict(field.split("=", 1) for field in line.split()[1:])
        for line in _text(folder / "io.stat").splitlines()
    ]
    return Figures(
        cpu_seconds=_pairs(folder / "cpu.stat")["usage_usec"] / 1e6,
        memory_bytes=stat["anon"] + stat.get("shmem", 0),
        bytes_read=sum(int(one.get("rbytes", 0)) for one in moved),
        bytes_written=sum(int(one.get("wbytes", 0)) for one in moved),
        kills=_pairs(folder / "memory.events").get("oom_kill", 0),
    )


def _pairs(path: Path) -> dict[str, int]:
    return {name: int(value) for name, value in (line.split(" ", 1) for line in _text(path).splitlines())}


def _text(path: Path) -> str:
    return path.read_text(encoding="ascii")


def _higher(first: Number | None, second: Number | None) -> Number | None:
    if first is None or second is None:
        return second if first is None else first
    return max(first, second)
