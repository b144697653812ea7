"""Containers, networks and volumes of sandbox in a container engine, identified by labels."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import docker.errors

from sandbox.containers.docker import engine_api
from sandbox.containers.docker.client import translate_errors
from sandbox.containers.docker.usage import parse_stats
from sandbox.containers.protocol import LABEL_PREFIX, RuntimeObject
from sandbox.containers.usage import ResourceUsage

if TYPE_CHECKING:
    from collections.abc import Mapping

SAMPLE_GAP_SECONDS = 0.2
IN_USE_STATUSES = (403, 409)  # a network with endpoints, a mounted volume


def list_objects(client: docker.DockerClient, labels: Mapping[str, str]) -> list[RuntimeObject]:
    """List containers, networks and volumes with all these labels, in the order for removal.

    Raises:
        ContainerEngineError: The engine does not answer.
    """
    filters = _build_label_filters(labels)
    with translate_errors("list what the Docker Engine holds"):
        volumes = client.api.volumes(filters=filters).get("Volumes") or []
        networks = client.api.networks(filters=filters)
    return [
        *list_containers(client, labels),
        *(_build_object(network, network["Id"], network["Name"], "network") for network in networks),
        *(_build_object(volume, volume["Name"], volume["Name"], "volume") for volume in volumes),
    ]


def list_containers(client: docker.DockerClient, labels: Mapping[str, str]) -> list[RuntimeObject]:
    """List containers with all these labels, without measuring usage.

    Raises:
        ContainerEngineError: The engine does not answer.
    """
    with translate_errors("list containers"):
        entries = client.api.containers(
            all=True, filters=_build_label_filters({"kind": engine_api.CONTAINER_KIND, **labels})
        )
    return [
        _build_object(
            entry, entry["Id"], str(entry["Names"][0]).lstrip("/"), "container", running=entry["State"] == "running"
        )
        for entry in entries
        if entry.get("Names")
    ]


def remove_object(client: docker.DockerClient, held: RuntimeObject) -> bool:
    """Remove an object; a missing one, or one already being removed, counts as removed.

    Returns:
        False if a container, possibly not sandbox's, uses it.

    Raises:
        ContainerEngineError: The engine refuses, or does not answer.
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
    required = {"managed": "true", **labels}
    return {"label": [f"{LABEL_PREFIX}.{name}={value}" for name, value in required.items()]}


def _build_object(entry: Mapping[str, Any], id_: str, name: str, kind: str, *, running: bool = False) -> RuntimeObject:
    return RuntimeObject(
        id=id_, name=name, kind=kind, labels=engine_api.parse_labels(entry.get("Labels")), running=running
    )


def measure_usage(client: docker.DockerClient, objects: list[RuntimeObject]) -> list[RuntimeObject]:
    """Add the current usage of running containers: CPU needs two samples, and each may take the engine a second.

    Raises:
        ContainerEngineError: The engine does not answer.
    """
    running = [item.id for item in objects if item.running]
    if not running:
        return objects
    with translate_errors("ask what containers use"):
        began = time.monotonic()
        first = {container: _fetch_usage(client, container) for container in running}
        time.sleep(SAMPLE_GAP_SECONDS)
        second = {container: _fetch_usage(client, container) for container in running}
        seconds = time.monotonic() - began
    return [
        replace(
            item,
            cpu_percent=_compute_cpu_percent(first[item.id], second[item.id], seconds),
            memory_bytes=second[item.id].memory_bytes,
        )
        if item.running
        else item
        for item in objects
    ]


def _fetch_usage(client: docker.DockerClient, container: str) -> ResourceUsage:
    # Engine 20.10 returns an empty answer, not JSON, for a container that just exited.
    with contextlib.suppress(docker.errors.APIError, ValueError):
        return parse_stats(client.api.stats(container, stream=False, one_shot=True))
    return ResourceUsage()


def _compute_cpu_percent(first: ResourceUsage, second: ResourceUsage, seconds: float) -> float | None:
    if first.cpu_seconds is None or second.cpu_seconds is None:
        return None
    return 100 * max(0.0, second.cpu_seconds - first.cpu_seconds) / seconds
