"""DuckDB files as sources: attached for reading only. Views are not tables: their text could name any file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.engine.database_schema import Declared, DeclaredReference
from sandbox.engine.duckdb.session import Session, literal, quote
from sandbox.errors import SandboxError, SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

ALIAS = "source file"
MAIN = "main"
GROUP_ROWS = 122_880  # of the engine's own row groups


def attach(session: Session, path: str) -> None:
    """Let a session read a database file.

    Raises:
        SourceError: It cannot be read, or somebody writes to it.
    """
    if "?" in path and Path(f"{path}.wal").exists():
        # DuckDB 2.0 looks for it under another name (it takes what follows for options) and would read older rows.
        raise SourceError(
            f"{path} has a ? in its path and a .wal beside it, which DuckDB does not find there",
            hint="open and close the file with DuckDB, or move both elsewhere",
        )
    try:
        session.execute(f"attach if not exists {literal(path)} as {quote(ALIAS)} (type duckdb, read_only)")
    except SandboxError as error:
        if "Conflicting lock" in error.message:
            raise SourceError(
                f"{path} is open for writing in another program: {error.message}",
                hint="close it there, or copy the file and name the copy",
            ) from error
        raise SourceError(f"{path} cannot be read as a DuckDB file: {error.message}") from error


def relation(schema: str, table: str) -> str:
    """Give SQL that can stand after ``from``."""
    return f"{quote(ALIAS)}.{quote(schema)}.{quote(table)}"


def declared(path: str) -> list[Declared]:
    """Give the tables of a database file, by schema and name (see `attach`)."""
    with Session(threads=1) as session:
        attach(session, path)
        tables = session.rows(
            "select schema_name, table_name from duckdb_tables() where database_name = ? and not internal order by all",
            [ALIAS],
        )
        constraints = session.rows(
            "select schema_name, table_name, constraint_type, constraint_column_names, referenced_table, "
            "referenced_column_names from duckdb_constraints() where database_name = ? order by constraint_index",
            [ALIAS],
        )
    return [
        Declared(
            schema=schema,
            table=table,
            key=_key([one[2:] for one in constraints if one[:2] == (schema, table)]),
            references=tuple(
                # The engine lets tables refer to those of their own schema only.
                DeclaredReference(columns=tuple(columns), schema=schema, table=target, key=tuple(key))
                for *place, kind, columns, target, key in constraints
                if place == [schema, table] and kind == "FOREIGN KEY"
            ),
        )
        for schema, table in tables
    ]


def _key(constraints: Sequence[tuple[str, list[str], str, list[str]]]) -> tuple[str, ...]:
    never_null = {columns[0] for kind, columns, *_ in constraints if kind == "NOT NULL"}
    for wanted in ("PRIMARY KEY", "UNIQUE"):
        for kind, columns, *_ in constraints:
            if kind == wanted and (kind == "PRIMARY KEY" or never_null.issuperset(columns)):
                return tuple(columns)
    return ()
