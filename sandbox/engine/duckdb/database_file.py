"""DuckDB files as sources, attached read-only. Views are not listed: their SQL could read any file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.engine.database_schema import DeclaredReference, DeclaredTable
from sandbox.engine.duckdb.session import Session, quote_identifier, quote_literal
from sandbox.errors import SandboxError, SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCE_ALIAS = "source file"
ROW_GROUP_SIZE = 122_880  # rows per row group in DuckDB files


def attach_database(session: Session, path: str) -> None:
    """Attach a database file to a session, read-only.

    Raises:
        SourceError: The file cannot be read, or another process writes to it.
    """
    if "?" in path and Path(f"{path}.wal").exists():
        # DuckDB 2.0 parses the text after ? as options, looks for another .wal name, and would read older rows.
        raise SourceError(
            f"{path} has a ? in its path and a .wal beside it, which DuckDB does not find there",
            hint="open and close the file with DuckDB, or move both elsewhere",
        )
    try:
        session.execute(
            f"attach if not exists {quote_literal(path)} as {quote_identifier(SOURCE_ALIAS)} (type duckdb, read_only)"
        )
    except SandboxError as error:
        if "Conflicting lock" in error.message:
            raise SourceError(
                f"{path} is open for writing in another program: {error.message}",
                hint="close it there, or copy the file and name the copy",
            ) from error
        raise SourceError(f"{path} cannot be read as a DuckDB file: {error.message}") from error


def qualify_table(schema: str, table: str) -> str:
    """Return the table's quoted name, valid after ``from``."""
    return f"{quote_identifier(SOURCE_ALIAS)}.{quote_identifier(schema)}.{quote_identifier(table)}"


def list_declared_tables(path: str) -> list[DeclaredTable]:
    """Return the tables of a database file, ordered by schema and name (see `attach_database`)."""
    with Session(threads=1) as session:
        attach_database(session, path)
        tables = session.fetch_rows(
            "select schema_name, table_name from duckdb_tables() where database_name = ? and not internal order by all",
            [SOURCE_ALIAS],
        )
        constraints = session.fetch_rows(
            "select schema_name, table_name, constraint_type, constraint_column_names, referenced_table, "
            "referenced_column_names from duckdb_constraints() where database_name = ? order by constraint_index",
            [SOURCE_ALIAS],
        )
    return [
        DeclaredTable(
            schema=schema,
            table=table,
            key=_find_key([constraint[2:] for constraint in constraints if constraint[:2] == (schema, table)]),
            references=tuple(
                # DuckDB allows references within one schema only.
                DeclaredReference(columns=tuple(columns), schema=schema, table=target, key=tuple(key))
                for *location, kind, columns, target, key in constraints
                if location == [schema, table] and kind == "FOREIGN KEY"
            ),
        )
        for schema, table in tables
    ]


def _find_key(constraints: Sequence[tuple[str, list[str], str, list[str]]]) -> tuple[str, ...]:
    never_null = {columns[0] for kind, columns, *_ in constraints if kind == "NOT NULL"}
    for expected_kind in ("PRIMARY KEY", "UNIQUE"):
        for kind, columns, *_ in constraints:
            if kind == expected_kind and (kind == "PRIMARY KEY" or never_null.issuperset(columns)):
                return tuple(columns)
    return ()
