"""The stack's Postgres, brought up with the sample in it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.containers.docker import networks
from sandbox.containers.docker import services as docker_services
from sandbox.containers.docker.client import open_client
from sandbox.engine.postgres_service import sample_loader, server
from sandbox.manifest.canonical_json import hash_json
from sandbox.model import POSTGRES_SERVICE
from sandbox.provisioner.services import services
from sandbox.store.folder import lock_path, make_staging_folder, write_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sandbox.engine.postgres_service.sample_loader import TableToLoad
    from sandbox.engine.postgres_service.server import PostgresServer
    from sandbox.model import Progress

POSTGRES_MEMORY_BYTES = 2 * 10**9
# What the service is: raised when one that runs must be made again although its image and sample are the same.
SERVICE_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class PostgresRequest(services.ServiceRequest):
    """A Postgres that a sandbox wants.

    Attributes:
        sample: What tells the sample from others.
        tables: The sample.
        belongs_to_sandbox: Whether it is the sandbox's own; else it is one that a run needs beside it.
        loading_memory_bytes: Bytes that loading may take.
        password_file: The file for the user's own client, in the form of ``PGPASSFILE``.
        needs_network: Whether runs reach it by a network of their own beside the socket.
    """

    sample: str
    tables: Sequence[TableToLoad]
    belongs_to_sandbox: bool
    loading_memory_bytes: int
    password_file: Path
    needs_network: bool = False


@dataclass(frozen=True, kw_only=True)
class PostgresService:
    """A Postgres that is up and has the sample.

    Attributes:
        server: How this machine reaches it.
        template: The database with the sample, which is cloned.
        socket: The volume in which its socket lies, for runs.
        network: The id of the network that runs reach it by; None where they have none.
        password_file: A file in the form of ``PGPASSFILE``, for the user's own client.
    """

    server: PostgresServer
    template: str
    socket: str
    network: str | None
    password_file: Path

    @property
    def url(self) -> str:
        """What the user's own client connects to; the password is in ``passwords``."""
        return build_url(self.server.port)


def build_url(port: int) -> str:
    """Give the address, without a password, of the sample in a Postgres that is published at a port."""
    return f"postgresql://{server.ADMIN_USER}@{server.HOST}:{port}/{sample_loader.USER_DATABASE}"


def start_postgres(wanted: PostgresRequest, *, progress: Progress) -> PostgresService:
    """Bring a Postgres up, wait until it answers, and load the sample into it; what is there already is used.

    Raises:
        EngineError: The engine does not answer, the service ends or does not become ready; what was made is removed.
        RuleError: The sample has what Postgres cannot hold.
    """
    with contextlib.closing(open_client()) as client, lock_path(wanted.state / POSTGRES_SERVICE):
        password = services.ensure_password(wanted.state)
        service = _build_service(wanted, password)
        with services.open_service(client, service) as container:
            port = docker_services.find_port(client, container, server.PORT)
            reached = server.PostgresServer(port=port, password=password)
            services.wait_until_ready(client, container, reached.is_ready, named="Postgres", progress=progress)
            network = None
            if wanted.needs_network:
                network = networks.ensure_internal_network(client, f"{wanted.name}-services", wanted.labels)
                networks.join_network(client, network, container, alias=POSTGRES_SERVICE)
            with make_staging_folder(wanted.state, label="loading") as scratch:
                template = sample_loader.load_sample(
                    reached,
                    wanted.tables,
                    mark=f"{wanted.sample} {SERVICE_VERSION}",
                    own=wanted.belongs_to_sandbox,
                    scratch=scratch,
                    memory=wanted.loading_memory_bytes,
                    progress=progress,
                )
    write_file(wanted.password_file, f"{server.HOST}:{reached.port}:*:{server.ADMIN_USER}:{password}\n", mode=0o600)
    return PostgresService(
        server=reached,
        template=template,
        socket=service.format_volume_name("socket"),
        network=network,
        password_file=wanted.password_file,
    )


def _build_service(wanted: PostgresRequest, password: str) -> docker_services.ServiceSpec:
    config = {
        "image": wanted.image,
        "password": password,
        "cpus": wanted.cpus,
        "idle": wanted.idle_seconds,
        "version": SERVICE_VERSION,
    }
    return docker_services.ServiceSpec(
        name=f"{wanted.name}-{POSTGRES_SERVICE}",
        image=wanted.image,
        labels={**wanted.labels, "role": POSTGRES_SERVICE, services.CONFIG_LABEL: hash_json(config)},
        port=server.PORT,
        volumes={"data": services.STATE_PATH, "socket": server.SOCKET_FOLDER},
        secrets={services.PASSWORD_PATH: password.encode()},
        variables={"SANDBOX_IDLE": str(wanted.idle_seconds), "SANDBOX_BUFFERS": "256MB"},
        memory_bytes=POSTGRES_MEMORY_BYTES,
        cpus=wanted.cpus,
    )
