"""A Postgres with the sample, for a session of pytest: one server, and a database for each test."""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import docker.types
from filelock import FileLock
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from sandbox.containers.docker import engine_api
from sandbox.containers.docker.client import translate_errors
from sandbox.containers.docker.services import LOOPBACK_ADDRESS
from sandbox.engine.postgres_service import run_databases, sample_loader
from sandbox.engine.postgres_service.server import HOST, PORT, SOCKET_FOLDER, PostgresServer
from sandbox.errors import ContainerEngineError
from sandbox.model import POSTGRES_SERVICE, SilentProgress
from sandbox.project.services.labels import build_labels
from sandbox.project.services.postgres import build_postgres_image, list_tables_to_load
from sandbox.provisioner.services.postgres import POSTGRES_MEMORY_BYTES
from sandbox.provisioner.services.services import PASSWORD_PATH, READY_SECONDS, STATE_PATH
from sandbox.store.folder import make_staging_folder, write_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.model import Sample
    from sandbox.testing.session import TestSession

POLL_SECONDS = 0.1
# The password is written inside, so that it is in no file of an image; both folders belong to the image's user.
START_COMMAND = (
    f'umask 077 && printf %s "$POSTGRES_PASSWORD" > {PASSWORD_PATH} && unset POSTGRES_PASSWORD && '
    "exec /bin/sh /usr/local/bin/sandbox-postgres"
)


@dataclass(frozen=True, kw_only=True)
class SamplePostgres:
    """A running server with a database to be cloned."""

    server: PostgresServer
    template: str

    @contextlib.contextmanager
    def clone_database(self, owner: dict[str, str]) -> Iterator[str]:
        """Yield the URL of a new database with the sample, which is dropped afterwards."""
        database = run_databases.create_database(self.server, self.template, owner)
        try:
            yield f"postgresql://{database.name}:{quote(database.password)}@{HOST}:{self.server.port}/{database.name}"
        finally:
            run_databases.drop_database(self.server, database.name)


def ensure_server(project: Project, sample: Sample, session: TestSession, folder: Path) -> SamplePostgres:
    """Return the session's server of a sample: the first process of the session starts and loads it.

    Raises:
        ContainerEngineError: It cannot be started.
        DataRuleError: The sample has values that Postgres cannot hold.
    """
    state = folder / f"{sample.fingerprint[:16]}.json"
    with FileLock(folder / f"{state.stem}.lock"):
        if not state.is_file():
            server = _start_server(project, session)
            template = _load_sample(project, sample, server, folder)
            fields = {"port": server.port, "password": server.password, "template": template}
            write_file(state, json.dumps(fields), mode=0o600)
    fields = json.loads(state.read_text("utf-8"))
    return SamplePostgres(
        server=PostgresServer(port=fields["port"], password=fields["password"]), template=fields["template"]
    )


def _start_server(project: Project, session: TestSession) -> PostgresServer:
    """Start the container; it is labelled, so that ``sandbox gc`` finds it if the session is killed."""
    image = build_postgres_image(project, frozen=False, progress=SilentProgress())
    password = secrets.token_urlsafe(24)
    labels = {**build_labels(project, session.sandbox_name), "role": POSTGRES_SERVICE, **session.owner}
    container = DockerContainer(image.reference).with_command(["/bin/sh", "-c", START_COMMAND])
    container.with_env("POSTGRES_PASSWORD", password).with_env("SANDBOX_BUFFERS", "256MB")
    ports: dict[str, Any] = container.ports
    ports[f"{PORT}/tcp"] = (LOOPBACK_ADDRESS, None)
    container.tmpfs[engine_api.TMP_PATH] = "rw,nosuid,nodev,mode=1777,size=256m"
    container.tmpfs[SOCKET_FOLDER] = f"uid={engine_api.UNPRIVILEGED_ID},gid={engine_api.UNPRIVILEGED_ID},mode=755"
    container.with_kwargs(
        labels=engine_api.build_container_labels(labels),
        mounts=[docker.types.Mount(STATE_PATH, None)],
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges:true"],
        mem_limit=POSTGRES_MEMORY_BYTES,
        shm_size=256 * 2**20,
        init=True,
    )
    with translate_errors("start the Postgres of the tests"), _without_reaper():
        container.start()
    try:
        return _wait_for_server(container, password)
    except BaseException:
        container.stop()
        raise


def _wait_for_server(container: DockerContainer, password: str) -> PostgresServer:
    wrapped = container.get_wrapped_container()
    deadline = time.monotonic() + READY_SECONDS
    while True:
        wrapped.reload()
        published = (wrapped.ports or {}).get(f"{PORT}/tcp")
        if published:
            server = PostgresServer(port=int(published[0]["HostPort"]), password=password)
            if server.is_ready():
                return server
        if wrapped.status == "exited" or time.monotonic() > deadline:
            lines = wrapped.logs(tail=20).decode("utf-8", "replace")
            raise ContainerEngineError(f"the Postgres of the tests did not become ready; its last lines:\n{lines}")
        time.sleep(POLL_SECONDS)


def _load_sample(project: Project, sample: Sample, server: PostgresServer, folder: Path) -> str:
    with make_staging_folder(folder, label="loading") as scratch:
        return sample_loader.load_sample(
            server,
            list_tables_to_load(project, sample),
            mark=sample.fingerprint,
            belongs_to_sandbox=False,
            scratch=scratch,
            memory=project.settings.sample.memory,
            progress=SilentProgress(),
        )


@contextlib.contextmanager
def _without_reaper() -> Iterator[None]:
    """Start no reaper within the block: its image would be pulled, and `TestSession.close` removes the container."""
    disabled = testcontainers_config.ryuk_disabled
    testcontainers_config.ryuk_disabled = True
    try:
        yield
    finally:
        testcontainers_config.ryuk_disabled = disabled
