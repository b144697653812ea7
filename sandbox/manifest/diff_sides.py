"""The sides of a diff, its sample and its stack, as parts of ``diff.json``."""

from __future__ import annotations

from typing import Literal

from sandbox.manifest.document import DocumentPart
from sandbox.model import RunVariation


class ProductionOutput(DocumentPart):
    """An output from production: number of files, bytes, modification time of the youngest, rows.

    ``compared`` counts the rows of the sample's units.
    """

    files: int
    bytes: int
    modified: str
    rows: int
    compared: int


class DiffSide(DocumentPart):
    """One side of the comparison; for plain tables ``run``, ``commit`` and the costs are None and ``ref`` is a path.

    ``output_bytes`` is the size of the run's outputs. ``made`` is set for outputs from production in place of a run,
    with their path in ``ref``; ``stack`` is the file of another stack.
    """

    run: str | None
    ref: str
    commit: str | None
    tree: str | None
    cached: bool
    seconds: float | None
    cpu_seconds: float | None
    peak_memory_bytes: int | None
    bytes_read: int | None = None
    bytes_written: int | None = None
    output_bytes: int | None = None
    made: dict[str, ProductionOutput] | None = None
    stack: str | None = None


class NoiseRun(DocumentPart):
    """The noise run: the baseline's code once more, with variations."""

    run: str
    cached: bool
    seconds: float
    variation: RunVariation


class SampleReference(DocumentPart):
    """The sample of both sides; ``units`` and ``population`` are by unit table.

    ``checked`` and ``drift`` are time and verdict of its last comparison with production; None if there was none.
    """

    fingerprint: str
    drawn: str
    units: dict[str, int]
    population: dict[str, int]
    checked: str | None = None
    drift: Literal["fresh", "drifting", "stale"] | None = None


class EnvironmentReference(DocumentPart):
    """The stack. ``isolated`` is false if code could access the network or the machine's files."""

    id: str
    runtime: Literal["docker", "local", "fake"]
    base: str
    candidate_id: str
    isolated: bool
