"""Open the readable files of a table and report the broken ones."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sandbox.errors import SandboxError
from sandbox.formatting import format_count
from sandbox.manifest.scan import Finding
from sandbox.sources.open_table import open_table
from sandbox.sources.registry import ADAPTERS

if TYPE_CHECKING:
    from sandbox.config.sections.csv import CsvSection
    from sandbox.config.sections.sample import TableSection
    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.listing import SourceFile, SourceFormat, SourceListing
    from sandbox.sources.protocol import BrokenLines
    from sandbox.sources.table import SourceTable


@dataclass(frozen=True, kw_only=True)
class TableOpening:
    """The opened part of a table, None if there is none, and the findings for the remaining files."""

    table: SourceTable | None
    findings: list[Finding]


def open_readable_files(
    session: Session,
    listing: SourceListing,
    name: str,
    section: TableSection,
) -> TableOpening:
    """Open a listed table without unreadable files and files with other columns than most (see `open_table`)."""
    try:
        table = open_table(session, listing, name, section)
        return TableOpening(table=table, findings=[])
    except SandboxError as error:
        whole = error
    plain = section.model_copy(update={"version": None, "snapshot": None})
    form, files = listing.files[name]
    readable: dict[SourceFile, frozenset[str]] = {}
    findings: list[Finding] = []
    for file in files:
        try:
            table_of_file = open_table(session, _restrict_listing(listing, name, form, (file,)), name, plain)
        except SandboxError as error:
            findings += _describe_broken_file(session, name, form, file, section.csv, error)
        else:
            readable[file] = frozenset(table_of_file.columns)
    most = Counter(readable.values()).most_common(1)
    usual = most[0][0] if most else frozenset()
    findings += [
        _build_columns_finding(name, file, columns, usual) for file, columns in readable.items() if columns != usual
    ]
    agreeing = tuple(file for file, columns in readable.items() if columns == usual)
    if not agreeing or len(agreeing) == len(files):
        return TableOpening(table=None, findings=findings or [_build_unreadable_finding(name, whole.message)])
    try:
        return TableOpening(
            table=open_table(session, _restrict_listing(listing, name, form, agreeing), name, plain),
            findings=findings,
        )
    except SandboxError as error:
        return TableOpening(table=None, findings=[*findings, _build_unreadable_finding(name, error.message)])


def build_undecodable_finding(name: str, column: str, count: int, rows: int) -> Finding:
    """Build the finding for a Parquet column with text in another encoding than UTF-8."""
    return Finding(
        kind="undecodable",
        severity="error",
        table=name,
        columns=[column],
        count=count,
        share=count / max(1, rows),
        message=f"{name}.{column} holds text that is not UTF-8, in {format_count(count, 'row')}",
    )


def _describe_broken_file(
    session: Session, name: str, form: SourceFormat, file: SourceFile, csv: CsvSection | None, error: SandboxError
) -> list[Finding]:
    """Return the findings for a broken file; for text with the number of bad lines and the first."""
    broken = ADAPTERS[form].find_broken_lines(session, file, csv)
    return [_build_lines_finding(name, file, lines) for lines in broken] or [
        _build_unreadable_finding(name, error.message)
    ]


def _build_lines_finding(name: str, file: SourceFile, lines: BrokenLines) -> Finding:
    more = lines.count - 1
    others = f", and {more:,} more that {lines.reason if more == 1 else lines.plural_reason}" if more else ""
    return Finding(
        kind="undecodable" if "UTF-8" in lines.reason else "unreadable",
        severity="error",
        table=name,
        count=lines.count,
        message=f"{file.name}: line {lines.first:,} {lines.reason}{others}; nothing else of this file was looked at",
    )


def _build_columns_finding(name: str, file: SourceFile, columns: frozenset[str], usual: frozenset[str]) -> Finding:
    missing, extra = sorted(usual - columns), sorted(columns - usual)
    parts = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"has also {', '.join(extra)}"] * bool(extra)
    return Finding(
        kind="columns_differ",
        severity="error",
        table=name,
        columns=[*missing, *extra],
        message=f"{file.name} does not have the columns of the table's other files: it {' and '.join(parts)}",
    )


def _build_unreadable_finding(name: str, reason: str) -> Finding:
    return Finding(kind="unreadable", severity="error", table=name, message=f"{name} cannot be read: {reason}")


def _restrict_listing(
    listing: SourceListing, name: str, form: SourceFormat, files: tuple[SourceFile, ...]
) -> SourceListing:
    return replace(listing, files={name: (form, files)}, problems={})
