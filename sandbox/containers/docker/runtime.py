"""Jobs in containers of this machine's Docker Engine, without a network and with read-only files except outputs."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from typing import TYPE_CHECKING, Any

import docker.errors

from sandbox.containers import ownership, terminal
from sandbox.containers.docker import engine_api, inventory
from sandbox.containers.docker import terminal as docker_terminal
from sandbox.containers.docker.client import CONNECTION_ERRORS, open_client, translate_errors
from sandbox.containers.docker.run import DockerRun
from sandbox.containers.local.permissions import grant_read_access, lend_folders
from sandbox.containers.protocol import GRACE_SECONDS, LABEL_PREFIX
from sandbox.errors import ContainerEngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sandbox.containers.protocol import Job, Mount, RuntimeObject, StopEvent
    from sandbox.model import JobResult, RuntimeName

TOKEN_LABEL = "token"  # noqa: S105 - identifies a created container if its id never arrived
NAME_CONFLICT_SECONDS = 30.0  # for an engine under load to finish the last request of a killed owner
RETRY_PAUSE_SECONDS = 0.15


class DockerRuntime:
    """A `sandbox.containers.protocol.Runtime` that connects on first use."""

    def __init__(self, *, grace: float = GRACE_SECONDS) -> None:
        """Set the seconds between SIGTERM and SIGKILL."""
        self._grace = grace
        self._connection: tuple[docker.DockerClient, engine_api.EngineInfo] | None = None
        self._leftover_ids: set[str] = set()

    @property
    def name(self) -> RuntimeName:
        return "docker"

    def check(self) -> str:
        """Check that the engine answers, and return its description."""
        self._connection = None
        _, engine = self._connect_engine()
        return f"Docker Engine {engine.version}, {engine.storage}{', rootless' if engine.rootless else ''}"

    def read_total_memory(self) -> int:
        """Return the memory of the engine's machine."""
        return self._connect_engine()[1].memory_bytes

    def resolve_mount_path(self, mount: Mount) -> str:
        return mount.target

    def run(
        self,
        job: Job,
        *,
        stdout: Callable[[bytes], object],
        stderr: Callable[[bytes], object],
        stop: StopEvent | None = None,
    ) -> JobResult:
        """Run a job in a new container and wait for its exit."""
        client, engine = self._connect_engine()
        with self._open_container(job, terminal=False) as container:
            docker_run = DockerRun(client, container, job=job, engine=engine, grace=self._grace)
            return docker_run.run(stdout=stdout, stderr=stderr, stop=stop)

    def run_shell(self, job: Job) -> int:
        with terminal.open_terminal() as caller:
            client, _ = self._connect_engine()
            with self._open_container(job, terminal=True) as container:
                return docker_terminal.attach_terminal(client, container, caller)

    def list_objects(self, labels: Mapping[str, str]) -> list[RuntimeObject]:
        client, _ = self._connect_engine()
        return inventory.list_objects(client, labels)

    def measure_usage(self, objects: list[RuntimeObject]) -> list[RuntimeObject]:
        client, _ = self._connect_engine()
        return inventory.measure_usage(client, objects)

    def remove_object(self, held: RuntimeObject) -> bool:
        client, _ = self._connect_engine()
        return inventory.remove_object(client, held)

    def list_leftovers(self) -> list[RuntimeObject]:
        """List containers, networks and volumes of killed owners."""
        client, _ = self._connect_engine()
        return [item for item in inventory.list_objects(client, {}) if self._is_leftover(item)]

    def remove_leftovers(self) -> list[str]:
        """Remove leftover containers, the only objects left by runs, and return their names."""
        client, _ = self._connect_engine()
        left = [item for item in inventory.list_containers(client, {}) if self._is_leftover(item)]
        for item in left:
            self.remove_object(item)
            self._leftover_ids.discard(item.id)
        return [item.name for item in left]

    def _is_leftover(self, item: RuntimeObject) -> bool:
        return item.id in self._leftover_ids or (
            (owning := ownership.parse_owner(item.labels)) is not None and owning.has_ended
        )

    def _connect_engine(self) -> tuple[docker.DockerClient, engine_api.EngineInfo]:
        if self._connection is None:
            client = open_client()
            self._connection = client, engine_api.parse_engine_info(client.engine_info)
        return self._connection

    @contextlib.contextmanager
    def _open_container(self, job: Job, *, terminal: bool) -> Iterator[str]:
        """Create a job's container, yield its id, and always remove it."""
        client, engine = self._connect_engine()
        for mount in job.mounts:
            if not mount.source.exists():
                raise ContainerEngineError(f"cannot start {job.name}: {mount.source} is not there to be mounted")
        self.remove_leftovers()
        user = engine_api.choose_user(os.getuid(), os.getgid(), rootless=engine.rootless)
        writable = [mount.source for mount in job.mounts if mount.writable] if user.needs_chown else []
        if user.needs_chown:
            grant_read_access([mount.source for mount in job.mounts if not mount.writable], gid=user.gid)
        token = uuid.uuid4().hex
        body = engine_api.build_container_body(
            job,
            user=user,
            engine=engine,
            owner={**ownership.identify_owner().labels, TOKEN_LABEL: token},
            terminal=terminal,
        )
        with lend_folders(writable, uid=user.uid, gid=user.gid):
            container: str | None = None
            try:
                container = self._create_container(client, job, body)
                yield container
            finally:
                self._remove_container(client, container, token)

    def _create_container(self, client: docker.DockerClient, job: Job, body: Mapping[str, Any]) -> str:
        """Create a container, after waiting for the last request of a killed owner of the same job."""
        deadline = time.monotonic() + NAME_CONFLICT_SECONDS
        while True:
            try:
                with translate_errors(f"create the container {job.name}"):
                    return str(client.api.create_container_from_config(body, job.name)["Id"])
            except ContainerEngineError as error:
                cause = error.__cause__
                if not isinstance(cause, docker.errors.APIError) or cause.status_code != 409:
                    raise
                self.remove_leftovers()
                # It may have been created after that: unowned ones are removed in the next iteration.
                named = [item for item in inventory.list_containers(client, {}) if item.name == job.name]
                if any(not self._is_leftover(item) for item in named) or time.monotonic() > deadline:
                    raise ContainerEngineError(
                        f"{job.name} is at work already",
                        hint=f"wait for it, or end it: docker rm -f {job.name}",
                    ) from cause
            time.sleep(RETRY_PAUSE_SECONDS)

    def _remove_container(self, client: docker.DockerClient, container: str | None, token: str) -> None:
        """Remove a created container; remember it for later if that fails."""
        try:
            ids = [container] if container else _find_containers_by_token(client, token)
            for container_id in ids:
                client.api.remove_container(container_id, force=True, v=True)
        except docker.errors.NotFound:
            return
        except (docker.errors.DockerException, *CONNECTION_ERRORS):
            if container:
                self._leftover_ids.add(container)


def _find_containers_by_token(client: docker.DockerClient, token: str) -> list[str]:
    entries = client.api.containers(all=True, filters={"label": [f"{LABEL_PREFIX}.{TOKEN_LABEL}={token}"]})
    return [str(entry["Id"]) for entry in entries]
