"""Interface of runtimes, which run code: a container engine, or processes of this machine."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sandbox.model import Environment, JobResult, ResourceLimits, RuntimeName

LABEL_PREFIX = "dev.sandbox"
GRACE_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A folder of this machine mounted in a job.

    Attributes:
        source: Absolute; must exist.
        target: Absolute POSIX path in a container; runtimes without containers use ``source``.
        writable: Whether the job may write.
    """

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True, kw_only=True)
class Job:
    """One command to run once.

    Attributes:
        name: Unique among running jobs; the container's name.
        labels: Labels without the ``dev.sandbox.`` prefix; ``project``, ``path``, ``role``, ``run`` if applicable.
        environment: An environment of the same runtime.
        command: A command line for ``/bin/sh -c``.
        workdir: The folder in which the command starts; it lies in one of the mounts.
        mounts: All folders of this machine visible to the job.
        variables: The environment besides the runtime's fixed variables (PATH, HOME, TZ, LANG, PYTHONHASHSEED, ...).
        limits: Resource limits.
        volumes: Read-only volumes of a container engine by name, with their paths.
        network: The id of a container engine's internal network; None isolates it from every network.
    """

    name: str
    labels: Mapping[str, str]
    environment: Environment
    command: str
    workdir: Mount
    mounts: tuple[Mount, ...]
    variables: Mapping[str, str]
    limits: ResourceLimits
    volumes: Mapping[str, str] = field(default_factory=dict)
    network: str | None = None


@dataclass(frozen=True, kw_only=True)
class RuntimeObject:
    """An object of sandbox in a runtime: a container, an image, a virtual environment."""

    id: str
    name: str
    kind: str
    labels: Mapping[str, str] = field(default_factory=dict)
    running: bool = False
    bytes: int | None = None
    cpu_percent: float | None = None
    memory_bytes: int | None = None


class StopEvent(threading.Event):
    """Set it to stop a running job: SIGTERM, a grace period, SIGKILL."""


class Runtime(Protocol):
    """A runtime for jobs. Implementations: ``docker``, ``local``, and ``fake`` for tests."""

    @property
    def name(self) -> RuntimeName:
        """Name of the runtime."""
        ...

    def check(self) -> str:
        """Check that the runtime answers, and return a one-line description (``Docker Engine 20.10.24, overlay2``).

        Raises:
            ContainerEngineError: It does not answer or refuses access.
        """
        ...

    def read_total_memory(self) -> int:
        """Return the memory of the machine that runs jobs.

        Raises:
            ContainerEngineError: It does not answer.
        """
        ...

    def resolve_mount_path(self, mount: Mount) -> str:
        """Return a mount's path as seen by a job."""
        ...

    def run(
        self,
        job: Job,
        *,
        stdout: Callable[[bytes], object],
        stderr: Callable[[bytes], object],
        stop: StopEvent | None = None,
    ) -> JobResult:
        """Run a job and wait for its end; with any outcome, nothing of the job is left behind.

        Output arrives in chunks as it is written, from another thread but never concurrently. Setting ``stop`` ends the
        job with the outcome ``signalled``. If KeyboardInterrupt is raised, or an output function fails, the job is
        ended before the exception propagates. If any process of the job was killed for memory, the outcome is
        ``out_of_memory``, regardless of its status. Files in writable mounts belong to the caller's user afterwards.

        Raises:
            ContainerEngineError: The job could not be started. After its start every outcome is a `JobResult`.
        """
        ...

    def run_shell(self, job: Job) -> int:
        """Run a job on the caller's terminal and return its exit status; isolation as in `run`.

        Raises:
            ContainerEngineError: It could not be started, or there is no terminal.
        """
        ...

    def list_objects(self, labels: Mapping[str, str]) -> list[RuntimeObject]:
        """List sandbox's objects with all these labels (without the prefix), running or not."""
        ...

    def measure_usage(self, objects: list[RuntimeObject]) -> list[RuntimeObject]:
        """Return listed objects with their current CPU and memory usage, which may take seconds."""
        ...

    def list_leftovers(self) -> list[RuntimeObject]:
        """List objects whose owner, a process of this machine, was killed."""
        ...

    def remove_object(self, held: RuntimeObject) -> bool:
        """Remove an object, ending it first if it runs; do nothing if it is gone.

        Return False if it is used by another object that must not be ended.
        """
        ...
