"""Services: persistent containers with their own volumes, published on this machine only."""

from __future__ import annotations

import io
import tarfile
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import docker.errors

from sandbox.containers.docker import engine_api
from sandbox.containers.docker.client import translate_errors
from sandbox.containers.docker.images import LOG_TAIL_LINES, Client
from sandbox.errors import ContainerEngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sandbox.containers.protocol import Mount

LOOPBACK_ADDRESS = "127.0.0.1"
NOT_FOUND_STATUS, CONFLICT_STATUS = 404, 409
VOLUME_REMOVAL_SECONDS = 20.0
PAUSE_SECONDS = 0.1
MAX_ERROR_BYTES = 2000


@dataclass(frozen=True, kw_only=True)
class ServiceSpec:
    """A service to start.

    Attributes:
        name: The container's name, and prefix of its volumes' names.
        image: A local image.
        labels: Labels without prefix; ``project``, ``path``, ``sandbox``, ``role``, and ``config``, used to compare
            services.
        port: The port it listens on.
        volumes: Volume names and their paths in the container; the image's folder at the path sets the owner.
        secrets: Files in its volumes, readable only by its user.
        variables: Its environment, without secrets.
        mounts: Folders of this machine.
        command: The command; empty uses the image's.
        workdir: The command's working directory; None uses the image's.
        user: The user, ``uid:gid``.
        tmpfs: Further in-memory folders, with their options.
        memory_bytes, cpus: Resource limits.
    """

    name: str
    image: str
    labels: Mapping[str, str]
    port: int
    volumes: Mapping[str, str]
    secrets: Mapping[str, bytes]
    memory_bytes: int
    cpus: float
    variables: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    command: tuple[str, ...] = ()
    workdir: str | None = None
    user: str = f"{engine_api.UNPRIVILEGED_ID}:{engine_api.UNPRIVILEGED_ID}"
    tmpfs: Mapping[str, str] = field(default_factory=dict)

    def format_volume_name(self, name: str) -> str:
        return f"{self.name}-{name}"


def create_service(client: Client, service: ServiceSpec) -> str:
    """Create a service's volumes and container, start it, and return the container's id; remove everything on failure.

    Raises:
        ContainerEngineError: The engine refuses, or the name exists.
    """
    created_volumes: list[str] = []
    container: str | None = None
    labels = engine_api.build_labels(service.labels)
    try:
        with translate_errors(f"make {service.name}"):
            for name in service.volumes:
                client.api.create_volume(service.format_volume_name(name), labels=labels)
                created_volumes.append(service.format_volume_name(name))
            container = str(client.api.create_container_from_config(build_service_body(service), service.name)["Id"])
            for path, content in service.secrets.items():
                folder, _, file = path.rpartition("/")
                client.api.put_archive(container, folder, _build_archive(file, content, service.user))
            client.api.start(container)
    except BaseException:
        remove_service(client, container, created_volumes)
        raise
    return container


def has_started(client: Client, container: str) -> bool:
    """Return whether a service was ever started: otherwise it may lack its secrets, because its creator was killed.

    Raises:
        ContainerEngineError: It is gone, or the engine does not answer.
    """
    with translate_errors("look at the service"):
        return str(client.api.inspect_container(container)["State"]["Status"]) != "created"


def start_service(client: Client, container: str) -> None:
    with translate_errors("start the service again"):
        client.api.start(container)


def remove_service(client: Client, container: str | None, volumes: list[str]) -> None:
    """Remove a service and its volumes, if they exist."""
    with translate_errors("remove the service"):
        if container is not None:
            _retry_removal(lambda: client.api.remove_container(container, force=True, v=True))
        for volume in volumes:
            _retry_removal(
                lambda volume=volume: client.api.remove_volume(volume, force=True),
                seconds=VOLUME_REMOVAL_SECONDS,
            )


def find_port(client: Client, container: str, inside: int) -> int:
    """Return the published port of a running service on this machine.

    Raises:
        ContainerEngineError: It does not run, or is not published.
    """
    with translate_errors("look at the service"):
        inspected = client.api.inspect_container(container)
    bindings = (inspected["NetworkSettings"].get("Ports") or {}).get(f"{inside}/tcp") or []
    for binding in bindings:
        if binding.get("HostIp") == LOOPBACK_ADDRESS:
            return int(binding["HostPort"])
    raise explain_exit(client, container) or ContainerEngineError("the service is not published on this machine")


def explain_exit(client: Client, container: str) -> ContainerEngineError | None:
    """Return an error with the outcome and last lines of an exited service; None while it runs."""
    with translate_errors("look at the service"):
        try:
            state: dict[str, Any] = client.api.inspect_container(container)["State"]
            if state.get("Running"):
                return None
            lines = client.api.logs(container, tail=LOG_TAIL_LINES).decode("utf-8", "replace").splitlines()
        except docker.errors.APIError as error:
            if error.status_code not in (NOT_FOUND_STATUS, CONFLICT_STATUS):  # removed, or being removed
                raise
            return ContainerEngineError("the service was removed while it was waited for", hint="try again")
    why = "ran out of memory" if state.get("OOMKilled") else f"ended with status {state.get('ExitCode')}"
    tail = "".join(f"\n  | {line}" for line in lines)
    return ContainerEngineError(f"the service {why}; its last lines:{tail}", hint="sandbox rm, then sandbox create")


def pause_while_running(client: Client, container: str, *, seconds: float, pause: float = PAUSE_SECONDS) -> None:
    """Pause once, unless the service has exited or the time left to become ready (``seconds``) is over.

    Raises:
        ContainerEngineError: It has exited, or the time is over.
    """
    if (ended := explain_exit(client, container)) is not None:
        raise ended
    if seconds <= 0:
        with translate_errors("read the service's log"):
            lines = client.api.logs(container, tail=LOG_TAIL_LINES).decode("utf-8", "replace").splitlines()
        tail = "".join(f"\n  | {line}" for line in lines)
        raise ContainerEngineError(
            f"the service did not become ready in time; its last lines:{tail}", hint="sandbox doctor"
        )
    time.sleep(pause)


def read_log(client: Client, container: str, *, follow: bool, take: Callable[[bytes], object]) -> None:
    """Pass a service's output to a function; with ``follow`` until it exits.

    Raises:
        ContainerEngineError: The engine does not answer.
    """
    with translate_errors("read the service's log"):
        if not follow:
            take(client.api.logs(container, stdout=True, stderr=True))
            return
        for chunk in client.api.logs(container, stdout=True, stderr=True, stream=True, follow=True):
            take(chunk)


def execute_command(client: Client, container: str, command: list[str], take: Callable[[bytes], object]) -> None:
    """Run a command in a running service and pass its standard output to a function.

    Raises:
        ContainerEngineError: It cannot be run, or fails.
    """
    errors = b""
    with translate_errors(f"run {command[0]} in the service"):
        started = client.api.exec_create(container, command)["Id"]
        for output, error in client.api.exec_start(started, stream=True, demux=True):
            if output:
                take(output)
            errors = (errors + (error or b""))[-MAX_ERROR_BYTES:]
        status = client.api.exec_inspect(started)["ExitCode"]
    if status:
        raise ContainerEngineError(
            f"a command in the service ended with status {status}: {errors.decode('utf-8', 'replace').strip()}",
            hint="sandbox rm, then sandbox create",
        )


def build_service_body(service: ServiceSpec) -> dict[str, Any]:
    """Return the body of ``/containers/create``."""
    inside = f"{service.port}/tcp"
    return {
        "Image": service.image,
        **({"Entrypoint": [], "Cmd": list(service.command)} if service.command else {}),
        **({"WorkingDir": service.workdir} if service.workdir else {}),
        "User": service.user,
        "Env": [f"{name}={value}" for name, value in service.variables.items()],
        "Labels": engine_api.build_container_labels(service.labels),
        "ExposedPorts": {inside: {}},
        "StopSignal": "SIGTERM",
        "HostConfig": {
            "NetworkMode": "bridge",
            "PortBindings": {inside: [{"HostIp": LOOPBACK_ADDRESS, "HostPort": ""}]},
            "ReadonlyRootfs": True,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges:true"],
            "IpcMode": "private",
            "ShmSize": 256 * 2**20,
            "PidsLimit": 512,
            "Memory": service.memory_bytes,
            "MemorySwap": service.memory_bytes,
            "NanoCpus": round(service.cpus * 1e9),
            "Tmpfs": {engine_api.TMP_PATH: "rw,nosuid,nodev,mode=1777,size=256m", **service.tmpfs},
            "Mounts": [
                *(
                    {"Type": "volume", "Source": service.format_volume_name(name), "Target": target}
                    for name, target in service.volumes.items()
                ),
                *map(engine_api.build_mount, service.mounts),
            ],
            "Init": True,
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "2"}},
            "RestartPolicy": {"Name": "no"},
        },
    }


def _build_archive(name: str, content: bytes, user: str) -> bytes:
    """Return a tar with one file readable only by the service's user."""
    uid, _, gid = user.partition(":")
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(content), 0o600
        entry.uid, entry.gid = int(uid), int(gid)
        tar.addfile(entry, io.BytesIO(content))
    return written.getvalue()


def _retry_removal(remove: Any, *, seconds: float = 0.0) -> None:
    """Remove an object; a missing one, or one already being removed, counts as removed.

    A volume is in use until its container is completely removed, which may take ``seconds``.
    """
    until = time.monotonic() + seconds
    while True:
        try:
            remove()
        except docker.errors.NotFound:
            return
        except docker.errors.APIError as error:
            if error.status_code != CONFLICT_STATUS:
                raise
            if time.monotonic() > until:
                return
            time.sleep(PAUSE_SECONDS)
        else:
            return
