"""``run.json``: one version of the code on one sample in one stack, and how it went."""

from __future__ import annotations

from typing import ClassVar, Literal

from sandbox.manifest.document import Document, Part
from sandbox.model import Ending, TableFormat


class OutputFile(Part):
    """A file of an output; ``path`` is relative to the run's ``output/`` folder, with forward slashes."""

    path: str
    bytes: int
    sha256: str


class Output(Part):
    """One output table that a run left; ``member`` is the table's name within a DuckDB file."""

    format: TableFormat
    rows: int
    columns: dict[str, str]
    files: list[OutputFile]
    member: str | None = None


class Isolated(Part):
    """What kept the run apart, read back from the runtime (see ``sandbox.model.Isolation``)."""

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


class Code(Part):
    """The version of the code (see ``sandbox.model.Version``)."""

    ref: str
    commit: str | None
    tree: str
    dirty: bool


class RunEnvironment(Part):
    """The stack that the run used (see ``sandbox.model.Environment``)."""

    id: str
    runtime: Literal["docker", "local", "fake"]
    reference: str
    platform: str
    python: str
    base: str


class RunLimits(Part):
    """The limits that were asked for."""

    cpus: float
    memory_bytes: int
    timeout_seconds: float
    pids: int


class RunRecord(Document):
    """The record. ``identity`` is equal for runs that must give the same outputs."""

    NAME: ClassVar[str] = "the run record"

    id: str
    identity: str
    code: Code
    sample: str
    environment: RunEnvironment
    command: str
    limits: RunLimits
    ending: Ending
    status: int | None
    signal: int | None
    started: str
    wall_seconds: float
    cpu_seconds: float | None
    peak_memory_bytes: int | None
    bytes_read: int | None
    bytes_written: int | None
    isolation: Isolated | None
    outputs: dict[str, Output]
    log_truncated: bool
