"""``run.json``: the record of one run, of one version of the code on one sample in one stack."""

from __future__ import annotations

from typing import ClassVar

from sandbox.manifest.document import Document, DocumentPart
from sandbox.model import (
    CodeVersion,
    Environment,
    Isolation,
    ResourceLimits,
    RunOutcome,
    RunVariation,
    TableFormat,
)


class OutputFile(DocumentPart):
    """A file of an output, or a log; ``path`` is relative to the run's ``output/`` folder, or to the run's own."""

    path: str
    bytes: int
    sha256: str


class RunOutput(DocumentPart):
    """One output table of a run; ``member`` is the table's name within a DuckDB file."""

    format: TableFormat
    rows: int
    columns: dict[str, str]
    files: list[OutputFile]
    member: str | None = None


class RunRecord(Document):
    """The record. ``identity`` is equal for runs that must have the same outputs.

    ``variation`` is set for noise runs only. ``memory_raised_from`` is the memory limit of the first attempt, if this
    is the second.
    """

    NAME: ClassVar[str] = "the run record"
    HAS_SEAL: ClassVar[bool] = True

    id: str
    identity: str
    code: CodeVersion
    sample: str
    environment: Environment
    command: str
    limits: ResourceLimits
    ending: RunOutcome
    status: int | None
    signal: int | None
    started: str
    wall_seconds: float
    cpu_seconds: float | None
    peak_memory_bytes: int | None
    bytes_read: int | None
    bytes_written: int | None
    isolation: Isolation | None
    outputs: dict[str, RunOutput]
    logs: list[OutputFile]
    log_truncated: bool
    variation: RunVariation | None = None
    memory_raised_from: int | None = None
