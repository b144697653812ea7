"""Database files as sources: the tables that they hold, opened, and what a session needs to read them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.engine import sqlite
from sandbox.engine.database_schema import DUCKDB, Declared, kind_of_file
from sandbox.engine.duckdb import database_file
from sandbox.engine.duckdb.session import quote
from sandbox.errors import SourceError
from sandbox.sources.files import csv_schema
from sandbox.sources.listing import SourceFile
from sandbox.sources.table import SourceTable, reading, scanned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.listing import SourceFormat

HEAD_BYTES = 16
LOOKED_AT = 10_000  # rows from which the width of a row is guessed
UNKEPT = ("HUGEINT", "UHUGEINT", "BIT", "VARINT", "BIGNUM")  # Parquet has no place for them
MOMENTS = {"DATE": "DATE", "DATETIME": "TIMESTAMP", "TIMESTAMP": "TIMESTAMP"}
WAL = {"duckdb": ".wal", "sqlite": "-wal"}


def kind_of(path: Path) -> SourceFormat | None:
    """Give whose database a file is; None where it is none that is known."""
    with path.open("rb") as file:
        found = kind_of_file(file.read(HEAD_BYTES))
    return None if found is None else ("duckdb" if found == DUCKDB else "sqlite")


def declared(path: Path) -> list[Declared]:
    """Give the tables of a database file with the keys and references that it declares.

    Raises:
        SourceError: It cannot be read.
    """
    if kind_of(path) == "duckdb":
        return database_file.declared(str(path))
    return sqlite.declared(sqlite.Snapshot(str(path)))


def name_of(schema: str, table: str) -> str:
    """Give what ``sandbox.toml`` calls a table: those of the first schema have no prefix."""
    return table if schema == "main" else f"{schema}.{table}"


def tables(path: Path) -> tuple[dict[str, tuple[SourceFormat, tuple[SourceFile, ...]]], dict[str, str]]:
    """Give the tables of a database file, each as that one file, and the problems of names that stand for two."""
    form = kind_of(path)
    assert form in WAL
    state, more = path.stat(), Path(f"{path}{WAL[form]}")
    beside = more.stat() if more.exists() and more.stat().st_size else None  # readers make an empty one
    snapshot = sqlite.Snapshot(str(path)) if form == "sqlite" else None
    found: dict[str, tuple[SourceFormat, tuple[SourceFile, ...]]] = {}
    problems = {}
    for one in database_file.declared(str(path)) if snapshot is None else sqlite.declared(snapshot):
        name = name_of(one.schema, one.table)
        if name in found:
            problems[name] = f"{path} has two tables that are called {name} here; rename one"
        file = SourceFile(
            path=str(path),
            name=path.name,
            bytes=state.st_size + (beside.st_size if beside else 0),
            modified=max(state.st_mtime_ns, beside.st_mtime_ns if beside else 0),
            inside=(one.schema, one.table),
            opened=snapshot,
        )
        found[name] = (form, (file,))
    return {name: one for name, one in found.items() if name not in problems}, problems


def attach(session: Session, table: SourceTable) -> None:
    """Let a session read a table of a database file.

    Raises:
        SourceError: The file cannot be read.
    """
    [file] = table.files
    if table.format == "duckdb":
        database_file.attach(session, file.path)
    else:
        session.lend(scanned(table.name), sqlite.Table(file.opened, file.inside[1], table.cells))


def opened_duckdb(session: Session, name: str, file: SourceFile, fixed: Mapping[str, str]) -> SourceTable:
    """Give a table of a DuckDB file.

    Raises:
        SourceError: It cannot be read, or a column's type is none that a sample can keep.
    """
    database_file.attach(session, file.path)
    relation = database_file.relation(*file.inside)
    doing = f"reading {name}"
    types = {}
    for column, kind, *_ in session.rows(f"describe {relation}", doing=doing):
        types[column] = "VARCHAR" if kind.startswith("ENUM(") else kind
        if kind in UNKEPT and column not in fixed:
            raise SourceError(
                f"{name}.{column} is {kind}, which Parquet cannot keep",
                hint=f'fix another type: {column} = "VARCHAR" in [tables.{name}.types]',
            )
    [(rows, last)] = session.rows(f"select count(*), max(rowid) from {relation}", doing=doing)
    width = _width(session, relation)
    return SourceTable(
        name=name,
        format="duckdb",
        files=(file,),
        columns=types,
        rows=rows,
        width=width,
        share=_share(file, rows, width),
        groups=_groups(0 if last is None else last + 1),
    )


def opened_sqlite(session: Session, name: str, file: SourceFile, fixed: Mapping[str, str]) -> SourceTable:
    """Give a table of a SQLite file: its types are those of all its values, and of what is declared where these fit.

    Raises:
        SourceError: It cannot be read, or a column holds values of several kinds and no type is fixed for it.
    """
    cells, declared_types = sqlite.columns_of(file.opened, file.inside[1], fixed)
    types = {one.name: one.kind for one in cells}
    table = SourceTable(
        name=name, format="sqlite", files=(file,), columns=types, rows=0, width=1.0, cells=tuple(cells)
    )
    attach(session, table)
    doing = f"reading {name}"
    for one in cells:
        wanted = declared_types[one.name].upper().partition("(")[0].strip()
        if one.kind == "BIGINT" and wanted.startswith("BOOL"):
            fits = f"bool_and({quote(one.name)} in (0, 1))"
            if session.rows(f"select {fits} from ({reading(table)})", doing=doing) == [(True,)]:
                types[one.name] = "BOOLEAN"
        elif one.kind == "VARCHAR" and wanted in MOMENTS:
            types[one.name] = csv_schema.moment_of(session, reading(table), one.name, MOMENTS[wanted])
    relation = f"({reading(table)})"
    [(rows,)] = session.rows(f"select count(*) from {relation}", doing=doing)
    width = _width(session, relation)
    return replace(table, columns=types, rows=rows, width=width, share=_share(file, rows, width))


def _groups(places: int) -> tuple[int, ...]:
    """Give the rows of the engine's row groups, those that are deleted among them."""
    whole, rest = divmod(places, database_file.GROUP_ROWS)
    return (database_file.GROUP_ROWS,) * whole + ((rest,) if rest else ())


def _share(file: SourceFile, rows: int, width: float) -> float:
    """Guess which part of a file is a table's."""
    return min(1.0, rows * width / max(1, file.bytes))


def _width(session: Session, relation: str) -> float:
    """Guess the bytes of a row."""
    [(width,)] = session.rows(
        f"select avg(strlen(r::varchar)) from (select * from {relation} limit {LOOKED_AT}) r",
        doing="looking at rows",
    )
    return float(width or 1)
