"""Runs in containers of this machine's Docker Engine, with no network and nothing writable but their outputs."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from typing import TYPE_CHECKING, Any

import docker.errors

from sandbox.containers import ownership, terminal
from sandbox.containers.docker import engine_api as plan
from sandbox.containers.docker import inventory
from sandbox.containers.docker import terminal as docker_terminal
from sandbox.containers.docker.client import CONNECTION_ERRORS, open_client, translate_errors
from sandbox.containers.docker.run import DockerRun
from sandbox.containers.local.permissions import lend_folders, make_readable
from sandbox.containers.protocol import GRACE_SECONDS, LABEL_PREFIX
from sandbox.errors import ContainerEngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sandbox.containers.protocol import Job, Mount, RuntimeObject, StopEvent
    from sandbox.model import JobResult, RuntimeName

TOKEN_LABEL = "token"  # noqa: S105 - names one creation, so that its container is found although its id never arrived
NAME_CONFLICT_SECONDS = (
    30.0  # in which an engine under load carries out the last thing that a killed owner had asked for
)
RETRY_PAUSE_SECONDS = 0.15


class DockerRuntime:
    """Implements `sandbox.containers.protocol.Runtime`; connects when it is first used."""

    def __init__(self, *, grace: float = GRACE_SECONDS) -> None:
        """Choose how many seconds a job has between SIGTERM and SIGKILL."""
        self._grace = grace
        self._connection: tuple[docker.DockerClient, plan.EngineInfo] | None = None
        self._leftover_ids: set[str] = set()

    @property
    def name(self) -> RuntimeName:
        """Which implementation this is."""
        return "docker"

    def check(self) -> str:
        """Make sure that the engine answers, and say which it is."""
        self._connection = None
        _, engine = self._connect_engine()
        return f"Docker Engine {engine.version}, {engine.storage}{', rootless' if engine.rootless else ''}"

    def read_total_memory(self) -> int:
        """Give the memory of the machine that the engine runs on."""
        return self._connect_engine()[1].memory_bytes

    def resolve_mount_path(self, mount: Mount) -> str:
        """Give the path under which a job sees a mount."""
        return mount.target

    def run(
        self,
        job: Job,
        *,
        stdout: Callable[[bytes], object],
        stderr: Callable[[bytes], object],
        stop: StopEvent | None = None,
    ) -> JobResult:
        """Carry out a job in a container of its own and wait for its end."""
        client, engine = self._connect_engine()
        with self._open_container(job, terminal=False) as container:
            course = DockerRun(client, container, job=job, engine=engine, grace=self._grace)
            return course.run(stdout=stdout, stderr=stderr, stop=stop)

    def run_shell(self, job: Job) -> int:
        """Carry out a job on the caller's terminal and give its exit status."""
        with terminal.open_terminal() as caller:
            client, _ = self._connect_engine()
            with self._open_container(job, terminal=True) as container:
                return docker_terminal.attach_terminal(client, container, caller)

    def list_objects(self, labels: Mapping[str, str]) -> list[RuntimeObject]:
        """List containers, volumes and networks of ours that carry all these labels."""
        client, _ = self._connect_engine()
        return inventory.list_objects(client, labels)

    def measure_usage(self, found: list[RuntimeObject]) -> list[RuntimeObject]:
        """Give them with what they use now."""
        client, _ = self._connect_engine()
        return inventory.measure_usage(client, found)

    def remove_object(self, held: RuntimeObject) -> bool:
        """Remove one of them."""
        client, _ = self._connect_engine()
        return inventory.remove_object(client, held)

    def list_leftovers(self) -> list[RuntimeObject]:
        """List containers, networks and volumes of ours whose owner was killed."""
        client, _ = self._connect_engine()
        return [one for one in inventory.list_objects(client, {}) if self._is_leftover(one)]

    def remove_leftovers(self) -> list[str]:
        """Remove the containers among them, which is what a run leaves, and give their names."""
        client, _ = self._connect_engine()
        left = [one for one in inventory.list_containers(client, {}) if self._is_leftover(one)]
        for one in left:
            self.remove_object(one)
            self._leftover_ids.discard(one.id)
        return [one.name for one in left]

    def _is_leftover(self, one: RuntimeObject) -> bool:
        """Tell whether whoever made a container is gone."""
        return one.id in self._leftover_ids or (
            (owning := ownership.parse_owner(one.labels)) is not None and owning.has_ended
        )

    def _connect_engine(self) -> tuple[docker.DockerClient, plan.EngineInfo]:
        if self._connection is None:
            client = open_client()
            self._connection = client, plan.parse_engine_info(client.engine_info)
        return self._connection

    @contextlib.contextmanager
    def _open_container(self, job: Job, *, terminal: bool) -> Iterator[str]:
        """Give the id of a container made for a job, and remove it afterwards, come what may."""
        client, engine = self._connect_engine()
        for mount in job.mounts:
            if not mount.source.exists():
                raise ContainerEngineError(f"cannot start {job.name}: {mount.source} is not there to be mounted")
        self.remove_leftovers()
        user = plan.choose_user(os.getuid(), os.getgid(), rootless=engine.rootless)
        writable = [mount.source for mount in job.mounts if mount.writable] if user.needs_chown else []
        if user.needs_chown:
            make_readable([mount.source for mount in job.mounts if not mount.writable])
        token = uuid.uuid4().hex
        body = plan.build_container_body(
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
        """Create a container, waiting out what a killed owner of the same job had asked the engine for last."""
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
                # It may have come after that: what nobody owns is reaped by the next turn.
                named = [one for one in inventory.list_containers(client, {}) if one.name == job.name]
                if any(not self._is_leftover(one) for one in named) or time.monotonic() > deadline:
                    raise ContainerEngineError(
                        f"{job.name} is at work already",
                        hint=f"wait for it, or end it: docker rm -f {job.name}",
                    ) from cause
            time.sleep(RETRY_PAUSE_SECONDS)

    def _remove_container(self, client: docker.DockerClient, container: str | None, token: str) -> None:
        """Remove the container of a creation; one that cannot be removed now is remembered for the next time."""
        try:
            found = [container] if container else _find_containers_by_token(client, token)
            for one in found:
                client.api.remove_container(one, force=True, v=True)
        except docker.errors.NotFound:
            return
        except (docker.errors.DockerException, *CONNECTION_ERRORS):
            if container:
                self._leftover_ids.add(container)


def _find_containers_by_token(client: docker.DockerClient, token: str) -> list[str]:
    found = client.api.containers(all=True, filters={"label": [f"{LABEL_PREFIX}.{TOKEN_LABEL}={token}"]})
    return [str(one["Id"]) for one in found]
