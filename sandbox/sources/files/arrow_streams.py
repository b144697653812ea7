"""Read Arrow IPC and ORC files batch by batch."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import feather, ipc, orc

from sandbox.engine.duckdb.arrow_scan import ScannableTable
from sandbox.engine.duckdb.arrow_types import choose_plain_type, convert_to_plain
from sandbox.sources.unreadable_file import build_file_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sandbox.sources.listing import SourceFile

FILE_MAGIC = b"ARROW1"
FEATHER_V1_MAGIC = b"FEA1"


@dataclass(frozen=True, kw_only=True)
class ArrowStream:
    """An opened file.

    Attributes:
        path: For messages.
        schema: Its columns.
        read_batches: Reads some of its columns from the start.
        rows: Number of its rows; None if only reading tells.
    """

    path: str
    schema: pa.Schema
    read_batches: Callable[[Sequence[str]], Iterator[pa.RecordBatch]]
    rows: int | None = None

    @property
    def plain_schema(self) -> pa.Schema:
        """The columns without dictionaries and extension types."""
        return pa.schema([pa.field(field.name, choose_plain_type(field.type)) for field in self.schema])

    def count_rows(self) -> int:
        """Return the number of rows.

        Raises:
            SourceError: The file is damaged.
        """
        if self.rows is not None:
            return self.rows
        with translate_arrow_errors(self.path):
            return sum(batch.num_rows for batch in self.read_batches(self.schema.names[:1]))


class ArrowFileScan(ScannableTable):
    """The rows of a file, scannable by DuckDB."""

    def __init__(self, stream: ArrowStream) -> None:
        super().__init__([choose_plain_type(field.type) for field in stream.schema])
        self._stream = stream

    def read_batches(self, read: pa.Schema) -> Iterator[pa.RecordBatch]:
        names = [self._stream.schema.names[int(name[1:])] for name in read.names]
        with translate_arrow_errors(self._stream.path):
            for batch in self._stream.read_batches(names):
                columns = [
                    convert_to_plain(batch.column(batch.schema.get_field_index(name)), field.type)
                    for name, field in zip(names, read, strict=True)
                ]
                yield pa.RecordBatch.from_arrays(columns, schema=read)


@contextlib.contextmanager
def translate_arrow_errors(path: str) -> Iterator[None]:
    """Translate Arrow's errors to `SourceError`."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise build_file_error(path, "cannot be read", error) from error


def open_arrow_stream(file: SourceFile) -> ArrowStream:
    """Open an Arrow IPC file or stream, or a Feather file of version 1.

    Raises:
        SourceError: It is none.
    """
    with translate_arrow_errors(file.path):
        with file.open() as stream:
            head = stream.read(len(FILE_MAGIC))
        if head.startswith(FEATHER_V1_MAGIC):
            return _open_table(file.path, feather.read_table(_open_source(file)))
        if head != FILE_MAGIC:
            with ipc.open_stream(_open_source(file)) as reader:
                schema = reader.schema
            return ArrowStream(path=file.path, schema=schema, read_batches=lambda names: _read_stream(file, names))
        with ipc.open_file(_open_source(file)) as opened:
            schema = opened.schema
        return ArrowStream(path=file.path, schema=schema, read_batches=lambda names: _read_file(file, schema, names))


def _open_table(path: str, table: pa.Table) -> ArrowStream:
    def read(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        yield from table.select(list(names)).to_batches()

    return ArrowStream(path=path, schema=table.schema, read_batches=read, rows=table.num_rows)


def _read_stream(file: SourceFile, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    with ipc.open_stream(_open_source(file)) as reader:
        for batch in reader:
            yield batch.select(list(names))


def _read_file(file: SourceFile, schema: pa.Schema, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    fields = [schema.get_field_index(name) for name in names]
    options = ipc.IpcReadOptions(included_fields=sorted(fields))
    with ipc.open_file(_open_source(file), options=options) as reader:
        for index in range(reader.num_record_batches):
            yield reader.get_batch(index)


def open_orc_stream(file: SourceFile) -> ArrowStream:
    """Open an ORC file.

    Raises:
        SourceError: It is none.
    """
    with translate_arrow_errors(file.path):
        opened = orc.ORCFile(_open_source(file))
        return ArrowStream(
            path=file.path,
            schema=opened.schema,
            read_batches=lambda names: _read_stripes(file, names),
            rows=opened.nrows,
        )


def _read_stripes(file: SourceFile, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    opened = orc.ORCFile(_open_source(file))
    for index in range(opened.nstripes):
        yield opened.read_stripe(index, columns=list(names))


def _open_source(file: SourceFile) -> Any:
    if file.system is None:
        return pa.memory_map(file.path)
    return file.open()
