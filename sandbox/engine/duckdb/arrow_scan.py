"""Arrow tables and schemas, and what a session makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as ds

from sandbox.engine.duckdb.session import quote_identifier

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sandbox.engine.duckdb.session import Session

BATCH_VIEW = "arrow batch"


class ScannableTable(ds.InMemoryDataset):  # type: ignore[misc]  # pyarrow has no types
    """A table that the engine can scan: it asks for columns, and for rows that fit a condition.

    Its columns are called by their numbers (``c0``), so that a condition's text tells for certain which it reads.

    Args:
        kinds: The types of its columns.
    """

    def __init__(self, kinds: Sequence[pa.DataType]) -> None:
        self.fields = pa.schema([(f"c{number}", kind) for number, kind in enumerate(kinds)])
        super().__init__(self.fields.empty_table())

    def read_batches(self, read: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Give the rows, with these of its columns."""
        raise NotImplementedError

    def scanner(self, columns: Sequence[str] | None = None, filter: Any = None, **_: Any) -> BatchScanner:  # noqa: A002
        """Give what stands for a scanner of pyarrow's for these columns and this condition."""
        wanted = list(columns) if columns is not None else self.fields.names
        text = "" if filter is None else str(filter)
        read = [name for name in self.fields.names if name in wanted or name in text] or self.fields.names[:1]
        schema = pa.schema([self.fields.field(name) for name in read])
        return BatchScanner(batches=self.read_batches(schema), schema=schema, columns=wanted, condition=filter)


@dataclass(frozen=True, kw_only=True)
class BatchScanner:
    """Rows on their way to the engine, read by the thread that asks for them.

    pyarrow's own scanner reads ahead on threads that know nothing of an interruption: they still ran Python when the
    interpreter ended, which aborts the process.

    Attributes:
        batches: The rows.
        schema: Of the batches.
        columns: Those that are wanted of them.
        condition: Rows for which it is not true are left out; None takes all.
    """

    batches: Iterator[pa.RecordBatch]
    schema: pa.Schema
    columns: list[str]
    condition: Any

    def to_reader(self) -> pa.RecordBatchReader:
        """Give the rows as a stream, which can be read once."""
        wanted = pa.schema([self.schema.field(name) for name in self.columns])
        return pa.RecordBatchReader.from_batches(wanted, self._filter_batches())

    def _filter_batches(self) -> Iterator[pa.RecordBatch]:
        for batch in self.batches:
            yield (batch if self.condition is None else batch.filter(self.condition)).select(self.columns)


def describe_schema(session: Session, schema: pa.Schema) -> dict[str, str]:
    """Give the engine's name of each column's type, in order."""
    session.connection.register(BATCH_VIEW, schema.empty_table())
    try:
        rows = session.fetch_rows(f"describe {quote_identifier(BATCH_VIEW)}", doing="reading the columns")
    finally:
        session.connection.unregister(BATCH_VIEW)
    return {row[0]: row[1] for row in rows}


def insert_rows(session: Session, batch: pa.Table, into: str, columns: str) -> None:
    """Insert Arrow rows into a table of the session.

    Args:
        session: The engine.
        batch: The rows.
        into: The table's name.
        columns: The SELECT list over them.
    """
    session.connection.register(BATCH_VIEW, batch)
    try:
        session.execute(f"insert into {quote_identifier(into)} select {columns} from {quote_identifier(BATCH_VIEW)}")
    finally:
        session.connection.unregister(BATCH_VIEW)
