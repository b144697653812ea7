"""The seam between the product and whatever carries out code: a container engine, or processes of this machine."""

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
    """A folder of this machine that a job sees.

    Attributes:
        source: Absolute; must exist.
        target: Absolute POSIX path in a container; a runtime without containers shows ``source`` itself.
        writable: False where the job may only read.
    """

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True, kw_only=True)
class Job:
    """One command to carry out once.

    Attributes:
        name: Unique among the living; the container's name.
        labels: Without the ``dev.sandbox.`` prefix; ``project``, ``path``, ``role``, ``run`` where they apply.
        environment: Made by the same runtime.
        command: A shell command line, given to ``/bin/sh -c``.
        workdir: The mount whose folder is the working directory.
        mounts: Everything that the job sees of this machine, ``workdir`` included.
        variables: The whole environment beside what the runtime fixes (PATH, HOME, TZ, LANG, PYTHONHASHSEED, ...).
        limits: What it may use.
        volumes: Volumes of a container engine that it sees read-only, by name, and where.
        network: The id of a container engine's internal network that it is on; None isolates it from every network.
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
    """Something of ours that a runtime holds: a container, an image, a virtual environment."""

    id: str
    name: str
    kind: str
    labels: Mapping[str, str] = field(default_factory=dict)
    running: bool = False
    bytes: int | None = None
    cpu_percent: float | None = None
    memory_bytes: int | None = None


class StopEvent(threading.Event):
    """Set it to end a running job: SIGTERM, a grace period, SIGKILL."""


class Runtime(Protocol):
    """Carries out jobs. Implementations: ``docker``, ``local``, and ``fake`` for tests."""

    @property
    def name(self) -> RuntimeName:
        """Which implementation this is."""
        ...

    def check(self) -> str:
        """Make sure that it answers, and say what it is in one line (``Docker Engine 20.10.24, overlay2``).

        Raises:
            EngineError: It does not answer or may not be used.
        """
        ...

    def read_total_memory(self) -> int:
        """Give how much memory the machine has that carries out jobs.

        Raises:
            EngineError: It does not answer.
        """
        ...

    def resolve_mount_path(self, mount: Mount) -> str:
        """Give the path under which a job sees a mount."""
        ...

    def run(
        self,
        job: Job,
        *,
        stdout: Callable[[bytes], object],
        stderr: Callable[[bytes], object],
        stop: StopEvent | None = None,
    ) -> JobResult:
        """Carry out a job and wait for its end; whatever the ending, nothing of the job is left behind.

        Output arrives in chunks as it is written, from another thread but never two at once. When ``stop`` is set the
        job is ended, and its ending is ``signalled``. When KeyboardInterrupt is raised, or a function that takes
        output fails, the job is ended first, and the exception passes on. A job of which any process was killed for
        memory ends ``out_of_memory``, whatever its status. What the job left in writable mounts belongs to the
        caller's user afterwards.

        Raises:
            EngineError: The job could not be started. Once it was started every ending is an `JobResult`.
        """
        ...

    def run_shell(self, job: Job) -> int:
        """Carry out a job on the caller's terminal and give its exit status; isolation as in `run`.

        Raises:
            EngineError: It could not be started, or there is no terminal.
        """
        ...

    def list_objects(self, labels: Mapping[str, str]) -> list[RuntimeObject]:
        """List what it holds of ours that carries all these labels (without the prefix), running or not."""
        ...

    def measure_usage(self, found: list[RuntimeObject]) -> list[RuntimeObject]:
        """Give what `list_objects` listed with the processor and memory that it uses now, which may take seconds."""
        ...

    def list_leftovers(self) -> list[RuntimeObject]:
        """List what it holds of ours whose owner, a process of this machine, was killed."""
        ...

    def remove_object(self, held: RuntimeObject) -> bool:
        """Remove one such thing, ending it first if it runs; nothing happens if it is gone already.

        Gives False where something uses it that is not ours to end.
        """
        ...
