"""Arrow tables and schemas, and what a session makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine.duck import quote

if TYPE_CHECKING:
    import pyarrow as pa

    from sandbox.engine.duck import Session

BATCH = "arrow batch"


def kinds_of(session: Session, schema: pa.Schema) -> dict[str, str]:
    """Give the engine's name of each column's type, in order."""
    session.connection.register(BATCH, schema.empty_table())
    try:
        rows = session.rows(f"describe {quote(BATCH)}", doing="reading the columns")
    finally:
        session.connection.unregister(BATCH)
    return {row[0]: row[1] for row in rows}


def loaded(session: Session, batch: pa.Table, into: str, columns: str) -> None:
    """Insert Arrow rows into a table of the session.

    Args:
        session: The engine.
        batch: The rows.
        into: The table's name.
        columns: The SELECT list over them.
    """
    session.connection.register(BATCH, batch)
    try:
        session.execute(f"insert into {quote(into)} select {columns} from {quote(BATCH)}")
    finally:
        session.connection.unregister(BATCH)
