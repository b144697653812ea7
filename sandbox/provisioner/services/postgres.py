"""The stack's Postgres, brought up with the sample in it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.containers.docker import networks
from sandbox.containers.docker import services as docker_services
from sandbox.containers.docker.client import connect
from sandbox.engine.postgres_service import sample_loader, server
from sandbox.manifest.canonical_json import digest
from sandbox.model import POSTGRES
from sandbox.provisioner.services import services
from sandbox.store.folder import locked, staging, write

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sandbox.engine.postgres_service.sample_loader import Loaded
    from sandbox.engine.postgres_service.server import Server
    from sandbox.model import Progress

MEMORY_BYTES = 2 * 10**9
# What the service is: raised when one that runs must be made again although its image and sample are the same.
VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Wanted(services.Wanted):
    """A Postgres that a sandbox wants.

    Attributes:
        sample: What tells the sample from others.
        tables: The sample.
        own: Whether it is the sandbox's own; else it is one that a run needs beside it.
        memory: Bytes that loading may take.
        passwords: The file for the user's own client, in the form of ``PGPASSFILE``.
        by_network: Whether runs reach it by a network of their own beside the socket.
    """

    sample: str
    tables: Sequence[Loaded]
    own: bool
    memory: int
    passwords: Path
    by_network: bool = False


@dataclass(frozen=True, kw_only=True)
class Postgres:
    """A Postgres that is up and has the sample.

    Attributes:
        server: How this machine reaches it.
        template: The database with the sample, which is cloned.
        socket: The volume in which its socket lies, for runs.
        network: The id of the network that runs reach it by; None where they have none.
        passwords: A file in the form of ``PGPASSFILE``, for the user's own client.
    """

    server: Server
    template: str
    socket: str
    network: str | None
    passwords: Path

    @property
    def url(self) -> str:
        """What the user's own client connects to; the password is in ``passwords``."""
        return url(self.server.port)


def url(port: int) -> str:
    """Give the address, without a password, of the sample in a Postgres that is published at a port."""
    return f"postgresql://{server.ADMIN}@{server.HOST}:{port}/{sample_loader.OWN}"


def up(wanted: Wanted, *, progress: Progress) -> Postgres:
    """Bring a Postgres up, wait until it answers, and load the sample into it; what is there already is used.

    Raises:
        EngineError: The engine does not answer, the service ends or does not become ready; what was made is removed.
        RuleError: The sample has what Postgres cannot hold.
    """
    with contextlib.closing(connect()) as client, locked(wanted.state / POSTGRES):
        password = services.password(wanted.state)
        service = _service(wanted, password)
        with services.started(client, service) as container:
            port = docker_services.port(client, container, server.PORT)
            reached = server.Server(port=port, password=password)
            services.wait(client, container, reached.ready, named="Postgres", progress=progress)
            network = None
            if wanted.by_network:
                network = networks.internal(client, f"{wanted.name}-services", wanted.labels)
                networks.join(client, network, container, alias=POSTGRES)
            with staging(wanted.state, label="loading") as scratch:
                template = sample_loader.load(
                    reached,
                    wanted.tables,
                    mark=f"{wanted.sample} {VERSION}",
                    own=wanted.own,
                    scratch=scratch,
                    memory=wanted.memory,
                    progress=progress,
                )
    write(wanted.passwords, f"{server.HOST}:{reached.port}:*:{server.ADMIN}:{password}\n", mode=0o600)
    return Postgres(
        server=reached,
        template=template,
        socket=service.volume("socket"),
        network=network,
        passwords=wanted.passwords,
    )


def _service(wanted: Wanted, password: str) -> docker_services.Service:
    config = {
        "image": wanted.image,
        "password": password,
        "cpus": wanted.cpus,
        "idle": wanted.idle_seconds,
        "version": VERSION,
    }
    return docker_services.Service(
        name=f"{wanted.name}-{POSTGRES}",
        image=wanted.image,
        labels={**wanted.labels, "role": POSTGRES, services.CONFIG: digest(config)},
        port=server.PORT,
        volumes={"data": services.STATE, "socket": server.SOCKETS},
        secrets={services.PASSWORD: password.encode()},
        variables={"SANDBOX_IDLE": str(wanted.idle_seconds), "SANDBOX_BUFFERS": "256MB"},
        memory_bytes=MEMORY_BYTES,
        cpus=wanted.cpus,
    )
