"""Request and response bodies of the Docker Engine API (1.41) for jobs. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.containers import fixed_environment
from sandbox.containers.protocol import LABEL_PREFIX
from sandbox.model import RUN_GROUP_ID, Isolation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.containers.protocol import Job, Mount
    from sandbox.model import ResourceLimits

HOME_PATH = "/home/sandbox"
TMP_PATH = "/tmp"  # noqa: S108 - a tmpfs in the container
LABEL_SCHEMA = "1"
CONTAINER_KIND = "container"  # containers inherit image labels; images never have this one
UNPRIVILEGED_ID = 1000
UNREACHABLE_DNS = "127.0.0.1"  # in the container, without a name server


@dataclass(frozen=True, kw_only=True)
class ContainerUser:
    """The user that a job runs as.

    Attributes:
        uid, gid: As seen in the container.
        needs_chown: Whether writable mounts must be given to this user before, and back to the caller afterwards.
    """

    uid: int
    gid: int
    needs_chown: bool = False

    def __str__(self) -> str:
        return f"{self.uid}:{self.gid}"


@dataclass(frozen=True, kw_only=True)
class EngineInfo:
    """Information about the engine.

    Attributes:
        version: Its version.
        storage: Its storage driver.
        rootless: Whether it runs as the user, who is root in containers.
        seccomp: Whether it filters system calls.
        selinux: Whether it labels files, so that containers cannot read files labelled for others.
        memory_bytes: Memory of its machine.
    """

    version: str
    storage: str
    rootless: bool
    seccomp: bool
    selinux: bool
    memory_bytes: int


def parse_engine_info(described: Mapping[str, Any]) -> EngineInfo:
    """Parse the answer of ``/info``."""
    options = [str(option) for option in described.get("SecurityOptions") or ()]
    return EngineInfo(
        version=str(described.get("ServerVersion") or "?"),
        storage=str(described.get("Driver") or "?"),
        rootless=any(option.startswith("name=rootless") for option in options),
        seccomp=any(option.startswith("name=seccomp") for option in options),
        selinux=any(option.startswith("name=selinux") for option in options),
        memory_bytes=int(described.get("MemTotal") or 0),
    )


def choose_user(uid: int, gid: int, *, rootless: bool) -> ContainerUser:
    """Return the user to run a job as for a caller, so that its outputs can belong to the caller.

    A rootless engine runs as the caller, and maps them to root in containers.
    """
    if rootless:
        return ContainerUser(uid=0, gid=0)
    if uid == 0:
        return ContainerUser(uid=UNPRIVILEGED_ID, gid=RUN_GROUP_ID, needs_chown=True)
    return ContainerUser(uid=uid, gid=gid)


def build_container_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Return a container's labels with their prefix."""
    return build_labels({**labels, "kind": CONTAINER_KIND})


def build_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the labels of a volume or network with their prefix."""
    fixed = {"managed": "true", "schema": LABEL_SCHEMA}
    return {f"{LABEL_PREFIX}.{name}": value for name, value in {**labels, **fixed}.items()}


def parse_labels(labels: Mapping[str, str] | None) -> dict[str, str]:
    """Return sandbox's labels of an object, without prefix."""
    prefix = f"{LABEL_PREFIX}."
    return {name.removeprefix(prefix): value for name, value in (labels or {}).items() if name.startswith(prefix)}


def build_container_body(
    job: Job, *, user: ContainerUser, engine: EngineInfo, owner: Mapping[str, str], terminal: bool = False
) -> dict[str, Any]:
    """Return the body of ``/containers/create``.

    ``owner`` are labels of the process that owns it. With ``terminal`` it has a terminal and standard input.
    """
    variables = {
        **fixed_environment.build_variables(job.limits, home=HOME_PATH, temporary=TMP_PATH),
        **job.variables,
    }
    if terminal:
        variables.setdefault("TERM", "xterm-256color")
    return {
        "Image": job.environment.reference,
        "Entrypoint": ["/bin/sh", "-c"],
        "Cmd": [job.command],
        "WorkingDir": job.workdir.target,
        "User": str(user),
        "Hostname": fixed_environment.USER_NAME,  # else the container's id, different in each run
        "Env": [f"{name}={value}" for name, value in variables.items()],
        "Labels": build_container_labels({"environment": job.environment.id, **job.labels, **owner}),
        "Healthcheck": {"Test": ["NONE"]},
        "Tty": terminal,
        "OpenStdin": terminal,
        "StdinOnce": terminal,
        "AttachStdin": terminal,
        "AttachStdout": True,
        "AttachStderr": True,
        "HostConfig": _build_host_config(job, user, engine),
    }


def parse_isolation(inspected: Mapping[str, Any], *, mounts: Sequence[Mount], engine: EngineInfo) -> Isolation:
    """Parse the isolation in effect from the engine's description of a container (``/containers/ID/json``).

    The job's ``mounts`` are needed to check that read-only ones are.
    """
    host = inspected["HostConfig"]
    options = [str(option) for option in host.get("SecurityOpt") or ()]
    writable = {mount["Destination"] for mount in inspected.get("Mounts") or () if mount.get("RW")}
    kept = not any(mount.target in writable for mount in mounts if not mount.writable)
    dropped = "ALL" in (host.get("CapDrop") or ()) and not host.get("CapAdd") and not host.get("Privileged")
    return Isolation(
        network="none" if host.get("NetworkMode") == "none" else "services",
        root_filesystem="read-only" if host.get("ReadonlyRootfs") else "writable",
        sample="read-only" if kept else "writable",
        user=str(inspected["Config"].get("User") or "0:0"),
        capabilities="none" if dropped else "some",
        no_new_privileges=any(option.startswith("no-new-privileges") for option in options),
        seccomp="default" if engine.seccomp and "seccomp=unconfined" not in options else "none",
        memory_bytes=host.get("Memory") or None,
        cpus=host["NanoCpus"] / 1e9 if host.get("NanoCpus") else None,
        pids=host.get("PidsLimit") or None,
    )


def build_tmpfs_options(limits: ResourceLimits, user: ContainerUser) -> dict[str, str]:
    """Return the writable in-memory folders of a run besides its outputs, with their options."""
    options = "rw,exec,nosuid,nodev"
    return {
        TMP_PATH: f"{options},mode=1777,size={limits.memory_bytes // 2}",
        HOME_PATH: f"{options},mode=0700,uid={user.uid},gid={user.gid},size={limits.memory_bytes // 4}",
    }


def _build_host_config(job: Job, user: ContainerUser, engine: EngineInfo) -> dict[str, Any]:
    limits = job.limits
    security = ["no-new-privileges:true"]
    if engine.selinux:  # otherwise the user's files would be relabelled
        security.append("label=disable")
    return {
        "NetworkMode": job.network or "none",
        # An internal network has no route out, but the engine's own name server would forward queries.
        **({"Dns": [UNREACHABLE_DNS]} if job.network else {}),
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "SecurityOpt": security,
        "IpcMode": "private",
        "UsernsMode": "host",  # with user remapping files would not belong to the caller
        "PidsLimit": limits.pids,
        "Memory": limits.memory_bytes,
        "MemorySwap": limits.memory_bytes,  # includes memory, so no swap
        "NanoCpus": round(limits.cpus * 1e9),
        "Ulimits": [{"Name": "core", "Soft": 0, "Hard": 0}],
        "Tmpfs": build_tmpfs_options(limits, user),
        "Mounts": [
            *map(build_mount, job.mounts),
            *(
                {"Type": "volume", "Source": name, "Target": target, "ReadOnly": True}
                for name, target in job.volumes.items()
            ),
        ],
        "Init": True,
        "LogConfig": {"Type": "none"},  # the caller reads the output; a second copy would fill the disk
        "AutoRemove": False,  # its outcome is read afterwards
        "RestartPolicy": {"Name": "no"},
    }


def build_mount(mount: Mount) -> dict[str, Any]:
    """Return a mount of the Mount API, which refuses a missing source; the short syntax would create it."""
    return {
        "Type": "bind",
        "Source": str(mount.source),
        "Target": mount.target,
        "ReadOnly": not mount.writable,
        # Mounts below a read-only folder would stay writable.
        "BindOptions": {"Propagation": "rprivate", "NonRecursive": not mount.writable},
    }
