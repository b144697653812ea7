"""Arrow tables and schemas read by a DuckDB session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sandbox.engine.duckdb.session import Session

BATCH_VIEW = "arrow batch"
MAX_DECIMAL_DIGITS = 38
NATIVE_EXTENSIONS = ("arrow.uuid", "arrow.json")  # types of DuckDB


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


def describe_schema(session: Session, schema: pa.Schema) -> dict[str, str]:
    """Return the DuckDB type of each column, in order."""
    session.connection.register(BATCH_VIEW, schema.empty_table())
    try:
        rows = session.fetch_rows(f"describe {quote_identifier(BATCH_VIEW)}", doing="reading the columns")
    finally:
        session.connection.unregister(BATCH_VIEW)
    return {row[0]: row[1] for row in rows}


def check_arrow_types(path: str, schema: pa.Schema) -> None:
    """Check that the query engine holds every value exactly, and distinguishes the columns.

    Raises:
        SourceError: It does not.
    """
    lower = [name.lower() for name in schema.names]
    twice = sorted({name for name in schema.names if lower.count(name.lower()) > 1})
    if twice:
        raise SourceError(f"{path}: columns that differ at most in case: {', '.join(twice)}")
    for field in schema:
        for kind in walk_types(field.type):
            if is_unsupported_type(kind):
                raise SourceError(
                    f"{path}: the query engine does not hold every value of {field.name} ({field.type})",
                    hint=f'leave the column out: leave_out = ["{field.name}"]',
                )


def is_unsupported_type(kind: pa.DataType) -> bool:
    """Return whether DuckDB changes some values of a plain Arrow type, or cannot read it."""
    nanoseconds = pa.types.is_duration(kind) and kind.unit == "ns"
    long = pa.types.is_decimal(kind) and kind.precision > MAX_DECIMAL_DIGITS
    return bool(nanoseconds or long or pa.types.is_interval(kind))


def walk_types(kind: pa.DataType) -> Iterator[pa.DataType]:
    """Yield an Arrow type and those within it."""
    yield kind
    if isinstance(kind, pa.BaseExtensionType):
        yield from walk_types(kind.storage_type)
    elif pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        yield from walk_types(kind.value_type)
    for index in range(kind.num_fields):
        yield from walk_types(kind.field(index).type)


def choose_plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of a column's values without dictionary, run-end encoding and extension.

    >>> str(choose_plain_type(pa.dictionary(pa.int8(), pa.string())))
    'string'
    """
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return choose_plain_type(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType) and kind.extension_name not in NATIVE_EXTENSIONS:
        return choose_plain_type(kind.storage_type)
    return kind


def convert_to_plain(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """Convert a column to its plain type (see `choose_plain_type`)."""
    while column.type != kind:
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        elif pa.types.is_run_end_encoded(column.type):
            column = pc.run_end_decode(column)
        elif isinstance(column.type, pa.BaseExtensionType):
            column = column.storage
        else:
            return column.cast(kind)
    return column


def insert_rows(session: Session, batch: pa.Table, into: str, columns: str) -> None:
    """Insert Arrow rows into a table of the session.

    ``columns`` is the SELECT list over the rows.
    """
    session.connection.register(BATCH_VIEW, batch)
    try:
        session.execute(f"insert into {quote_identifier(into)} select {columns} from {quote_identifier(BATCH_VIEW)}")
    finally:
        session.connection.unregister(BATCH_VIEW)
