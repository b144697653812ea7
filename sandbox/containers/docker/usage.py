"""What a container uses: sampled while it lives, because nothing tells once it is gone.

The kernel's own counters are read where this machine shows them. Where the engine's containers live elsewhere (in the
virtual machine of Docker Desktop), the engine is asked instead, less often.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import docker.errors

from sandbox.containers.docker.client import CONNECTION_ERRORS
from sandbox.containers.local import cgroups
from sandbox.containers.usage import Figures, Meter

if TYPE_CHECKING:
    from collections.abc import Mapping

ASKING_SECONDS = 0.25


def meter(client: docker.DockerClient, container: str, pid: int) -> Meter:
    """Start to measure a running container.

    Args:
        client: Its engine's.
        container: Its id.
        pid: Of its first process, as the engine says.
    """
    folders = cgroups.of_container(pid, container)
    if folders:
        return cgroups.meter(folders)
    return Meter(lambda: _asked(client, container), soonest=ASKING_SECONDS, latest=ASKING_SECONDS)


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
