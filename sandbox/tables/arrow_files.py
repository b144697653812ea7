"""Open Arrow IPC (Feather) and ORC files as datasets for the query engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow import feather, fs, ipc, orc

from sandbox.engine.duckdb.arrow_types import check_arrow_types
from sandbox.error_text import describe_foreign_error
from sandbox.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sandbox.model import TableFormat

FILE_MAGIC = b"ARROW1"
FEATHER_V1_MAGIC = b"FEA1"


def open_dataset(
    paths: Sequence[Path], format_: TableFormat, *, file_column: str | None = None
) -> tuple[Any, list[str]]:
    """Return the dataset of Arrow or ORC files for the query engine, and the names of the files' columns.

    ``file_column`` is the name of a last column with the path of each row's file; None adds none.

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
            check_arrow_types(str(path), schema)
        schema = pa.unify_schemas([schema_.remove_metadata() for schema_ in schemas])
        marks = [] if file_column is None else [pa.field(file_column, pa.string())]
        if all(table is None for table in tables):
            dataset = ds.FileSystemDataset.from_paths(
                [str(path) for path in paths],
                schema=pa.schema([*schema, *marks]),
                format=ds.OrcFileFormat() if format_ == "orc" else ds.IpcFileFormat(),
                filesystem=fs.LocalFileSystem(),
                partitions=[ds.field(file_column) == str(path) for path in paths] if file_column else None,
            )
            return dataset, schema.names
        read = [
            table if table is not None else ds.dataset(str(path), format="ipc").to_table()
            for path, table in zip(paths, tables, strict=True)
        ]
        read = [table.select(schema.names).cast(schema) for table in read]
        if file_column is not None:
            read = [
                table.append_column(marks[0], pa.repeat(str(path), table.num_rows))
                for path, table in zip(paths, read, strict=True)
            ]
        return pa.concat_tables(read), schema.names
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
