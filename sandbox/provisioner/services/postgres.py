"""The stack's Postgres service, loaded with the sample."""

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
from sandbox.store.folder import lock_path, make_staging_folder, translate_os_errors, write_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sandbox.engine.postgres_service.sample_loader import TableToLoad
    from sandbox.engine.postgres_service.server import PostgresServer
    from sandbox.model import Progress

POSTGRES_MEMORY_BYTES = 2 * 10**9
# Increased when a running service must be recreated with the same image and sample.
SERVICE_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class PostgresRequest(services.ServiceRequest):
    """A requested Postgres service.

    Attributes:
        sample: Identifies the sample.
        tables: The sample.
        belongs_to_sandbox: Whether it is the sandbox's own sample; otherwise a run needs it additionally.
        loading_memory_bytes: Bytes that loading may take.
        password_file: The file for the user's own client, in the format of ``PGPASSFILE``.
        needs_network: Whether runs reach it by a dedicated network besides the socket.
    """

    sample: str
    tables: Sequence[TableToLoad]
    belongs_to_sandbox: bool
    loading_memory_bytes: int
    password_file: Path
    needs_network: bool = False


@dataclass(frozen=True, kw_only=True)
class PostgresService:
    """A running Postgres service loaded with the sample.

    Attributes:
        server: Address and login from this machine.
        template: The database with the sample, to be cloned.
        socket: The volume with its socket, for runs.
        network: The id of the network for runs; None without one.
        password_file: A file in the format of ``PGPASSFILE``, for the user's own client.
    """

    server: PostgresServer
    template: str
    socket: str
    network: str | None
    password_file: Path

    @property
    def url(self) -> str:
        """Address for the user's own client; the password is in ``password_file``."""
        return build_url(self.server.port)


def build_url(port: int) -> str:
    """Return the address of the sample at a published port, without a password."""
    return f"postgresql://{server.ADMIN_USER}@{server.HOST}:{port}/{sample_loader.USER_DATABASE}"


def start_postgres(request: PostgresRequest, *, progress: Progress) -> PostgresService:
    """Start a Postgres service, wait until it answers, and load the sample; a running service is reused.

    Raises:
        ContainerEngineError: The container engine does not answer, or the service ends or does not become ready; it is
            then removed.
        DataRuleError: The sample has types or values unsupported by Postgres.
    """
    with contextlib.closing(open_client()) as client, lock_path(request.state / POSTGRES_SERVICE):
        password = services.ensure_password(request.state)
        service = _build_service(request, password)
        with services.open_service(client, service) as container:
            port = docker_services.find_port(client, container, server.PORT)
            postgres = server.PostgresServer(port=port, password=password)
            services.wait_until_ready(client, container, postgres.is_ready, label="Postgres", progress=progress)
            network = None
            if request.needs_network:
                network = networks.ensure_internal_network(client, f"{request.name}-services", request.labels)
                networks.join_network(client, network, container, alias=POSTGRES_SERVICE)
            with make_staging_folder(request.state, label="loading") as scratch:
                template = sample_loader.load_sample(
                    postgres,
                    request.tables,
                    mark=f"{request.sample} {SERVICE_VERSION}",
                    belongs_to_sandbox=request.belongs_to_sandbox,
                    scratch=scratch,
                    memory=request.loading_memory_bytes,
                    progress=progress,
                )
    write_file(request.password_file, f"{server.HOST}:{postgres.port}:*:{server.ADMIN_USER}:{password}\n", mode=0o600)
    return PostgresService(
        server=postgres,
        template=template,
        socket=service.format_volume_name("socket"),
        network=network,
        password_file=request.password_file,
    )


def dump_database(container: str, database: str, file: Path) -> None:
    """Write a dump of a running service's database, in the format of ``pg_restore``.

    Raises:
        ContainerEngineError: The service ended, or refused.
        StoreError: The file cannot be written.
    """
    command = (
        f"PGPASSWORD=$(cat {services.PASSWORD_PATH}) exec pg_dump -h {server.SOCKET_FOLDER} -U {server.ADMIN_USER} "
        '--format=custom --no-owner --no-privileges "$1"'
    )
    with contextlib.closing(open_client()) as client, translate_os_errors(file), file.open("wb") as written:
        docker_services.execute_command(client, container, ["/bin/sh", "-c", command, "sh", database], written.write)


def _build_service(request: PostgresRequest, password: str) -> docker_services.ServiceSpec:
    config = {
        "image": request.image,
        "password": password,
        "cpus": request.cpus,
        "idle": request.idle_seconds,
        "version": SERVICE_VERSION,
    }
    return docker_services.ServiceSpec(
        name=f"{request.name}-{POSTGRES_SERVICE}",
        image=request.image,
        labels={**request.labels, "role": POSTGRES_SERVICE, services.CONFIG_LABEL: hash_json(config)},
        port=server.PORT,
        volumes={"data": services.STATE_PATH, "socket": server.SOCKET_FOLDER},
        secrets={services.PASSWORD_PATH: password.encode()},
        variables={"SANDBOX_IDLE": str(request.idle_seconds), "SANDBOX_BUFFERS": "256MB"},
        memory_bytes=POSTGRES_MEMORY_BYTES,
        cpus=request.cpus,
    )
