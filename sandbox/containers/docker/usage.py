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
from sandbox.containers.usage import ResourceUsage, UsageMeter

if TYPE_CHECKING:
    from collections.abc import Mapping

STATS_INTERVAL_SECONDS = 0.25


def start_container_meter(client: docker.DockerClient, container: str, pid: int) -> UsageMeter:
    """Start to measure a running container.

    Args:
        client: Its engine's.
        container: Its id.
        pid: Of its first process, as the engine says.
    """
    folders = cgroups.find_container_groups(pid, container)
    if folders:
        return cgroups.start_meter(folders)
    return UsageMeter(
        lambda: _fetch_usage(client, container), soonest=STATS_INTERVAL_SECONDS, latest=STATS_INTERVAL_SECONDS
    )


def parse_stats(answer: Mapping[str, Any]) -> ResourceUsage:
    """Read the engine's answer to ``/stats``; of a container that has ended it says nothing."""
    memory = answer.get("memory_stats") or {}
    stat = memory.get("stats") or {}
    held = stat.get("anon", stat.get("total_rss"))
    total = (answer.get("cpu_stats") or {}).get("cpu_usage", {}).get("total_usage")
    blocks = (answer.get("blkio_stats") or {}).get("io_service_bytes_recursive")
    return ResourceUsage(
        cpu_seconds=total / 1e9 if total else None,
        memory_bytes=held + stat.get("shmem", stat.get("total_shmem", 0)) if held is not None else None,
        bytes_read=_sum_block_bytes(blocks, "read"),
        bytes_written=_sum_block_bytes(blocks, "write"),
    )


def _fetch_usage(client: docker.DockerClient, container: str) -> ResourceUsage | None:
    with contextlib.suppress(docker.errors.DockerException, *CONNECTION_ERRORS):
        return parse_stats(client.api.stats(container, stream=False, one_shot=True))
    return None


def _sum_block_bytes(blocks: list[Mapping[str, Any]] | None, way: str) -> int | None:
    if blocks is None:
        return None
    return sum(int(entry["value"]) for entry in blocks if str(entry["op"]).lower() == way)
