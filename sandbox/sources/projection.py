"""Project tables to their key, reference and strata columns, so that text files are parsed once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.sources.registry import build_select, get_adapter, translate_file_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.table import SourceTable

MAX_EXACT_ROWS = 5_000_000  # rows up to which keys and references are checked over the whole source


@dataclass(frozen=True, kw_only=True)
class SourceProjection:
    """Projected tables of a session.

    Attributes:
        names: Table -> view or table of the session.
        columns: Table -> its projected columns and DuckDB's names of their types.
    """

    names: Mapping[str, str]
    columns: Mapping[str, Mapping[str, str]]

    def quote_relation(self, table: str) -> str:
        """Return SQL for the FROM clause."""
        return quote_identifier(self.names[table])

    @property
    def relations(self) -> dict[str, str]:
        """Table -> SQL for the FROM clause."""
        return {table: quote_identifier(name) for table, name in self.names.items()}


def project_tables(
    session: Session, tables: Mapping[str, SourceTable], columns: Mapping[str, Iterable[str]]
) -> SourceProjection:
    """Project every table to some of its columns (see `project_table`)."""
    chosen = {
        name: {column: table.columns[column] for column in dict.fromkeys(columns[name])}
        or dict(list(table.columns.items())[:1])
        for name, table in tables.items()
    }
    return SourceProjection(
        names={name: project_table(session, table, chosen[name]) for name, table in tables.items()},
        columns=chosen,
    )


def should_copy(table: SourceTable) -> bool:
    """Check whether a table is copied into the session rather than read in place: parsed, and small enough."""
    return not get_adapter(table).is_columnar and table.rows <= MAX_EXACT_ROWS


def project_table(session: Session, table: SourceTable, columns: Iterable[str]) -> str:
    """Create a view or table of some columns and return its name.

    Columnar tables are read in place, because unused columns cost nothing; smaller other ones are parsed once into a table.
    """
    name = f"lean {table.name.encode().hex()}"  # DuckDB ignores the case of names
    names = list(dict.fromkeys(columns)) or list(table.columns)[:1]
    chosen = ", ".join(quote_identifier(column) for column in names)
    kept = "table" if should_copy(table) else "view"
    with translate_file_errors(table.format, table.files):
        session.execute(
            f"create or replace temp {kept} {quote_identifier(name)} as select {chosen} from ({build_select(table)})",
            doing=f"reading {table.name}",
        )
    return name
