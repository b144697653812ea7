"""Only the columns that decide: what counting and checking read, so that text files are not parsed again and again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote
from sandbox.sources.files.file_errors import blamed
from sandbox.sources.table import reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.table import SourceTable

EXACT_UP_TO = 5_000_000  # rows of a table whose keys and references are checked over the whole source


@dataclass(frozen=True, kw_only=True)
class LeanSource:
    """The columns that decide, of every table, as the source has them.

    Attributes:
        names: For each table the name of a view or table of the session.
        columns: For each table its columns there and the engine's names of their types.
    """

    names: Mapping[str, str]
    columns: Mapping[str, Mapping[str, str]]

    def relation(self, table: str) -> str:
        """Give SQL that can stand after ``from``."""
        return quote(self.names[table])

    @property
    def relations(self) -> dict[str, str]:
        """The same for every table."""
        return {table: quote(name) for table, name in self.names.items()}


def lean_source(
    session: Session, tables: Mapping[str, SourceTable], columns: Mapping[str, Iterable[str]]
) -> LeanSource:
    """Make some columns of every table readable (see `lean`)."""
    chosen = {
        name: {column: table.columns[column] for column in dict.fromkeys(columns[name])}
        or dict(list(table.columns.items())[:1])
        for name, table in tables.items()
    }
    return LeanSource(
        names={name: lean(session, table, chosen[name]) for name, table in tables.items()}, columns=chosen
    )


def lean(session: Session, table: SourceTable, columns: Iterable[str]) -> str:
    """Make some columns of a table readable under a name, and give the name.

    Parquet is read where it lies, a column costs nothing that is not asked for; smaller text files are parsed once.
    """
    name = f"lean {table.name.encode().hex()}"  # the engine takes "A" and "a" for one name
    wanted = list(dict.fromkeys(columns)) or list(table.columns)[:1]
    chosen = ", ".join(quote(column) for column in wanted)
    kept = "table" if table.format not in {"parquet", "duckdb"} and table.rows <= EXACT_UP_TO else "view"
    with blamed(table.format, table.files):
        session.execute(
            f"create or replace temp {kept} {quote(name)} as select {chosen} from ({reading(table)})",
            doing=f"reading {table.name}",
        )
    return name
