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
from sandbox.containers.docker.client import CONNECTION_ERRORS, connect, translated
from sandbox.containers.docker.run import DockerRun
from sandbox.containers.local.permissions import lent, show
from sandbox.containers.protocol import GRACE_SECONDS, LABEL
from sandbox.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sandbox.containers.protocol import Held, Job, Mount, Stop
    from sandbox.model import Outcome, RuntimeName

TOKEN = "token"  # noqa: S105 - names one creation, so that its container is found although its id never arrived
NAME_SECONDS = (
    30.0  # in which an engine under load carries out the last thing that a killed owner had asked for
)
PAUSE_SECONDS = 0.15


class DockerRuntime:
    """Implements `sandbox.containers.protocol.Runtime`; connects when it is first used."""

    def __init__(self, *, grace: float = GRACE_SECONDS) -> None:
        """Choose how many seconds a job has between SIGTERM and SIGKILL."""
        self._grace = grace
        self._known: tuple[docker.DockerClient, plan.Engine] | None = None
        self._abandoned: set[str] = set()

    @property
    def name(self) -> RuntimeName:
        """Which implementation this is."""
        return "docker"

    def check(self) -> str:
        """Make sure that the engine answers, and say which it is."""
        self._known = None
        _, engine = self._engine()
        return f"Docker Engine {engine.version}, {engine.storage}{', rootless' if engine.rootless else ''}"

    def memory_bytes(self) -> int:
        """Give the memory of the machine that the engine runs on."""
        return self._engine()[1].memory_bytes

    def seen(self, mount: Mount) -> str:
        """Give the path under which a job sees a mount."""
        return mount.target

    def run(
        self,
        job: Job,
        *,
        stdout: Callable[[bytes], object],
        stderr: Callable[[bytes], object],
        stop: Stop | None = None,
    ) -> Outcome:
        """Carry out a job in a container of its own and wait for its end."""
        client, engine = self._engine()
        with self._created(job, terminal=False) as container:
            course = DockerRun(client, container, job=job, engine=engine, grace=self._grace)
            return course.carry_out(stdout=stdout, stderr=stderr, stop=stop)

    def shell(self, job: Job) -> int:
        """Carry out a job on the caller's terminal and give its exit status."""
        with terminal.ready() as caller:
            client, _ = self._engine()
            with self._created(job, terminal=True) as container:
                return docker_terminal.converse(client, container, caller)

    def held(self, labels: Mapping[str, str]) -> list[Held]:
        """List containers, volumes and networks of ours that carry all these labels."""
        client, _ = self._engine()
        return inventory.listed(client, labels)

    def measured(self, found: list[Held]) -> list[Held]:
        """Give them with what they use now."""
        client, _ = self._engine()
        return inventory.measured(client, found)

    def remove(self, held: Held) -> bool:
        """Remove one of them."""
        client, _ = self._engine()
        return inventory.remove(client, held)

    def abandoned(self) -> list[Held]:
        """List containers, networks and volumes of ours whose owner was killed."""
        client, _ = self._engine()
        return [one for one in inventory.listed(client, {}) if self._left(one)]

    def reap(self) -> list[str]:
        """Remove the containers among them, which is what a run leaves, and give their names."""
        client, _ = self._engine()
        left = [one for one in inventory.containers(client, {}) if self._left(one)]
        for one in left:
            self.remove(one)
            self._abandoned.discard(one.id)
        return [one.name for one in left]

    def _left(self, one: Held) -> bool:
        """Tell whether whoever made a container is gone."""
        return one.id in self._abandoned or (
            (owning := ownership.named(one.labels)) is not None and owning.gone
        )

    def _engine(self) -> tuple[docker.DockerClient, plan.Engine]:
        if self._known is None:
            client = connect()
            self._known = client, plan.engine(client.about)
        return self._known

    @contextlib.contextmanager
    def _created(self, job: Job, *, terminal: bool) -> Iterator[str]:
        """Give the id of a container made for a job, and remove it afterwards, come what may."""
        client, engine = self._engine()
        for mount in job.mounts:
            if not mount.source.exists():
                raise EngineError(f"cannot start {job.name}: {mount.source} is not there to be mounted")
        self.reap()
        user = plan.user(os.getuid(), os.getgid(), rootless=engine.rootless)
        writable = [mount.source for mount in job.mounts if mount.writable] if user.lent else []
        if user.lent:
            show([mount.source for mount in job.mounts if not mount.writable])
        token = uuid.uuid4().hex
        body = plan.container(
            job,
            user=user,
            engine=engine,
            owner={**ownership.current().labels, TOKEN: token},
            terminal=terminal,
        )
        with lent(writable, uid=user.uid, gid=user.gid):
            container: str | None = None
            try:
                container = self._create(client, job, body)
                yield container
            finally:
                self._dispose(client, container, token)

    def _create(self, client: docker.DockerClient, job: Job, body: Mapping[str, Any]) -> str:
        """Create a container, waiting out what a killed owner of the same job had asked the engine for last."""
        deadline = time.monotonic() + NAME_SECONDS
        while True:
            try:
                with translated(f"create the container {job.name}"):
                    return str(client.api.create_container_from_config(body, job.name)["Id"])
            except EngineError as error:
                cause = error.__cause__
                if not isinstance(cause, docker.errors.APIError) or cause.status_code != 409:
                    raise
                self.reap()
                # It may have come after that: what nobody owns is reaped by the next turn.
                named = [one for one in inventory.containers(client, {}) if one.name == job.name]
                if any(not self._left(one) for one in named) or time.monotonic() > deadline:
                    raise EngineError(
                        f"{job.name} is at work already",
                        hint=f"wait for it, or end it: docker rm -f {job.name}",
                    ) from cause
            time.sleep(PAUSE_SECONDS)

    def _dispose(self, client: docker.DockerClient, container: str | None, token: str) -> None:
        """Remove the container of a creation; one that cannot be removed now is remembered for the next time."""
        try:
            found = [container] if container else _labelled(client, token)
            for one in found:
                client.api.remove_container(one, force=True, v=True)
        except docker.errors.NotFound:
            return
        except (docker.errors.DockerException, *CONNECTION_ERRORS):
            if container:
                self._abandoned.add(container)


def _labelled(client: docker.DockerClient, token: str) -> list[str]:
    found = client.api.containers(all=True, filters={"label": [f"{LABEL}.{TOKEN}={token}"]})
    return [str(one["Id"]) for one in found]
