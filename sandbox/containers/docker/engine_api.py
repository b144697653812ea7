"""What to ask of the Docker Engine for a job, and what it says it did: pure, in the engine's own JSON (API 1.41)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.containers import fixed_environment
from sandbox.containers.protocol import LABEL_PREFIX
from sandbox.model import Isolation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.containers.protocol import Job, Mount
    from sandbox.model import ResourceLimits

HOME_PATH = "/home/sandbox"
TMP_PATH = "/tmp"  # noqa: S108 - a tmpfs of the container's own
LABEL_SCHEMA = "1"
CONTAINER_KIND = "container"  # images hand their labels down to containers, so that ours need one that no image has
UNPRIVILEGED_ID = 1000
UNREACHABLE_DNS = "127.0.0.1"  # inside of the container, where no name server listens


@dataclass(frozen=True, kw_only=True)
class ContainerUser:
    """Whom a job runs as.

    Attributes:
        uid, gid: As the container sees them.
        needs_chown: True where the writable mounts must be given to this user before, and back to the caller afterwards.
    """

    uid: int
    gid: int
    needs_chown: bool = False

    def __str__(self) -> str:
        return f"{self.uid}:{self.gid}"


@dataclass(frozen=True, kw_only=True)
class EngineInfo:
    """What the engine says of itself, as far as it matters.

    Attributes:
        version: Its version.
        storage: Its storage driver.
        rootless: It runs as the user, who is root inside of containers.
        seccomp: It filters system calls.
        selinux: It labels files, and containers may not read what is labelled for others.
        memory_bytes: Of its machine.
    """

    version: str
    storage: str
    rootless: bool
    seccomp: bool
    selinux: bool
    memory_bytes: int


def parse_engine_info(described: Mapping[str, Any]) -> EngineInfo:
    """Read the answer of ``/info``."""
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
    """Choose whom a job runs as, so that what it leaves can belong to the caller.

    Args:
        uid: The caller's.
        gid: The caller's.
        rootless: The engine runs as the caller, and maps them to root inside.
    """
    if rootless:
        return ContainerUser(uid=0, gid=0)
    if uid == 0:
        return ContainerUser(uid=UNPRIVILEGED_ID, gid=UNPRIVILEGED_ID, needs_chown=True)
    return ContainerUser(uid=uid, gid=gid)


def build_container_labels(given: Mapping[str, str]) -> dict[str, str]:
    """Give a container's labels, with their prefix."""
    return build_labels({**given, "kind": CONTAINER_KIND})


def build_labels(given: Mapping[str, str]) -> dict[str, str]:
    """Give the labels of a volume or network, with their prefix."""
    own = {"managed": "true", "schema": LABEL_SCHEMA}
    return {f"{LABEL_PREFIX}.{name}": value for name, value in {**given, **own}.items()}


def parse_labels(given: Mapping[str, str] | None) -> dict[str, str]:
    """Give those of an object's labels that are ours, without prefix."""
    prefix = f"{LABEL_PREFIX}."
    return {name.removeprefix(prefix): value for name, value in (given or {}).items() if name.startswith(prefix)}


def build_container_body(
    job: Job, *, user: ContainerUser, engine: EngineInfo, owner: Mapping[str, str], terminal: bool = False
) -> dict[str, Any]:
    """Give the body of ``/containers/create``.

    Args:
        job: What to carry out.
        user: Whom it runs as.
        engine: Who carries it out.
        owner: Labels of the process that owns it.
        terminal: With a terminal and standard input.
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
        "Hostname": fixed_environment.USER_NAME,  # else it is the container's id, which differs from run to run
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


def parse_isolation(inspected: Mapping[str, Any], *, asked: Sequence[Mount], engine: EngineInfo) -> Isolation:
    """Read what is in force out of the engine's description of a container.

    Args:
        inspected: The answer of ``/containers/ID/json``.
        asked: The job's mounts; those that it may not write to must be read-only in the answer.
        engine: Whose answer it is.
    """
    host = inspected["HostConfig"]
    options = [str(option) for option in host.get("SecurityOpt") or ()]
    writable = {mount["Destination"] for mount in inspected.get("Mounts") or () if mount.get("RW")}
    kept = not any(mount.target in writable for mount in asked if not mount.writable)
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
    """Give what a run may write to beside its outputs: folders in its own memory, with their options."""
    options = "rw,exec,nosuid,nodev"
    return {
        TMP_PATH: f"{options},mode=1777,size={limits.memory_bytes // 2}",
        HOME_PATH: f"{options},mode=0700,uid={user.uid},gid={user.gid},size={limits.memory_bytes // 4}",
    }


def _build_host_config(job: Job, user: ContainerUser, engine: EngineInfo) -> dict[str, Any]:
    limits = job.limits
    security = ["no-new-privileges:true"]
    if engine.selinux:  # the alternative is to relabel the user's files
        security.append("label=disable")
    return {
        "NetworkMode": job.network or "none",
        # An internal network has no way out, but the engine's own name server would ask others from outside of it.
        **({"Dns": [UNREACHABLE_DNS]} if job.network else {}),
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "SecurityOpt": security,
        "IpcMode": "private",
        "UsernsMode": "host",  # where the engine maps users, files would not belong to the caller
        "PidsLimit": limits.pids,
        "Memory": limits.memory_bytes,
        "MemorySwap": limits.memory_bytes,  # memory and swap together: none
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
        "LogConfig": {"Type": "none"},  # the caller has the output; a copy of the engine's would fill the disk
        "AutoRemove": False,  # how it ended is asked afterwards
        "RestartPolicy": {"Name": "no"},
    }


def build_mount(asked: Mount) -> dict[str, Any]:
    """Give a mount of the Mount API: a missing source is an error, where the short syntax would create it."""
    return {
        "Type": "bind",
        "Source": str(asked.source),
        "Target": asked.target,
        "ReadOnly": not asked.writable,
        # What is mounted below a read-only folder would stay writable.
        "BindOptions": {"Propagation": "rprivate", "NonRecursive": not asked.writable},
    }
