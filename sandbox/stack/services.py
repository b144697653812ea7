"""Services of a stack: Postgres, brought up with the sample in it, idempotently."""

from __future__ import annotations

import contextlib
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.containers import docker_held, docker_services
from sandbox.containers.docker_client import connect
from sandbox.engine.service import loading, server
from sandbox.manifest.canonical import digest
from sandbox.store.folder import locked, staging, write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sandbox.containers.docker_images import Client
    from sandbox.engine.service.loading import Loaded
    from sandbox.engine.service.server import Server
    from sandbox.model import Progress

POSTGRES = "postgres"
READY_SECONDS = 90.0
IDLE_SECONDS = 3600
MEMORY_BYTES = 2 * 10**9
CONFIG = "config"
PASSWORDS = "pgpass"  # of the user's own client
# What a service is: raised when one that runs must be made again although its image and sample are the same.
VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A Postgres that a sandbox wants.

    Attributes:
        name: The beginning of its objects' names.
        labels: ``project``, ``path``, ``sandbox``.
        state: The folder for what is kept of it: the password.
        sample: What tells the sample from others.
        tables: The sample.
        own: Whether it is the sandbox's own; else it is one that a run needs beside it.
        cpus: Processors that it may use.
        memory: Bytes that loading may take.
        image: The image's reference.
    """

    name: str
    labels: Mapping[str, str]
    state: Path
    sample: str
    tables: Sequence[Loaded]
    own: bool
    cpus: float
    memory: int
    image: str


@dataclass(frozen=True, kw_only=True)
class Postgres:
    """A Postgres that is up and has the sample.

    Attributes:
        server: How this machine reaches it.
        template: The database with the sample, which is cloned.
        socket: The volume in which its socket lies, for runs.
        passwords: A file in the form of ``PGPASSFILE``, for the user's own client.
    """

    server: Server
    template: str
    socket: str
    passwords: Path

    @property
    def url(self) -> str:
        """What the user's own client connects to; the password is in ``passwords``."""
        return url(self.server.port)


def url(port: int) -> str:
    """Give the address, without a password, of the sample in a Postgres that is published at a port."""
    return f"postgresql://{server.ADMIN}@{server.HOST}:{port}/{loading.OWN}"


def up(wanted: Wanted, *, progress: Progress) -> Postgres:
    """Bring a Postgres up, wait until it answers, and load the sample into it; what is there already is used.

    Raises:
        EngineError: The engine does not answer, the service ends or does not become ready; what was made is removed.
        RuleError: The sample has what Postgres cannot hold.
    """
    with contextlib.closing(connect()) as client, locked(wanted.state / POSTGRES):
        password = _password(wanted.state)
        service = _service(wanted, password)
        container, made = _container(client, service)
        try:
            reached = _ready(client, container, password, progress)
            with staging(wanted.state, label="loading") as scratch:
                template = loading.load(
                    reached,
                    wanted.tables,
                    mark=f"{wanted.sample} {VERSION}",
                    own=wanted.own,
                    scratch=scratch,
                    memory=wanted.memory,
                    progress=progress,
                )
        except BaseException:
            if made:
                docker_services.discard(client, container, [service.volume(one) for one in service.volumes])
            raise
    passwords = wanted.state / PASSWORDS
    write(passwords, f"{server.HOST}:{reached.port}:*:{server.ADMIN}:{password}\n", mode=0o600)
    return Postgres(server=reached, template=template, socket=service.volume("socket"), passwords=passwords)


def _password(state: Path) -> str:
    """Give the password of a sandbox's services, made once."""
    place = state / "password"
    if not place.is_file():
        write(place, secrets.token_urlsafe(24), mode=0o600)
    return place.read_text("utf-8")


def _service(wanted: Wanted, password: str) -> docker_services.Service:
    config = digest({"image": wanted.image, "password": password, "cpus": wanted.cpus, "version": VERSION})
    return docker_services.Service(
        name=f"{wanted.name}-{POSTGRES}",
        image=wanted.image,
        labels={**wanted.labels, "role": POSTGRES, CONFIG: config},
        port=server.PORT,
        volumes={"data": "/var/lib/sandbox", "socket": server.SOCKETS},
        secrets={"/var/lib/sandbox/password": password.encode()},
        variables={"SANDBOX_IDLE": str(IDLE_SECONDS), "SANDBOX_BUFFERS": "256MB"},
        memory_bytes=MEMORY_BYTES,
        cpus=wanted.cpus,
    )


def _container(client: Client, service: docker_services.Service) -> tuple[str, bool]:
    """Give the service's container, started, and whether it was made now."""
    wanted = service.labels[CONFIG]
    same = {name: service.labels[name] for name in ("project", "path", "sandbox", "role")}
    volumes = [service.volume(one) for one in service.volumes]
    for held in docker_held.containers(client, same):
        if held.labels.get(CONFIG) == wanted and (held.running or docker_services.begun(client, held.id)):
            if not held.running:
                docker_services.start(client, held.id)
            return held.id, False
        docker_services.discard(client, held.id, volumes)
    docker_services.discard(client, None, volumes)  # of a try that was killed before it had a container
    return docker_services.make(client, service), True


def _ready(client: Client, container: str, password: str, progress: Progress) -> Server:
    deadline = time.monotonic() + READY_SECONDS
    port = docker_services.port(client, container, server.PORT)
    reached = server.Server(port=port, password=password)
    with progress.step("waiting for Postgres"):
        while not reached.ready():
            docker_services.wait(client, container, seconds=deadline - time.monotonic())
    return reached
