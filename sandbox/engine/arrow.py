"""Arrow tables and schemas, and what a session makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as ds

from sandbox.engine.duck import quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sandbox.engine.duck import Session

BATCH = "arrow batch"
READ_AHEAD = 2  # batches that wait for the engine


class Scanned(ds.InMemoryDataset):  # type: ignore[misc]  # pyarrow has no types
    """A table that the engine can scan: it asks for columns, and for rows that fit a condition.

    Its columns are called by their numbers (``c0``), so that a condition's text tells for certain which it reads.

    Args:
        kinds: The types of its columns.
    """

    def __init__(self, kinds: Sequence[pa.DataType]) -> None:
        self.fields = pa.schema([(f"c{number}", kind) for number, kind in enumerate(kinds)])
        super().__init__(self.fields.empty_table())

    def batches(self, read: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Give the rows, with these of its columns."""
        raise NotImplementedError

    def scanner(self, columns: Sequence[str] | None = None, filter: Any = None, **_: Any) -> ds.Scanner:  # noqa: A002
        """Give what pyarrow's own datasets give for these columns and this condition."""
        wanted = list(columns) if columns is not None else self.fields.names
        text = "" if filter is None else str(filter)
        read = [name for name in self.fields.names if name in wanted or name in text] or self.fields.names[:1]
        schema = pa.schema([self.fields.field(name) for name in read])
        return ds.Scanner.from_batches(
            self.batches(schema), schema=schema, columns=wanted, filter=filter, batch_readahead=READ_AHEAD
        )


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
