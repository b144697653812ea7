"""``run.json``: the record of one run, of one version of the code on one sample in one stack."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

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
    """One output table that a run left.

    ``member`` is the table's name within a database file, and ``database_schema`` its schema. ``folder`` is the folder of a
    partitioned table or of a lake's, relative to ``output/``. ``csv`` is how CSV files are written, as in the settings.
    """

    format: TableFormat
    rows: int
    columns: dict[str, str]
    files: list[OutputFile]
    member: str | None = None
    database_schema: str | None = None
    folder: str | None = None
    csv: dict[str, Any] | None = None


class RunArtifact(DocumentPart):
    """A file that a run left and that is no table; ``reason`` says why, where its name promises the table ``output``."""

    bytes: int
    sha256: str
    output: str | None = None
    reason: str | None = None


class RunRecord(Document):
    """The record. ``identity`` is equal for runs that must have the same outputs.

    ``variation`` is set for noise runs only. ``memory_raised_from`` is the memory limit of the first attempt, if this
    is the second. ``artifacts`` are the files that are no tables, by path below
    ``output/``. ``not_compared`` is what was left out of all comparisons, by name, with the reason. ``others`` are files of
    which nothing else is recorded: databases without tables, and files of what was left out. ``output_bytes`` is the size of its files when they
    were last measured.
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
    artifacts: dict[str, RunArtifact] = Field(default_factory=dict)
    not_compared: dict[str, str] = Field(default_factory=dict)
    others: list[OutputFile] = Field(default_factory=list)
    output_bytes: int | None = None
