"""Arrow types and rows that a DuckDB session reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.engine.duckdb.session import Session

BATCH_VIEW = "arrow batch"
MAX_DECIMAL_DIGITS = 38
NATIVE_EXTENSIONS = ("arrow.uuid", "arrow.json")  # types of DuckDB


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
