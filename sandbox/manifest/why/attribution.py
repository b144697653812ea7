"""``change.json``: the parts of a change that explain the differing rows."""

from __future__ import annotations

from typing import ClassVar, Literal

from sandbox.manifest.document import Document, DocumentPart


class RowExplanation(DocumentPart):
    """Rows of an output with one explanation.

    ``kind``: ``alone``, ``together``, ``each``, ``several`` or ``unknown`` (see docs/why.md). ``parts`` are labels. ``units``
    counts the units of these rows in the sample, ``production_units`` is the sum of their weights; None if the output
    has no key of a unit.
    """

    kind: Literal["alone", "together", "each", "several", "unknown"]
    parts: list[str]
    rows: int
    units: int | None = None
    production_units: float | None = None


class OutputAttribution(DocumentPart):
    """The explanations of an output's rows, the largest first; ``reason`` says why there are none."""

    rows: int
    explanations: list[RowExplanation]
    reason: str | None = None


class AttributionDocument(Document):
    """The attribution. ``failed`` are parts with which, or without which, the code does not run, with the reason."""

    NAME: ClassVar[str] = "the attribution"

    parts: list[str]
    runs: int
    outputs: dict[str, OutputAttribution]
    failed: dict[str, str]
