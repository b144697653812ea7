"""Open Arrow IPC (Feather) and ORC files as datasets for the query engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow import feather, ipc, orc

from sandbox.error_text import describe_foreign_error
from sandbox.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sandbox.model import TableFormat

FILE_MAGIC = b"ARROW1"
FEATHER_V1_MAGIC = b"FEA1"


def open_dataset(paths: Sequence[Path], format_: TableFormat) -> tuple[Any, list[str]]:
    """Return the dataset of Arrow or ORC files for the query engine, and the names of its columns.

    Raises:
        SourceError: A file cannot be read, or holds values unsupported by the query engine.
    """
    try:
        tables = [None if format_ == "orc" else _read_stream(path) for path in paths]
        schemas = [
            table.schema if table is not None else _read_schema(path, format_)
            for path, table in zip(paths, tables, strict=True)
        ]
        for path, schema in zip(paths, schemas, strict=True):
            _check_types(path, schema)
        schema = pa.unify_schemas([schema_.remove_metadata() for schema_ in schemas])
        if all(table is None for table in tables):
            kind = "orc" if format_ == "orc" else "ipc"
            return ds.dataset([str(path) for path in paths], schema=schema, format=kind), schema.names
        read = [
            table if table is not None else ds.dataset(str(path), format="ipc").to_table()
            for path, table in zip(paths, tables, strict=True)
        ]
        return pa.concat_tables([table.select(schema.names).cast(schema) for table in read]), schema.names
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise SourceError(f"{paths[0]} cannot be read as {format_}: {describe_foreign_error(error)}") from error


def _read_schema(path: Path, format_: TableFormat) -> pa.Schema:
    if format_ == "orc":
        return orc.ORCFile(str(path)).schema
    with ipc.open_file(str(path)) as reader:
        return reader.schema


def _read_stream(path: Path) -> pa.Table | None:
    """Return the rows of an Arrow IPC stream or a Feather file of version 1; None for an Arrow IPC file."""
    with path.open("rb") as file:
        head = file.read(len(FILE_MAGIC))
    if head == FILE_MAGIC:
        return None
    if head.startswith(FEATHER_V1_MAGIC):
        return feather.read_table(str(path))
    with path.open("rb") as file:
        return ipc.open_stream(file).read_all()


def _check_types(path: Path, schema: pa.Schema) -> None:
    """Check that the query engine holds every value exactly, and distinguishes the columns.

    Raises:
        SourceError: It does not.
    """
    lower = [name.lower() for name in schema.names]
    twice = sorted({name for name in schema.names if lower.count(name.lower()) > 1})
    if twice:
        raise SourceError(f"{path}: columns that differ at most in case: {', '.join(twice)}")
    for field in schema:
        for kind in _walk_types(field.type):
            nanoseconds = pa.types.is_duration(kind) and kind.unit == "ns"
            if nanoseconds or pa.types.is_interval(kind):
                raise SourceError(f"{path}: the query engine does not hold every value of {field.name} ({field.type})")


def _walk_types(kind: pa.DataType) -> Iterator[pa.DataType]:
    yield kind
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        yield from _walk_types(kind.value_type)
    for index in range(kind.num_fields):
        yield from _walk_types(kind.field(index).type)
