"""What an engine holds of ours, told by our labels."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import docker.errors

from sandbox.containers.docker import engine_api as plan
from sandbox.containers.docker.client import translate_errors
from sandbox.containers.docker.usage import parse_stats
from sandbox.containers.protocol import LABEL_PREFIX, RuntimeObject
from sandbox.containers.usage import ResourceUsage

if TYPE_CHECKING:
    from collections.abc import Mapping

SAMPLE_GAP_SECONDS = 0.2
IN_USE_STATUSES = (403, 409)  # of a network that has endpoints, of a volume that is mounted


def list_objects(client: docker.DockerClient, labels: Mapping[str, str]) -> list[RuntimeObject]:
    """List containers, networks and volumes that carry all these labels, in the order in which they can be removed.

    Raises:
        EngineError: The engine does not answer.
    """
    filters = _build_label_filters(labels)
    with translate_errors("list what the Docker Engine holds"):
        volumes = client.api.volumes(filters=filters).get("Volumes") or []
        networks = client.api.networks(filters=filters)
    return [
        *list_containers(client, labels),
        *(_build_object(one, one["Id"], one["Name"], "network") for one in networks),
        *(_build_object(one, one["Name"], one["Name"], "volume") for one in volumes),
    ]


def list_containers(client: docker.DockerClient, labels: Mapping[str, str]) -> list[RuntimeObject]:
    """List containers only, without what they use.

    Raises:
        EngineError: The engine does not answer.
    """
    with translate_errors("list containers"):
        found = client.api.containers(all=True, filters=_build_label_filters({"kind": plan.CONTAINER_KIND, **labels}))
    return [
        _build_object(one, one["Id"], str(one["Names"][0]).lstrip("/"), "container", running=one["State"] == "running")
        for one in found
        if one.get("Names")
    ]


def remove_object(client: docker.DockerClient, held: RuntimeObject) -> bool:
    """Remove one thing; one that is gone, or that somebody else is removing, is as good as removed.

    Returns:
        False where a container uses it, which need not be ours.

    Raises:
        EngineError: The engine refuses, or does not answer.
    """
    with translate_errors(f"remove the {held.kind} {held.name}"):
        try:
            if held.kind == "container":
                _remove_container(client, held.id)
            elif held.kind == "volume":
                client.api.remove_volume(held.id)
            else:
                client.api.remove_network(held.id)
        except docker.errors.NotFound:
            return True
        except docker.errors.APIError as error:
            if held.kind == "container" or error.status_code not in IN_USE_STATUSES:
                raise
            return False
    return True


def _remove_container(client: docker.DockerClient, container: str) -> None:
    try:
        client.api.remove_container(container, force=True, v=True)
    except docker.errors.APIError as error:
        if error.status_code != 409:  # "removal is already in progress"
            raise


def _build_label_filters(labels: Mapping[str, str]) -> dict[str, list[str]]:
    wanted = {"managed": "true", **labels}
    return {"label": [f"{LABEL_PREFIX}.{name}={value}" for name, value in wanted.items()]}


def _build_object(one: Mapping[str, Any], id_: str, name: str, kind: str, *, running: bool = False) -> RuntimeObject:
    return RuntimeObject(id=id_, name=name, kind=kind, labels=plan.parse_labels(one.get("Labels")), running=running)


def measure_usage(client: docker.DockerClient, found: list[RuntimeObject]) -> list[RuntimeObject]:
    """Add what runs uses now: the share of a processor takes two looks, and a look may take the engine a second.

    Raises:
        EngineError: The engine does not answer.
    """
    running = [one.id for one in found if one.running]
    if not running:
        return found
    with translate_errors("ask what containers use"):
        began = time.monotonic()
        first = {container: _fetch_usage(client, container) for container in running}
        time.sleep(SAMPLE_GAP_SECONDS)
        second = {container: _fetch_usage(client, container) for container in running}
        seconds = time.monotonic() - began
    return [
        replace(
            one,
            cpu_percent=_compute_cpu_percent(first[one.id], second[one.id], seconds),
            memory_bytes=second[one.id].memory_bytes,
        )
        if one.running
        else one
        for one in found
    ]


def _fetch_usage(client: docker.DockerClient, container: str) -> ResourceUsage:
    # Of a container that ends meanwhile Engine 20.10 answers nothing, which is no JSON.
    with contextlib.suppress(docker.errors.APIError, ValueError):
        return parse_stats(client.api.stats(container, stream=False, one_shot=True))
    return ResourceUsage()


def _compute_cpu_percent(first: ResourceUsage, second: ResourceUsage, seconds: float) -> float | None:
    if first.cpu_seconds is None or second.cpu_seconds is None:
        return None
    return 100 * max(0.0, second.cpu_seconds - first.cpu_seconds) / seconds
