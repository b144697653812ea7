"""Open the readable files of a table and report the broken ones."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from sandbox.errors import SandboxError, SourceError
from sandbox.manifest.scan import Finding
from sandbox.sources.files import csv_schema
from sandbox.sources.open_table import open_table
from sandbox.sources.table import build_csv_reader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.listing import SourceFile, SourceFormat, SourceListing
    from sandbox.sources.table import SourceTable

REJECTS_TABLES = ("scan_rejects", "scan_rejected_files")  # DuckDB accepts only names without quotes here
TEXT_BLOCK_BYTES = 1 << 22  # read per block


@dataclass(frozen=True, kw_only=True)
class TableOpening:
    """The opened part of a table, None if there is none, and the findings for the remaining files."""

    table: SourceTable | None
    findings: list[Finding]


def open_readable_files(
    session: Session,
    listing: SourceListing,
    name: str,
    types: Mapping[str, str],
    *,
    version: int | None = None,
    snapshot: int | None = None,
) -> TableOpening:
    """Open a listed table without unreadable files and files with other columns than most (see `open_table`)."""
    try:
        table = open_table(session, listing, name, types, version=version, snapshot=snapshot)
        return TableOpening(table=table, findings=[])
    except SandboxError as error:
        whole = error
    form, files = listing.files[name]
    readable: dict[SourceFile, frozenset[str]] = {}
    findings: list[Finding] = []
    for file in files:
        try:
            table_of_file = open_table(session, _restrict_listing(listing, name, form, (file,)), name, types)
        except SandboxError as error:
            findings += _describe_broken_file(session, name, form, file, error)
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
            table=open_table(session, _restrict_listing(listing, name, form, agreeing), name, types),
            findings=findings,
        )
    except SandboxError as error:
        return TableOpening(table=None, findings=[*findings, _build_unreadable_finding(name, error.message)])


def count_undecodable_values(table: SourceTable) -> dict[str, int]:
    """Count invalid UTF-8 values per text column of Parquet files, omitting columns without any.

    DuckDB stops at the first such value and does not name its column; Arrow reads the raw bytes.
    """
    counts: Counter[str] = Counter()
    texts = [name for name, kind in table.columns.items() if kind == "VARCHAR"]
    for file in table.files:
        with file.open() as stream, pq.ParquetFile(stream) as opened_file:
            there = [name for name in texts if name in opened_file.schema_arrow.names]
            for batch in opened_file.iter_batches(batch_size=65_536, columns=there):
                for name, column in zip(batch.schema.names, batch.columns, strict=True):
                    counts[name] += _count_undecodable(column)
    return {name: count for name, count in counts.items() if count}


def build_undecodable_finding(name: str, column: str, count: int, rows: int) -> Finding:
    """Build the finding for a Parquet column with text in another encoding than UTF-8."""
    return Finding(
        kind="undecodable",
        severity="error",
        table=name,
        columns=[column],
        count=count,
        share=count / max(1, rows),
        message=f"{name}.{column} holds text that is not UTF-8, in {count:,} row{'' if count == 1 else 's'}",
    )


def _count_undecodable(column: pa.Array) -> int:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return 0
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        values = column.cast(pa.large_binary()).to_pylist()
        return sum(not _is_utf8(value) for value in values if value is not None)
    return 0


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _describe_broken_file(
    session: Session, name: str, form: SourceFormat, file: SourceFile, error: SandboxError
) -> list[Finding]:
    """Return the findings for a broken file; for text with the number of bad lines and the first."""
    if form == "csv":
        findings = _find_csv_errors(session, name, file)
        if findings:
            return findings
    elif form == "jsonl":
        findings = [
            _build_lines_finding(name, file, "is not UTF-8", "are not UTF-8", lines)
            for lines in [_find_undecodable_lines(file)]
            if lines
        ]
        if findings:
            return findings
    return [_build_unreadable_finding(name, error.message)]


def _find_csv_errors(session: Session, name: str, file: SourceFile) -> list[Finding]:
    """Count the unreadable lines of a CSV file by kind of error."""
    try:
        layout = csv_schema.read_layout(file)
        relation = build_csv_reader([file.path], layout).removesuffix(")")
        session.fetch_rows(  # DuckDB reads rows only when results are fetched
            f"select bit_xor(hash(columns(*))) from {relation}, store_rejects = true, "
            f"rejects_table = '{REJECTS_TABLES[0]}', rejects_scan = '{REJECTS_TABLES[1]}')",
            doing=f"reading {file.name}",
        )
        rows = session.fetch_rows(
            f"select error_type::varchar, min(line), count(distinct line) from {REJECTS_TABLES[0]} group by 1 order by 1"
        )
        for table in REJECTS_TABLES:
            session.execute(f"drop table {table}")
    except SourceError:
        return []
    phrases = {
        "INVALID ENCODING": ("is not UTF-8", "are not UTF-8"),
        "TOO MANY COLUMNS": ("has more fields than the header", "have more fields than the header"),
        "MISSING COLUMNS": ("has fewer fields than the header", "have fewer fields than the header"),
        "UNQUOTED VALUE": ("has a quote that does not end", "have a quote that does not end"),
    }
    other = ("cannot be read", "cannot be read")
    return [_build_lines_finding(name, file, *phrases.get(kind, other), (first, count)) for kind, first, count in rows]


def _build_lines_finding(name: str, file: SourceFile, singular: str, plural: str, lines: tuple[int, int]) -> Finding:
    first, count = lines
    others = f", and {count - 1:,} more that {singular if count == 2 else plural}" if count > 1 else ""
    return Finding(
        kind="undecodable" if "UTF-8" in singular else "unreadable",
        severity="error",
        table=name,
        count=count,
        message=f"{file.name}: line {first:,} {singular}{others}; nothing else of this file was looked at",
    )


def _find_undecodable_lines(file: SourceFile) -> tuple[int, int] | None:
    """Return the first invalid UTF-8 line and the number of such lines; None if there is none."""
    first, count = 0, 0
    try:
        for number, line in _read_undecodable_blocks(file):
            if not _is_utf8(line):
                first, count = first or number, count + 1
    except (OSError, EOFError):
        return None
    return (first, count) if count else None


def _read_undecodable_blocks(file: SourceFile) -> Iterator[tuple[int, bytes]]:
    """Yield the numbered lines of blocks with invalid UTF-8."""
    number = 1
    with file.open_decompressed() as source:
        while block := source.readlines(TEXT_BLOCK_BYTES):
            if not _is_utf8(b"".join(block)):
                yield from enumerate(block, start=number)
            number += len(block)


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
