"""Open tables of DuckDB and SQLite files and attach them to sessions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.engine import sqlite
from sandbox.engine.database_schema import DUCKDB, DeclaredTable, detect_database_format
from sandbox.engine.duckdb import database_file
from sandbox.engine.duckdb.session import quote_identifier
from sandbox.errors import SourceError
from sandbox.sources.files import csv_schema
from sandbox.sources.listing import SourceFile
from sandbox.sources.table import SourceTable, build_select, name_scan_view

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.listing import SourceFormat

HEADER_BYTES = 16
WIDTH_SAMPLE_ROWS = 10_000  # rows sampled to estimate the width of a row
UNSUPPORTED_TYPES = ("HUGEINT", "UHUGEINT", "BIT", "VARINT", "BIGNUM")  # not representable in Parquet
TEMPORAL_TYPES = {"DATE": "DATE", "DATETIME": "TIMESTAMP", "TIMESTAMP": "TIMESTAMP"}
WAL_SUFFIXES = {"duckdb": ".wal", "sqlite": "-wal"}


def detect_format(path: Path) -> SourceFormat | None:
    """Return the format of a database file; None if it is not a known one."""
    with path.open("rb") as file:
        database = detect_database_format(file.read(HEADER_BYTES))
    return None if database is None else ("duckdb" if database == DUCKDB else "sqlite")


def read_declared_tables(path: Path) -> list[DeclaredTable]:
    """Read the tables of a database file with their declared keys and references.

    Raises:
        SourceError: The file cannot be read.
    """
    if detect_format(path) == "duckdb":
        return database_file.list_declared_tables(str(path))
    return sqlite.list_declared_tables(sqlite.SQLiteSnapshot(str(path)))


def format_table_name(schema: str, table: str) -> str:
    """Return a table's name in ``sandbox.toml``: without prefix in the schema ``main``."""
    return table if schema == "main" else f"{schema}.{table}"


def list_tables(path: Path) -> tuple[dict[str, tuple[SourceFormat, tuple[SourceFile, ...]]], dict[str, str]]:
    """List the tables of a database file, and the problems of ambiguous names."""
    form = detect_format(path)
    assert form in WAL_SUFFIXES
    state, more = path.stat(), Path(f"{path}{WAL_SUFFIXES[form]}")
    beside = more.stat() if more.exists() and more.stat().st_size else None  # readers create an empty one
    snapshot = sqlite.SQLiteSnapshot(str(path)) if form == "sqlite" else None
    tables: dict[str, tuple[SourceFormat, tuple[SourceFile, ...]]] = {}
    problems = {}
    for declared in (
        database_file.list_declared_tables(str(path)) if snapshot is None else sqlite.list_declared_tables(snapshot)
    ):
        name = format_table_name(declared.schema, declared.table)
        if name in tables:
            problems[name] = f"{path} has two tables that are called {name} here; rename one"
        file = SourceFile(
            path=str(path),
            name=path.name,
            bytes=state.st_size + (beside.st_size if beside else 0),
            modified=max(state.st_mtime_ns, beside.st_mtime_ns if beside else 0),
            table_path=(declared.schema, declared.table),
            handle=snapshot,
        )
        tables[name] = (form, (file,))
    return {name: entry for name, entry in tables.items() if name not in problems}, problems


def attach_table(session: Session, table: SourceTable) -> None:
    """Make a table of a database file readable in a session.

    Raises:
        SourceError: The file cannot be read.
    """
    [file] = table.files
    if table.format == "duckdb":
        database_file.attach_database(session, file.path)
    else:
        session.register_table(
            name_scan_view(table.name),
            sqlite.SQLiteTable(file.handle, file.table_path[1], table.sqlite_columns),
        )


def open_duckdb_table(session: Session, name: str, file: SourceFile, fixed: Mapping[str, str]) -> SourceTable:
    """Open a table of a DuckDB file.

    Raises:
        SourceError: The table cannot be read, or a column's type is not representable in Parquet.
    """
    database_file.attach_database(session, file.path)
    relation = database_file.qualify_table(*file.table_path)
    doing = f"reading {name}"
    types = {}
    for column, kind, *_ in session.fetch_rows(f"describe {relation}", doing=doing):
        types[column] = "VARCHAR" if kind.startswith("ENUM(") else kind
        if kind in UNSUPPORTED_TYPES and column not in fixed:
            raise SourceError(
                f"{name}.{column} is {kind}, which Parquet cannot keep",
                hint=f'fix another type: {column} = "VARCHAR" in [tables.{name}.types]',
            )
    [(rows, last)] = session.fetch_rows(f"select count(*), max(rowid) from {relation}", doing=doing)
    width = _estimate_row_width(session, relation)
    return SourceTable(
        name=name,
        format="duckdb",
        files=(file,),
        columns=types,
        rows=rows,
        width=width,
        share=_estimate_file_share(file, rows, width),
        row_groups=_compute_row_groups(0 if last is None else last + 1),
    )


def open_sqlite_table(session: Session, name: str, file: SourceFile, fixed: Mapping[str, str]) -> SourceTable:
    """Open a table of a SQLite file. Types follow the values, and the declarations if all values fit.

    Raises:
        SourceError: The table cannot be read, or a column without a fixed type holds values of several kinds.
    """
    cells, declared_types = sqlite.resolve_columns(file.handle, file.table_path[1], fixed)
    types = {cell.name: cell.kind for cell in cells}
    table = SourceTable(
        name=name,
        format="sqlite",
        files=(file,),
        columns=types,
        rows=0,
        width=1.0,
        sqlite_columns=tuple(cells),
    )
    attach_table(session, table)
    doing = f"reading {name}"
    for cell in cells:
        declared = declared_types[cell.name].upper().partition("(")[0].strip()
        if cell.kind == "BIGINT" and declared.startswith("BOOL"):
            fits = f"bool_and({quote_identifier(cell.name)} in (0, 1))"
            if session.fetch_rows(f"select {fits} from ({build_select(table)})", doing=doing) == [(True,)]:
                types[cell.name] = "BOOLEAN"
        elif cell.kind == "VARCHAR" and declared in TEMPORAL_TYPES:
            types[cell.name] = csv_schema.infer_temporal_type(
                session, build_select(table), cell.name, TEMPORAL_TYPES[declared]
            )
    relation = f"({build_select(table)})"
    [(rows,)] = session.fetch_rows(f"select count(*) from {relation}", doing=doing)
    width = _estimate_row_width(session, relation)
    return replace(table, columns=types, rows=rows, width=width, share=_estimate_file_share(file, rows, width))


def _compute_row_groups(row_ids: int) -> tuple[int, ...]:
    """Return the rows of DuckDB's row groups, deleted rows included."""
    whole, remainder = divmod(row_ids, database_file.ROW_GROUP_SIZE)
    return (database_file.ROW_GROUP_SIZE,) * whole + ((remainder,) if remainder else ())


def _estimate_file_share(file: SourceFile, rows: int, width: float) -> float:
    """Estimate a table's share of a file."""
    return min(1.0, rows * width / max(1, file.bytes))


def _estimate_row_width(session: Session, relation: str) -> float:
    """Estimate the bytes of a row."""
    [(width,)] = session.fetch_rows(
        f"select avg(strlen(r::varchar)) from (select * from {relation} limit {WIDTH_SAMPLE_ROWS}) r",
        doing="looking at rows",
    )
    return float(width or 1)
