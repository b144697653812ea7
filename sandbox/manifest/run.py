"""``run.json``: one version of the code on one sample in one stack, and how it went."""

from __future__ import annotations

from typing import ClassVar

from sandbox.manifest.document import Document, Part
from sandbox.model import Ending, Environment, Isolation, Limits, TableFormat, Variation, Version


class OutputFile(Part):
    """A file of an output, or a log; ``path`` is relative to the run's ``output/`` folder, or to the run's own, with forward
    slashes.
    """

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


class RunRecord(Document):
    """The record. ``identity`` is equal for runs that must give the same outputs.

    ``variation`` is what a run did differently that only looks for noise; None for every other. ``memory_raised_from`` is what
    it ran out of the first time, where this is the second.
    """

    NAME: ClassVar[str] = "the run record"
    SEALED: ClassVar[bool] = True

    id: str
    identity: str
    code: Version
    sample: str
    environment: Environment
    command: str
    limits: Limits
    ending: Ending
    status: int | None
    signal: int | None
    started: str
    wall_seconds: float
    cpu_seconds: float | None
    peak_memory_bytes: int | None
    bytes_read: int | None
    bytes_written: int | None
    isolation: Isolation | None
    outputs: dict[str, Output]
    logs: list[OutputFile]
    log_truncated: bool
    variation: Variation | None = None
    memory_raised_from: int | None = None
