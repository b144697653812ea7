"""Resource usage of containers, sampled while they run, because it is unavailable afterwards.

The kernel's counters are read if this machine has them. For containers elsewhere (in Docker Desktop's virtual machine)
the engine is queried instead, less often.
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
    """Start a meter of a running container; ``pid`` is its first process, as reported by the engine."""
    folders = cgroups.find_container_groups(pid, container)
    if folders:
        return cgroups.start_meter(folders)
    return UsageMeter(
        lambda: _fetch_usage(client, container), soonest=STATS_INTERVAL_SECONDS, latest=STATS_INTERVAL_SECONDS
    )


def parse_stats(answer: Mapping[str, Any]) -> ResourceUsage:
    """Parse the engine's answer to ``/stats``, empty for an exited container."""
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
