"""Documents of the separability check: a half-sample's size, and results in ``.sandbox/separability/<digest>.json``."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from sandbox.manifest.document import Document, DocumentPart


class SeparabilityRecord(Document):
    """The comparison of one side's code on a half-sample and on the whole sample.

    ``run`` is the run on the half-sample; None if it failed. ``reasons`` maps an output to the reason why its rows
    cannot be scaled up; None if each unit's rows were the same. ``units`` maps a unit table to the number of units of
    the half-sample, and ``cost`` is its number of rows in units of the sample's. ``identity`` is a digest of the runs and
    the rules.
    """

    FORMAT_VERSION: ClassVar[int] = 3
    NAME: ClassVar[str] = "the separability check's record"
    HAS_SEAL: ClassVar[bool] = True

    format_version: int = 3
    identity: str
    run: str | None
    reasons: dict[str, str | None]
    units: dict[str, int]
    cost: float


class CopiedUnit(DocumentPart):
    """A unit of a half-sample with copies: its key as text, and their number."""

    key: list[str]
    copies: int


class SeparabilityChecks(DocumentPart):
    """The runs of the separability check, on both sides; ``cost`` is theirs in runs of the sample, by rows.

    ``checks`` is the setting. A kept result costs nothing again; its runs count all the same.
    """

    checks: Literal["full", "half", "none"]
    runs: list[str]
    cost: float


class HalfSampleRecord(Document):
    """``half.json``, in the folder of a half-sample: its size.

    ``units`` maps a unit table to its number of units, copies included. ``cost`` is the number of rows, in units of the
    sample's: the cost of a run in runs of the whole sample. ``copied`` lists the copied units of a sample with one unit
    table: the key as text, and the number of copies.
    """

    NAME: ClassVar[str] = "the half-sample's record"

    units: dict[str, int]
    rows: int
    cost: float
    copied: list[CopiedUnit] = Field(default_factory=list)


class CellGroups(DocumentPart):
    """One cell of an output: the values of its key as text, and each column's sums in all groups."""

    key: list[str | None]
    sums: dict[str, list[float]]


class OutputGroups(DocumentPart):
    """One output's sums in each random group of units.

    ``reason`` is set if they cannot be used at all. ``columns`` maps a numeric column to the reason why its sums do not
    add up; None if they do.
    """

    reason: str | None
    columns: dict[str, str | None] = Field(default_factory=dict)
    cells: list[CellGroups] = Field(default_factory=list)


class GroupsRecord(Document):
    """The sums that one side's code makes of random groups of the sampled units.

    ``units`` is the largest number of units on which the code ran. ``identity`` is a digest of the run and the groups.
    """

    NAME: ClassVar[str] = "the record of random groups"
    HAS_SEAL: ClassVar[bool] = True

    identity: str
    outputs: dict[str, OutputGroups]
    units: int
