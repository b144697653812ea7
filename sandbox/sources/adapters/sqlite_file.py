"""Read tables of a SQLite file, whose columns have no types."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sandbox.engine.database_schema import SQLITE
from sandbox.engine.duckdb.session import quote_identifier
from sandbox.sources.adapters.database_file import DatabaseFileAdapter, estimate_file_share, estimate_row_width
from sandbox.sources.adapters.scan_view import build_scan_select, name_scan_view
from sandbox.sources.files import csv_schema
from sandbox.sources.protocol import number_rows
from sandbox.sources.table import SourceTable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sandbox.engine import sqlite
    from sandbox.engine.database_schema import DeclaredTable
    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.listing import SourceFile
    from sandbox.sources.protocol import TableRequest

TEMPORAL_TYPES = {"DATE": "DATE", "DATETIME": "TIMESTAMP", "TIMESTAMP": "TIMESTAMP"}


@dataclass(frozen=True, kw_only=True)
class SQLiteDetails:
    """Readers of the table's columns."""

    columns: tuple[sqlite.SQLiteColumn, ...]


class SQLiteAdapter(DatabaseFileAdapter):
    """Tables of a SQLite file."""

    format = SQLITE
    wal_suffix = "-wal"
    parquet_ratio = 0.3

    def read_catalog(self, path: Path) -> tuple[Sequence[DeclaredTable], sqlite.SQLiteSnapshot]:
        from sandbox.engine import sqlite  # noqa: PLC0415 - slow, see `arrow_scan`

        snapshot = sqlite.SQLiteSnapshot(str(path))
        return sqlite.list_declared_tables(snapshot), snapshot

    def open_table(self, session: Session, request: TableRequest) -> SourceTable:
        """Open a table. Types follow the values, and the declarations if all values fit.

        Raises:
            SourceError: The table cannot be read, or a column without a fixed type holds values of several kinds.
        """
        from sandbox.engine import sqlite  # noqa: PLC0415 - slow, see `arrow_scan`

        [file] = request.files
        cells, declared_types = sqlite.resolve_columns(file.handle, file.table_path[1], request.fixed)
        types = {cell.name: cell.kind for cell in cells}
        table = SourceTable(
            name=request.name,
            format=self.format,
            files=(file,),
            columns=types,
            rows=0,
            width=1.0,
            details=SQLiteDetails(columns=tuple(cells)),
        )
        self.attach_table(session, table)
        doing, select = f"reading {request.name}", build_scan_select(table, None)
        for cell in cells:
            declared = declared_types[cell.name].upper().partition("(")[0].strip()
            if cell.kind == "BIGINT" and declared.startswith("BOOL"):
                fits = f"bool_and({quote_identifier(cell.name)} in (0, 1))"
                if session.fetch_rows(f"select {fits} from ({select})", doing=doing) == [(True,)]:
                    types[cell.name] = "BOOLEAN"
            elif cell.kind == "VARCHAR" and declared in TEMPORAL_TYPES:
                types[cell.name] = csv_schema.infer_temporal_type(session, select, cell.name, TEMPORAL_TYPES[declared])
        table = replace(table, columns=types)
        relation = f"({build_scan_select(table, None)})"
        [(rows,)] = session.fetch_rows(f"select count(*) from {relation}", doing=doing)
        width = estimate_row_width(session, relation)
        return replace(table, rows=rows, width=width, share=estimate_file_share(file, rows, width))

    def attach_table(self, session: Session, table: SourceTable) -> None:
        from sandbox.engine import sqlite  # noqa: PLC0415 - slow, see `arrow_scan`

        assert isinstance(table.details, SQLiteDetails)
        [file] = table.files
        scan = sqlite.SQLiteTable(file.handle, file.table_path[1], table.details.columns)
        session.register_table(name_scan_view(table.name), scan)

    def build_select(self, table: SourceTable, files: Sequence[int] | None, number: str | None) -> str:
        return number_rows(build_scan_select(table, None), number)

    def find_changed_files(self, table: SourceTable, files: tuple[SourceFile, ...]) -> list[str]:
        if any(file.handle.is_consistent for file in table.files):
            return []  # every query read one snapshot
        return super().find_changed_files(table, files)
