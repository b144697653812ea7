"""Only the columns that decide: what counting and checking read, so that text files are not parsed again and again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.sources.files.file_errors import translate_file_errors
from sandbox.sources.table import build_select

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.table import SourceTable

MAX_EXACT_ROWS = 5_000_000  # rows of a table whose keys and references are checked over the whole source


@dataclass(frozen=True, kw_only=True)
class SourceProjection:
    """The columns that decide, of every table, as the source has them.

    Attributes:
        names: For each table the name of a view or table of the session.
        columns: For each table its columns there and the engine's names of their types.
    """

    names: Mapping[str, str]
    columns: Mapping[str, Mapping[str, str]]

    def quote_relation(self, table: str) -> str:
        """Give SQL that can stand after ``from``."""
        return quote_identifier(self.names[table])

    @property
    def relations(self) -> dict[str, str]:
        """The same for every table."""
        return {table: quote_identifier(name) for table, name in self.names.items()}


def project_tables(
    session: Session, tables: Mapping[str, SourceTable], columns: Mapping[str, Iterable[str]]
) -> SourceProjection:
    """Make some columns of every table readable (see `project_table`)."""
    chosen = {
        name: {column: table.columns[column] for column in dict.fromkeys(columns[name])}
        or dict(list(table.columns.items())[:1])
        for name, table in tables.items()
    }
    return SourceProjection(
        names={name: project_table(session, table, chosen[name]) for name, table in tables.items()},
        columns=chosen,
    )


def project_table(session: Session, table: SourceTable, columns: Iterable[str]) -> str:
    """Make some columns of a table readable under a name, and give the name.

    Parquet is read where it lies, a column costs nothing that is not asked for; smaller text files are parsed once.
    """
    name = f"lean {table.name.encode().hex()}"  # the engine takes "A" and "a" for one name
    wanted = list(dict.fromkeys(columns)) or list(table.columns)[:1]
    chosen = ", ".join(quote_identifier(column) for column in wanted)
    kept = "table" if table.format not in {"parquet", "duckdb"} and table.rows <= MAX_EXACT_ROWS else "view"
    with translate_file_errors(table.format, table.files):
        session.execute(
            f"create or replace temp {kept} {quote_identifier(name)} as select {chosen} from ({build_select(table)})",
            doing=f"reading {table.name}",
        )
    return name
