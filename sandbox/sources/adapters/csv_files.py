"""Read CSV files of a folder or bucket."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sandbox.config.sections.csv import PLAIN_CSV, CsvSection
from sandbox.engine.duckdb.session import find_engine_error, quote_identifier
from sandbox.errors import SandboxError, SourceError
from sandbox.sources.files.columns import check_same_columns
from sandbox.sources.files.csv_layout import (
    CsvLayout,
    build_csv_reader,
    build_encoding_error,
    decode_file,
    group_by_layout,
    has_mixed_line_ends,
    read_layout,
)
from sandbox.sources.files.csv_schema import infer_types_and_row_count
from sandbox.sources.files.csv_values import build_castable_sql, build_value_sql
from sandbox.sources.files.file_errors import explain_csv_error, find_csv_line
from sandbox.sources.files.partitions import FileConstants
from sandbox.sources.listing import register_files
from sandbox.sources.protocol import BrokenLines, SourceAdapter, number_rows
from sandbox.sources.table import SourceTable

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.listing import SourceFile
    from sandbox.sources.protocol import TableRequest

NOT_UTF8_REASON = "is not UTF-8"
REJECTS_TABLES = ("scan_rejects", "scan_rejected_files")  # DuckDB accepts only names without quotes here
ERROR_PHRASES = {
    "INVALID ENCODING": (NOT_UTF8_REASON, "are not UTF-8"),
    "TOO MANY COLUMNS": ("has more fields than the header", "have more fields than the header"),
    "MISSING COLUMNS": ("has fewer fields than the header", "have fewer fields than the header"),
    "UNQUOTED VALUE": ("has a quote that does not end", "have a quote that does not end"),
}
OTHER_PHRASE = ("cannot be read", "cannot be read")


@dataclass(frozen=True, kw_only=True)
class CsvDetails:
    """The layout of each file, and the settings of the table."""

    layouts: tuple[CsvLayout, ...]
    section: CsvSection


class CsvAdapter(SourceAdapter):
    """CSV files, with commas or other delimiters, possibly compressed."""

    format = "csv"
    suffixes = (".csv", ".tsv", ".tab", ".txt")
    weak_suffixes = (".tab", ".txt")
    compressions = (".gz", ".zst", ".bz2", ".xz")
    parquet_ratio = 0.3
    has_header_line = True
    reads_empty_as_null = True

    def open_table(self, session: Session, request: TableRequest) -> SourceTable:
        section = request.section.csv or PLAIN_CSV
        files = tuple(decode_file(file, section) for file in request.files)
        layouts = [read_layout(file, request.heading, section) for file in files]
        check_same_columns(files, [layout.columns for layout in layouts])
        register_files(session, files)
        try:
            types, rows = infer_types_and_row_count(session, files, layouts, request)
        except SandboxError as error:
            check_encoding(request.heading, files, error)
            files, layouts = _align_line_ends(files, layouts, section, error)
            register_files(session, files)
            types, rows = infer_types_and_row_count(session, files, layouts, request)
        return SourceTable(
            name=request.name,
            format=self.format,
            files=files,
            columns=types,
            rows=rows,
            width=sum(file.bytes for file in files) / max(1, rows),
            source_columns=layouts[0].columns,
            details=CsvDetails(layouts=tuple(layouts), section=section),
        )

    def build_select(self, table: SourceTable, files: Sequence[int] | None, number: str | None) -> str:
        files = range(len(table.files)) if files is None else files
        constants, details = FileConstants.from_files(table, files), _get_details(table)
        columns = ", ".join(
            constants.sql.get(name)
            or _name_value(build_value_sql(quote_identifier(name), name, kind, details.section), name)
            for name, kind in table.columns.items()
        )
        groups = group_by_layout([table.files[i] for i in files], [details.layouts[i] for i in files])
        select = " union all ".join(
            f"select {columns} from {build_csv_reader(addresses, layout, constants.option)}"
            for layout, addresses in groups.items()
        )
        return number_rows(select, number)

    def list_read_groups(self, table: SourceTable) -> Sequence[Hashable] | None:
        return _get_details(table).layouts

    def build_untyped_select(self, table: SourceTable) -> str:
        details, there = _get_details(table), set(_get_details(table).layouts[0].columns)
        values = ", ".join(
            _name_value(build_castable_sql(quote_identifier(name), name, kind, details.section), name)
            for name, kind in table.columns.items()
            if name in there
        )
        return " union all ".join(
            f"select {values} from {build_csv_reader([file.address], layout)}"
            for file, layout in zip(table.files, details.layouts, strict=True)
        )

    def explain_error(self, cause: Exception, files: Sequence[SourceFile]) -> SourceError:
        return explain_csv_error(cause, files)

    def find_broken_lines(self, session: Session, file: SourceFile, csv: CsvSection | None) -> list[BrokenLines]:
        """Count the unreadable lines of a file by kind of error."""
        section = csv or PLAIN_CSV
        try:
            file = decode_file(file, section)
            register_files(session, [file])
            relation = build_csv_reader([file.address], read_layout(file, "", section)).removesuffix(")")
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
        return [
            BrokenLines(reason=reason, plural_reason=plural, first=first, count=count)
            for kind, first, count in rows
            for reason, plural in [ERROR_PHRASES.get(kind, OTHER_PHRASE)]
        ]


def check_encoding(heading: str, files: Sequence[SourceFile], error: SandboxError) -> None:
    """Check that an error is about something else than bytes that are not UTF-8.

    Raises:
        SourceError: It is about such bytes; the hint names the setting to write under ``heading``.
    """
    cause = find_engine_error(error)
    broken = None if cause is None else find_csv_line(cause, files)
    if broken is not None and broken.reason == NOT_UTF8_REASON:
        raise build_encoding_error(broken.file, heading, broken.line) from error


def _align_line_ends(
    files: tuple[SourceFile, ...], layouts: Sequence[CsvLayout], section: CsvSection, error: SandboxError
) -> tuple[tuple[SourceFile, ...], list[CsvLayout]]:
    """Return files and layouts for reading mixed line ends as equal ones; raise the error if no file has them."""
    mixed = [has_mixed_line_ends(file) for file in files]
    if not any(mixed):
        raise error
    aligned = tuple(
        replace(file, decoding=replace(file.decoding, compression=file.compression, quote=section.quote))
        if is_mixed
        else file
        for file, is_mixed in zip(files, mixed, strict=True)
    )
    return aligned, [
        replace(layout, compression=None) if is_mixed else layout
        for layout, is_mixed in zip(layouts, mixed, strict=True)
    ]


def _name_value(sql: str, name: str) -> str:
    quoted = quote_identifier(name)
    return sql if sql == quoted else f"{sql} as {quoted}"


def _get_details(table: SourceTable) -> CsvDetails:
    assert isinstance(table.details, CsvDetails)
    return table.details
