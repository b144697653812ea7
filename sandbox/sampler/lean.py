"""Only the columns that decide: what counting and checking read, so that text files are not parsed again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine.duck import quote
from sandbox.sampler.blame import blamed
from sandbox.sampler.table import reading

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox.engine.duck import Session
    from sandbox.sampler.table import SourceTable

EXACT_UP_TO = 5_000_000  # rows of a table whose keys and references are checked over the whole source


def lean(session: Session, table: SourceTable, columns: Iterable[str]) -> str:
    """Make some columns of a table readable under a name, and give the name.

    Parquet is read where it lies, a column costs nothing that is not asked for; smaller text files are parsed once.
    """
    name = f"lean {table.name.encode().hex()}"  # the engine takes "A" and "a" for one name
    wanted = list(dict.fromkeys(columns)) or list(table.columns)[:1]
    chosen = ", ".join(quote(column) for column in wanted)
    kept = "table" if table.format != "parquet" and table.rows <= EXACT_UP_TO else "view"
    with blamed(table.format, table.files):
        session.execute(
            f"create or replace temp {kept} {quote(name)} as select {chosen} from ({reading(table)})",
            doing=f"reading {table.name}",
        )
    return name
