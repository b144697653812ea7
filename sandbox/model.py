"""Frozen values shared by several packages, without I/O and third-party imports."""

from __future__ import annotations

import contextlib
import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

RuntimeName = Literal["docker", "local", "fake"]
SqlDialect = Literal["duckdb", "postgres", "snowflake", "bigquery", "trino", "clickhouse", "databricks"]
TableFormat = Literal["parquet", "csv", "jsonl", "json", "arrow", "orc", "duckdb", "sqlite", "delta", "iceberg"]

COMPRESSION_BY_SUFFIX = {".gz": "gzip", ".zst": "zstd"}
"""The compression of files of text, as DuckDB and Arrow name it."""

BUCKET_SCHEMES = ("s3", "gs", "gcs", "abfs", "abfss")
"""Schemes of bucket addresses."""

ICEBERG_SCHEMES = ("iceberg", "iceberg+sqlite")
"""Schemes of Iceberg catalogue addresses."""

POSTGRES_SERVICE = "postgres"
"""The service with the sample in a database; also its host name in runs."""

NOTEBOOK_SERVICE = "notebook"
"""The service with a notebook on the sample."""

RUN_GROUP_ID = 60_999
"""The group of containers that root starts, through which they read what root owns; systemd leaves its number unused."""

WORKING_TREE = "working tree"
"""Used in place of a git ref for the files on disk."""


def is_custom_image(name: str) -> bool:
    """Return whether ``stack.image`` names a custom image, by path or reference, instead of a folder of ``images/``.

    >>> [is_custom_image(name) for name in ("python", "./docker", "team/pipeline:3", "pipeline:3")]
    [False, True, True, True]
    """
    return any(sign in name for sign in "./:@")


class RunOutcome(enum.StrEnum):
    """The outcome of a run."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    OUTPUT_FULL = "output_full"
    SIGNALLED = "signalled"
    LOST = "lost"


@dataclass(frozen=True, kw_only=True)
class ResourceLimits:
    """Resource limits of a run.

    Attributes:
        cpus: CPU limit, > 0; may be a fraction.
        memory_bytes: Memory and swap together.
        timeout_seconds: Wall time, > 0.
        pids: Processes and threads.
        output_bytes: Of files in all folders that it may write to; None where nothing is watched.
    """

    cpus: float
    memory_bytes: int
    timeout_seconds: float
    pids: int = 512
    output_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Isolation:
    """The isolation in effect for a run, read back from its runtime."""

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
        """Whether the run had no access to the network and the machine's files."""
        return self.network == "none" and self.root_filesystem == "read-only" and self.sample == "read-only"


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """The outcome of a job and its resource usage.

    Attributes:
        ending: The outcome.
        status: The process's exit status; None if a signal or the loss of the container engine ended it.
        signal: The number of the signal that ended it, else None.
        started: Seconds since 1970 UTC.
        wall_seconds: From start to end, by the monotonic clock.
        cpu_seconds, peak_memory_bytes, bytes_read, bytes_written: None if not measured.
        isolation: The isolation in effect; None if nothing was started.
        output_bytes: The last measured size of the files in its writable folders; None if not measured.
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
    output_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Environment:
    """An environment for running code: an interpreter with exactly the locked libraries.

    Attributes:
        id: SHA-256 (hex) of all its inputs.
        runtime: The runtime that can use it.
        reference: An image tag (docker) or the absolute path of a virtual environment (local).
        platform: For example ``linux/amd64``.
        python: The interpreter's version, major and minor.
        base: An image reference, or the host's interpreter.
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
        ref: The requested ref (``main``, ``v1.2``), or `WORKING_TREE`.
        commit: The commit's id; for the working tree its parent; None in a repository without commits.
        tree: The id of the git tree with exactly the files visible to a run.
        dirty: Whether the tree differs from the commit's.
    """

    ref: str
    commit: str | None
    tree: str
    dirty: bool = False


@dataclass(frozen=True, kw_only=True)
class RunVariation:
    """Variations of a noise run, to measure differences not caused by the code.

    Attributes:
        threads: Number of threads of its libraries.
        file_order: Order of the files of each table, set by their names.
    """

    threads: int
    file_order: Literal["reversed"]


@dataclass(frozen=True, kw_only=True)
class TableFiles:
    """A table as local files.

    Attributes:
        name: The table's name.
        format: How to read the files.
        paths: Absolute, sorted, at least one; for ``duckdb`` and ``sqlite`` exactly one database file.
        member: The table within a database file; else None.
        schema: The schema of that table; None where ``member`` names it as well, or the file has only one.
        folder: The folder of a Hive-partitioned table, below which folders are named ``column=value``, or of a lake's table.
        csv: How its CSV files are written, as ``csv`` in the settings; None for RFC 4180.
    """

    name: str
    format: TableFormat
    paths: tuple[Path, ...]
    member: str | None = None
    schema: str | None = None
    folder: Path | None = None
    csv: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A drawn sample in the store: immutable, complete, identified by its fingerprint."""

    fingerprint: str
    path: Path
    tables: Mapping[str, TableFiles] = field(default_factory=dict)


class Progress(Protocol):
    """Progress reports, shown by `sandbox.report` or discarded by `SilentProgress`."""

    def step(
        self, name: str, *, total: float | None = None, unit: str = ""
    ) -> AbstractContextManager[Callable[[float], None]]:
        """Show a step within the block, and yield a function that advances it.

        Args:
            name: The step, as in ``drawing orders``.
            total: The total in ``unit``; None if unknown.
            unit: ``rows``, ``bytes`` or another plural; may be empty.
        """
        ...

    def print_message(self, message: str) -> None:
        """Print a permanent line."""
        ...


class SilentProgress:
    """Progress without output."""

    @contextlib.contextmanager
    def step(self, name: str, *, total: float | None = None, unit: str = "") -> Iterator[Callable[[float], None]]:
        """Yield a function without effect."""
        del name, total, unit
        yield lambda _: None

    def print_message(self, message: str) -> None:
        """Discard the message."""
