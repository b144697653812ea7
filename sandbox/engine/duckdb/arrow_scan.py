"""Arrow rows of any origin, scanned by DuckDB with projection and filter pushdown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as ds  # takes 0.3 s if pandas is installed: import this module where rows are scanned

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class ScannableTable(ds.InMemoryDataset):  # type: ignore[misc]  # pyarrow has no types
    """A table read by DuckDB with projection and filter pushdown.

    Its columns are named by number (``c0``), so the columns used by a condition can be read from its text.
    """

    def __init__(self, kinds: Sequence[pa.DataType]) -> None:
        self.fields = pa.schema([(f"c{number}", kind) for number, kind in enumerate(kinds)])
        super().__init__(self.fields.empty_table())

    def read_batches(self, read: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Yield the rows with these columns."""
        raise NotImplementedError

    def scanner(self, columns: Sequence[str] | None = None, filter: Any = None, **_: Any) -> BatchScanner:  # noqa: A002
        """Return a `BatchScanner` in place of pyarrow's scanner."""
        selected = list(columns) if columns is not None else self.fields.names
        text = "" if filter is None else str(filter)
        read = [name for name in self.fields.names if name in selected or name in text] or self.fields.names[:1]
        schema = pa.schema([self.fields.field(name) for name in read])
        return BatchScanner(batches=self.read_batches(schema), schema=schema, columns=selected, condition=filter)


@dataclass(frozen=True, kw_only=True)
class BatchScanner:
    """Rows read by the thread that requests them.

    pyarrow's own scanner prefetches on threads that ignore interrupts: they still ran Python at interpreter exit, which
    aborts the process.

    Attributes:
        batches: The rows.
        schema: Schema of the batches.
        columns: Columns to return.
        condition: Filter on the rows; None returns all.
    """

    batches: Iterator[pa.RecordBatch]
    schema: pa.Schema
    columns: list[str]
    condition: Any

    def to_reader(self) -> pa.RecordBatchReader:
        """Return the rows as a stream, readable once."""
        schema = pa.schema([self.schema.field(name) for name in self.columns])
        return pa.RecordBatchReader.from_batches(schema, self._filter_batches())

    def _filter_batches(self) -> Iterator[pa.RecordBatch]:
        for batch in self.batches:
            yield (batch if self.condition is None else batch.filter(self.condition)).select(self.columns)
