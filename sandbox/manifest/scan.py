"""What ``sandbox scan --json`` prints: what looks broken in a source."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from sandbox.manifest.document import Document, DocumentPart

if TYPE_CHECKING:
    from collections.abc import Iterable

Severity = Literal["error", "warning", "note"]
FindingKind = Literal[
    "missing_table", "unreadable", "undecodable", "columns_differ", "missing_column", "duplicate_keys", "null_keys",
    "key_space", "dangling", "out_of_range", "not_finite", "mixed", "damaged_text", "future", "sentinel", "empty_text",
    "all_null", "constant",
]  # fmt: skip
SEVERITY_ORDER: dict[Severity, int] = {"error": 0, "warning": 1, "note": 2}


class Finding(DocumentPart):
    """One thing that looks broken.

    ``error``: a draw would stop, or miss rows. ``warning``: probably wrong. ``note``: perhaps meant so.
    ``count`` is in rows (lines, for text that does not decode) and ``share`` of the table's rows; both are null where
    rows are not what is counted. ``examples`` are empty, and ``hidden`` is true, where the columns are masked or
    look personal.
    """

    kind: FindingKind
    severity: Severity
    table: str
    columns: list[str] = Field(default_factory=list)
    count: int | None = None
    share: float | None = None
    message: str
    examples: list[list[str | None]] = Field(default_factory=list)
    hidden: bool = False


def sort_by_severity(findings: Iterable[Finding]) -> list[Finding]:
    """Give findings the most severe first; of those, what concerns the largest share of its table."""

    def build_sort_key(one: Finding) -> tuple[int, float, str, list[str], str]:
        share = 1.0 if one.share is None else one.share
        return SEVERITY_ORDER[one.severity], -share, one.table, one.columns, one.kind

    return sorted(findings, key=build_sort_key)


class ScannedTable(DocumentPart):
    """One table as it was found; ``rows`` is null where no file of it could be read."""

    files: int
    bytes: int
    rows: int | None
    columns: int | None


class ScanDocument(Document):
    """The whole scan, the most severe finding first; ``scanned`` is when, and what "future" goes by."""

    NAME: ClassVar[str] = "the scan"

    scanned: str
    tables: dict[str, ScannedTable]
    findings: list[Finding]
    not_scanned: list[str]
