"""``witness.json``: the smallest part of the sample found on which an output of two versions differs."""

from __future__ import annotations

from typing import ClassVar

from sandbox.manifest.diff import RowCounts
from sandbox.manifest.document import Document


class WitnessDocument(Document):
    """A witness. ``identity`` is a digest of the runs and rules it belongs to.

    ``units`` are the keys of its units, as text; None without values. ``rows`` counts the rows of each input table.
    ``columns`` are the input columns that keep their values, by table; all others are keys, references or NULL.
    ``is_minimal`` is true if no unit and no row could be left out alone. ``differing_units`` counts those of the whole
    sample; None if the output does not tell. ``test`` is the name of the written test, if any.
    """

    NAME: ClassVar[str] = "the witness"
    HAS_SEAL: ClassVar[bool] = True

    identity: str
    output: str
    unit: str
    unit_count: int
    units: list[list[str]] | None
    rows: dict[str, int]
    columns: dict[str, list[str]]
    differences: RowCounts
    is_minimal: bool
    differing_units: int | None
    runs: int
    seconds: float
    baseline: str
    candidate: str
    test: str | None = None
    test_missing_because: str | None = None
