"""The document of ``sandbox scan --json``: problems in a source."""

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
    "all_null", "constant", "notation",
]  # fmt: skip
SEVERITY_ORDER: dict[Severity, int] = {"error": 0, "warning": 1, "note": 2}


class Finding(DocumentPart):
    """One problem.

    ``error``: a draw would stop, or miss rows. ``warning``: probably wrong. ``note``: possibly intended. ``count`` is
    in rows (lines, for undecodable text) and ``share`` of the table's rows; both are null for other problems.
    ``examples`` are empty, and ``hidden`` is true, if the columns are masked or look personal.
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
    """Return findings sorted by severity, then by share of the table."""

    def build_sort_key(finding: Finding) -> tuple[int, float, str, list[str], str]:
        share = 1.0 if finding.share is None else finding.share
        return SEVERITY_ORDER[finding.severity], -share, finding.table, finding.columns, finding.kind

    return sorted(findings, key=build_sort_key)


class ScannedTable(DocumentPart):
    """One scanned table; ``rows`` is null if none of its files could be read."""

    files: int
    bytes: int
    rows: int | None
    columns: int | None


class ScanDocument(Document):
    """The whole scan, the most severe finding first; ``scanned`` is its time, used to detect future dates.

    ``left_out`` has the files of a folder that are no tables, with the reason.
    """

    NAME: ClassVar[str] = "the scan"

    scanned: str
    tables: dict[str, ScannedTable]
    findings: list[Finding]
    not_scanned: list[str]
    left_out: dict[str, str] = Field(default_factory=dict)
