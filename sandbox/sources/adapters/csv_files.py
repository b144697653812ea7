"""Read CSV files of a folder or bucket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.errors import SourceError
from sandbox.sources.files.columns import check_same_columns
from sandbox.sources.files.csv_schema import (
    CsvLayout,
    build_csv_reader,
    group_by_layout,
    infer_types_and_row_count,
    read_layout,
)
from sandbox.sources.files.file_errors import explain_csv_error
from sandbox.sources.files.partitions import FileConstants
from sandbox.sources.protocol import BrokenLines, SourceAdapter, number_rows
from sandbox.sources.table import SourceTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.listing import SourceFile
    from sandbox.sources.protocol import TableRequest

REJECTS_TABLES = ("scan_rejects", "scan_rejected_files")  # DuckDB accepts only names without quotes here
ERROR_PHRASES = {
    "INVALID ENCODING": ("is not UTF-8", "are not UTF-8"),
    "TOO MANY COLUMNS": ("has more fields than the header", "have more fields than the header"),
    "MISSING COLUMNS": ("has fewer fields than the header", "have fewer fields than the header"),
    "UNQUOTED VALUE": ("has a quote that does not end", "have a quote that does not end"),
}
OTHER_PHRASE = ("cannot be read", "cannot be read")


@dataclass(frozen=True, kw_only=True)
class CsvDetails:
    """The layout of each file."""

    layouts: tuple[CsvLayout, ...]


class CsvAdapter(SourceAdapter):
    """CSV files, with commas or other delimiters, possibly compressed."""

    format = "csv"
    suffixes = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
    parquet_ratio = 0.3
    has_header_line = True
    reads_empty_as_null = True

    def open_table(self, session: Session, request: TableRequest) -> SourceTable:
        files = request.files
        layouts = [read_layout(file) for file in files]
        check_same_columns(files, [layout.columns for layout in layouts])
        types, rows = infer_types_and_row_count(session, files, layouts, request.fixed)
        return SourceTable(
            name=request.name,
            format=self.format,
            files=files,
            columns=types,
            rows=rows,
            width=sum(file.bytes for file in files) / max(1, rows),
            details=CsvDetails(layouts=tuple(layouts)),
        )

    def build_select(self, table: SourceTable, file: int | None, number: str | None) -> str:
        files = range(len(table.files)) if file is None else [file]
        constants = FileConstants.from_files(table, files)
        columns = ", ".join(
            constants.sql.get(name)
            or (
                quote_identifier(name)
                if kind == "VARCHAR"
                else f"nullif({quote_identifier(name)}, '')::{kind} as {quote_identifier(name)}"
            )
            for name, kind in table.columns.items()
        )
        layouts = _get_layouts(table)
        groups = group_by_layout([table.files[i] for i in files], [layouts[i] for i in files])
        select = " union all ".join(
            f"select {columns} from {build_csv_reader(paths, layout, constants.option)}"
            for layout, paths in groups.items()
        )
        return number_rows(select, number)

    def build_untyped_select(self, table: SourceTable) -> str:
        names = ", ".join(quote_identifier(name) for name in table.columns)
        return " union all ".join(
            f"select {names} from {build_csv_reader([file.path], layout)}"
            for file, layout in zip(table.files, _get_layouts(table), strict=True)
        )

    def explain_error(self, cause: Exception, files: Sequence[SourceFile]) -> SourceError:
        return explain_csv_error(cause, files)

    def find_broken_lines(self, session: Session, file: SourceFile) -> list[BrokenLines]:
        """Count the unreadable lines of a file by kind of error."""
        try:
            relation = build_csv_reader([file.path], read_layout(file)).removesuffix(")")
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


def _get_layouts(table: SourceTable) -> tuple[CsvLayout, ...]:
    assert isinstance(table.details, CsvDetails)
    return table.details.layouts
