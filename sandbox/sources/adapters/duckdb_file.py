"""Read tables of a DuckDB file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.database_schema import DUCKDB
from sandbox.engine.duckdb import database_file
from sandbox.engine.duckdb.session import Session, quote_identifier
from sandbox.errors import SourceError
from sandbox.formatting import format_count
from sandbox.sources.adapters.database_file import DatabaseFileAdapter, estimate_file_share, estimate_row_width
from sandbox.sources.protocol import number_rows
from sandbox.sources.table import SourceTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sandbox.engine.database_schema import DeclaredTable
    from sandbox.sources.listing import SourceListing
    from sandbox.sources.protocol import TableRequest

ROW_ID_COLUMN = "rowid"  # DuckDB's name for the row id in its tables
UNSUPPORTED_TYPES = ("HUGEINT", "UHUGEINT", "BIT", "VARINT", "BIGNUM")  # not representable in Parquet


UNKEPT_TYPES = re.compile(rf"\b({'|'.join(UNSUPPORTED_TYPES)}|UNION)\b")  # within others as well
UNKEPT_VALUES = {
    "TIME WITH TIME ZONE": ("date_part('timezone', {0}) <> 0", "it keeps times of UTC alone"),
    "INTERVAL": ("date_part('microseconds', {0}) % 1000 <> 0", "it keeps milliseconds"),
}


@dataclass(frozen=True, kw_only=True)
class DuckDBDetails:
    """Rows of the table's row groups, deleted rows included."""

    row_groups: tuple[int, ...]


class DuckDBAdapter(DatabaseFileAdapter):
    """Tables of a DuckDB file."""

    format = DUCKDB
    wal_suffix = ".wal"
    is_columnar = True

    def read_catalog(self, path: Path) -> tuple[Sequence[DeclaredTable], None]:
        return database_file.list_declared_tables(str(path)), None

    def find_unsupported_columns(self, listing: SourceListing, name: str) -> Mapping[str, tuple[str, str]]:
        [file] = listing.find_table(name)[1]
        with Session(threads=1) as session:
            database_file.attach_database(session, file.path)
            relation = database_file.qualify_table(*file.table_path)
            described = session.fetch_rows(f"describe {relation}", doing=f"reading {name}")
            problems = {column: _find_unkept_values(session, relation, column, kind) for column, kind, *_ in described}
        return {column: ("VARCHAR", problem) for column, problem in problems.items() if problem}

    def open_table(self, session: Session, request: TableRequest) -> SourceTable:
        [file] = request.files
        database_file.attach_database(session, file.path)
        relation = database_file.qualify_table(*file.table_path)
        doing = f"reading {request.name}"
        types = {}
        for column, kind, *_ in session.fetch_rows(f"describe {relation}", doing=doing):
            types[column] = "VARCHAR" if kind.startswith("ENUM(") else kind
            if column in request.fixed or not request.section.takes_column(column):
                continue
            if problem := _find_unkept_values(session, relation, column, kind):
                raise SourceError(
                    f"{request.name}.{column} is {kind}, {problem}",
                    hint=f'fix another type: {column} = "VARCHAR" in [tables.{request.name}.types]',
                )
        [(rows, last)] = session.fetch_rows(f"select count(*), max(rowid) from {relation}", doing=doing)
        width = estimate_row_width(session, relation)
        return SourceTable(
            name=request.name,
            format=self.format,
            files=(file,),
            columns=types,
            rows=rows,
            width=width,
            share=estimate_file_share(file, rows, width),
            details=DuckDBDetails(row_groups=_compute_row_groups(0 if last is None else last + 1)),
        )

    def attach_table(self, session: Session, table: SourceTable) -> None:
        database_file.attach_database(session, table.files[0].path)

    def build_select(self, table: SourceTable, files: Sequence[int] | None, number: str | None) -> str:
        columns = [
            f"{quote_identifier(name)}::{kind} as {quote_identifier(name)}" for name, kind in table.columns.items()
        ]
        numbered = number is not None and self.has_row_numbers(table)
        if number is not None and numbered:
            columns.append(f"{ROW_ID_COLUMN} as {quote_identifier(number)}")
        select = f"select {', '.join(columns)} from {database_file.qualify_table(*table.files[0].table_path)}"
        return select if numbered else number_rows(select, number)

    def has_row_numbers(self, table: SourceTable) -> bool:
        return ROW_ID_COLUMN not in {name.lower() for name in table.columns}

    def read_row_groups(self, table: SourceTable, min_bytes: int) -> dict[int, list[int]]:
        assert isinstance(table.details, DuckDBDetails)
        return {0: list(table.details.row_groups)} if self.has_row_numbers(table) else {}


def _find_unkept_values(session: Session, relation: str, column: str, kind: str) -> str | None:
    """Return why Parquet does not keep the values of a column; None if it does."""
    if UNKEPT_TYPES.search(re.sub(r'"[^"]*"', "", kind)):
        return "which Parquet cannot keep"
    condition, problem = UNKEPT_VALUES.get(kind, (None, ""))
    if condition is None:
        return None
    [(count,)] = session.fetch_rows(
        f"select count(*) from {relation} where {condition.format(quote_identifier(column))}"
    )
    return f"and Parquet would change {format_count(count, 'value')}: {problem}" if count else None


def _compute_row_groups(row_ids: int) -> tuple[int, ...]:
    """Return the rows of DuckDB's row groups, deleted rows included."""
    whole, remainder = divmod(row_ids, database_file.ROW_GROUP_SIZE)
    return (database_file.ROW_GROUP_SIZE,) * whole + ((remainder,) if remainder else ())
