"""Shared functions of services: idempotent start of persistent containers, and waiting for readiness."""

from __future__ import annotations

import contextlib
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.containers.docker import inventory, services
from sandbox.store.folder import write_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from sandbox.containers.docker.images import Client
    from sandbox.model import Progress

READY_SECONDS = 90.0
IDLE_SECONDS = 3600
CONFIG_LABEL = "config"
STATE_PATH = "/var/lib/sandbox"  # in the container: a volume with the service's state, including its password
PASSWORD_PATH = f"{STATE_PATH}/password"


@dataclass(frozen=True, kw_only=True)
class ServiceRequest:
    """A requested service.

    Attributes:
        name: Prefix of its objects' names.
        labels: ``project``, ``path``, ``sandbox``.
        state: The folder for its password.
        image: The image's reference.
        cpus: CPU limit.
        idle_seconds: It stops after this time without a client.
    """

    name: str
    labels: Mapping[str, str]
    state: Path
    image: str
    cpus: float
    idle_seconds: int = IDLE_SECONDS


def ensure_password(state: Path) -> str:
    """Return the password of a sandbox's services, created once."""
    path = state / "password"
    if not path.is_file():
        write_file(path, secrets.token_urlsafe(24), mode=0o600)
    return path.read_text("utf-8")


@contextlib.contextmanager
def open_service(client: Client, service: services.ServiceSpec) -> Iterator[str]:
    """Yield the id of a service's started container; a newly created one is removed if the block fails.

    Raises:
        ContainerEngineError: The container engine refuses.
    """
    container, created = _ensure_container(client, service)
    try:
        yield container
    except BaseException:
        if created:
            services.remove_service(client, container, _list_volume_names(service))
        raise


def wait_until_ready(
    client: Client, container: str, is_ready: Callable[[], bool], *, label: str, progress: Progress
) -> None:
    """Wait until a service answers.

    Raises:
        ContainerEngineError: It ended, or did not become ready in time.
    """
    if is_ready():
        return
    deadline = time.monotonic() + READY_SECONDS
    with progress.step(f"waiting for {label}"):
        while not is_ready():
            services.pause_while_running(client, container, seconds=deadline - time.monotonic())


def _ensure_container(client: Client, service: services.ServiceSpec) -> tuple[str, bool]:
    """Return the service's started container, and whether it is new."""
    config = service.labels[CONFIG_LABEL]
    same = {name: service.labels[name] for name in ("project", "path", "sandbox", "role")}
    for held in inventory.list_containers(client, same):
        if held.labels.get(CONFIG_LABEL) == config and (held.running or services.has_started(client, held.id)):
            if not held.running:
                services.start_service(client, held.id)
            return held.id, False
        services.remove_service(client, held.id, _list_volume_names(service))
    # Volumes of an attempt killed before it had a container.
    services.remove_service(client, None, _list_volume_names(service))
    return services.create_service(client, service), True


def _list_volume_names(service: services.ServiceSpec) -> list[str]:
    return [service.format_volume_name(volume) for volume in service.volumes]
