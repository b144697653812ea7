"""``drift/<fingerprint>.json``: production as it is now, compared with what was recorded when the sample was drawn."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from sandbox.manifest.document import Document, DocumentPart

DriftVerdict = Literal["fresh", "drifting", "stale"]
DriftKind = Literal[
    "age", "schema", "key", "stratum", "values", "nulls", "mean", "rows", "period", "references",
]  # fmt: skip


class DriftFinding(DocumentPart):
    """One difference that is large and more than the process gives by itself.

    ``is_stale``: it alone makes the sample stale. ``then`` and ``now`` are shares, means per unit or rows; None for
    schema, key and age.
    """

    kind: DriftKind
    table: str | None
    column: str | None = None
    message: str
    is_stale: bool = False
    then: float | None = None
    now: float | None = None


class DriftCheck(Document):
    """The check. ``not_checked`` names what was not recorded, with the reason; ``compared`` counts figures."""

    NAME: ClassVar[str] = "the check of the sample"

    project: str
    fingerprint: str
    drawn: str
    checked: str
    verdict: DriftVerdict
    findings: list[DriftFinding]
    compared: int
    not_checked: list[str] = Field(default_factory=list)
    seconds: float
