"""What services share: containers that stay, brought up idempotently and waited for."""

from __future__ import annotations

import contextlib
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.containers.docker import inventory, services
from sandbox.store.folder import write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from sandbox.containers.docker.images import Client
    from sandbox.model import Progress

READY_SECONDS = 90.0
IDLE_SECONDS = 3600
CONFIG = "config"
STATE = "/var/lib/sandbox"  # in the container: a volume with what the service keeps, its password among it
PASSWORD = f"{STATE}/password"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A service that a sandbox wants.

    Attributes:
        name: The beginning of its objects' names.
        labels: ``project``, ``path``, ``sandbox``.
        state: The folder for what is kept of it: the password.
        image: The image's reference.
        cpus: Processors that it may use.
        idle_seconds: After so long without a client it ends.
    """

    name: str
    labels: Mapping[str, str]
    state: Path
    image: str
    cpus: float
    idle_seconds: int = IDLE_SECONDS


def password(state: Path) -> str:
    """Give the password of a sandbox's services, made once."""
    place = state / "password"
    if not place.is_file():
        write(place, secrets.token_urlsafe(24), mode=0o600)
    return place.read_text("utf-8")


@contextlib.contextmanager
def started(client: Client, service: services.Service) -> Iterator[str]:
    """Give the id of a service's container, started; one that was made now is removed again if the block fails.

    Raises:
        EngineError: The engine refuses.
    """
    container, made = _container(client, service)
    try:
        yield container
    except BaseException:
        if made:
            services.discard(client, container, _volumes(service))
        raise


def wait(
    client: Client, container: str, answers: Callable[[], bool], *, named: str, progress: Progress
) -> None:
    """Wait until a service answers.

    Raises:
        EngineError: It ended, or did not become ready in time.
    """
    if answers():
        return
    deadline = time.monotonic() + READY_SECONDS
    with progress.step(f"waiting for {named}"):
        while not answers():
            services.wait(client, container, seconds=deadline - time.monotonic())


def _container(client: Client, service: services.Service) -> tuple[str, bool]:
    """Give the service's container, started, and whether it was made now."""
    wanted = service.labels[CONFIG]
    same = {name: service.labels[name] for name in ("project", "path", "sandbox", "role")}
    for held in inventory.containers(client, same):
        if held.labels.get(CONFIG) == wanted and (held.running or services.begun(client, held.id)):
            if not held.running:
                services.start(client, held.id)
            return held.id, False
        services.discard(client, held.id, _volumes(service))
    services.discard(client, None, _volumes(service))  # of a try that was killed before it had a container
    return services.make(client, service), True


def _volumes(service: services.Service) -> list[str]:
    return [service.volume(one) for one in service.volumes]
