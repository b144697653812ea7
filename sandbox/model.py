"""Values that several packages share: frozen, without I/O, without third-party imports."""

from __future__ import annotations

import contextlib
import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

RuntimeName = Literal["docker", "local", "fake"]
SqlDialect = Literal["duckdb", "postgres", "snowflake", "bigquery", "trino", "clickhouse", "databricks"]
TableFormat = Literal["parquet", "csv", "jsonl", "duckdb"]

BUCKET_SCHEMES = ("s3", "gs", "gcs", "abfs", "abfss")
"""What the address of a bucket begins with."""

ICEBERG_SCHEMES = ("iceberg", "iceberg+sqlite")
"""What the address of a catalogue of Iceberg tables begins with."""

POSTGRES_SERVICE = "postgres"
"""The service with the sample in a database; also its name on the network that runs reach it by."""

NOTEBOOK_SERVICE = "notebook"
"""The service with a notebook on the sample."""

WORKING_TREE = "working tree"
"""What stands for a git ref where the files are meant as they lie there."""


def is_custom_image(name: str) -> bool:
    """Say whether ``stack.image`` names an image of the user's own: a path or a reference, and not a folder of ``images/``.

    >>> [is_custom_image(name) for name in ("python", "./docker", "team/pipeline:3", "pipeline:3")]
    [False, True, True, True]
    """
    return any(sign in name for sign in "./:@")


class RunOutcome(enum.StrEnum):
    """How a run ended; every run ends in exactly one of these ways."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    SIGNALLED = "signalled"
    LOST = "lost"


@dataclass(frozen=True, kw_only=True)
class ResourceLimits:
    """What a run may use.

    Attributes:
        cpus: Processors, > 0; may be a fraction.
        memory_bytes: Memory and swap together.
        timeout_seconds: Wall time, > 0.
        pids: Processes and threads.
    """

    cpus: float
    memory_bytes: int
    timeout_seconds: float
    pids: int = 512


@dataclass(frozen=True, kw_only=True)
class Isolation:
    """What actually kept a run apart from its machine, read back from whatever carried it out."""

    network: Literal["none", "services", "host"]
    root_filesystem: Literal["read-only", "writable"]
    sample: Literal["read-only", "writable"]
    user: str
    capabilities: Literal["none", "some", "host"]
    no_new_privileges: bool
    seccomp: Literal["default", "none"]
    memory_bytes: int | None
    cpus: float | None
    pids: int | None

    @property
    def is_complete(self) -> bool:
        """True when neither network nor files of the machine were within reach."""
        return self.network == "none" and self.root_filesystem == "read-only" and self.sample == "read-only"


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """How one job ended and what it used.

    Attributes:
        ending: One of the six endings.
        status: The process's exit status; None where a signal or the loss of the engine ended it.
        signal: The signal's number where one ended it, else None.
        started: Seconds since 1970 UTC.
        wall_seconds: From start to end, by the monotonic clock.
        cpu_seconds, peak_memory_bytes, bytes_read, bytes_written: None where they could not be measured.
        isolation: What was in force; None where nothing was started.
    """

    ending: RunOutcome
    status: int | None
    signal: int | None
    started: float
    wall_seconds: float
    cpu_seconds: float | None
    peak_memory_bytes: int | None
    bytes_read: int | None
    bytes_written: int | None
    isolation: Isolation | None


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Where code runs: an interpreter with exactly the locked libraries.

    Attributes:
        id: SHA-256 (hex) of everything that determines it.
        runtime: Which runtime can use it.
        reference: An image tag (docker) or the absolute path of a virtual environment (local).
        platform: For example ``linux/amd64``.
        python: The interpreter's version, major and minor.
        base: What it was built on: an image reference, or the host's interpreter.
    """

    id: str
    runtime: RuntimeName
    reference: str
    platform: str
    python: str
    base: str


@dataclass(frozen=True, kw_only=True)
class CodeVersion:
    """One version of the code, as a git tree.

    Attributes:
        ref: What was asked for (``main``, ``v1.2``), or `WORKING_TREE`.
        commit: The commit's id; for the working tree the commit it started from; None in a repository without one.
        tree: The id of the git tree of exactly the files that a run would see.
        dirty: True where the tree differs from the commit's.
    """

    ref: str
    commit: str | None
    tree: str
    dirty: bool = False


@dataclass(frozen=True, kw_only=True)
class RunVariation:
    """What is done differently where a version runs once more, to see what of its outputs does not come from its code.

    Attributes:
        threads: How many threads its libraries start.
        file_order: How the files of each table are named, and so read.
    """

    threads: int
    file_order: Literal["reversed"]


@dataclass(frozen=True, kw_only=True)
class TableFiles:
    """A table as files on this machine.

    Attributes:
        name: The table's name.
        format: How to read the files.
        paths: Absolute, sorted, at least one; for ``duckdb`` exactly one database file.
        member: For ``duckdb`` the table within the file; else None.
    """

    name: str
    format: TableFormat
    paths: tuple[Path, ...]
    member: str | None = None


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A drawn sample in the store: immutable, complete, named by its fingerprint."""

    fingerprint: str
    path: Path
    tables: Mapping[str, TableFiles] = field(default_factory=dict)


class Progress(Protocol):
    """Shows what is being done; `sandbox.report` draws it, `SilentProgress` does not."""

    def step(
        self, name: str, *, total: float | None = None, unit: str = ""
    ) -> AbstractContextManager[Callable[[float], None]]:
        """Show a step for as long as the block lasts, and give a function that advances it by an amount.

        Args:
            name: What is being done, as a person would say it (``drawing orders``).
            total: How far it is to go, in ``unit``; None where that is not known.
            unit: ``rows``, ``bytes`` or another plural; may be empty.
        """
        ...

    def print_message(self, message: str) -> None:
        """Show one line that stays."""
        ...


class SilentProgress:
    """Progress that nobody watches."""

    @contextlib.contextmanager
    def step(self, name: str, *, total: float | None = None, unit: str = "") -> Iterator[Callable[[float], None]]:
        """Show nothing."""
        del name, total, unit
        yield lambda _: None

    def print_message(self, message: str) -> None:
        """Say nothing."""
