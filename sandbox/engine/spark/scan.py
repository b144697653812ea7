"""Tables of files read by Spark and scanned by DuckDB, with projection and filter pushdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sandbox.engine.duckdb.arrow_scan import ScannableTable
from sandbox.engine.spark.table import ROW_NUMBER_COLUMN, SparkTable, alias_expression
from sandbox.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

BATCH_ROWS = 1 << 17


class SparkScan(ScannableTable):
    """The rows of some files of a table: its columns, then a row's number in its file, from 0.

    Args:
        table: The table.
        pieces: The files, by their numbers, in groups to read together.
        narrowed: Whether the table's condition applies.
        failed: Called with an error, which then ends DuckDB's statement.
    """

    def __init__(
        self,
        table: SparkTable,
        pieces: Sequence[Sequence[int]],
        *,
        narrowed: bool,
        failed: Callable[[SandboxError], None],
    ) -> None:
        super().__init__([*(table.kinds[name] for name in table.columns), pa.int64()])
        self._table, self._pieces, self._is_filtered, self._report_error = table, pieces, narrowed, failed

    def read_batches(self, read: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Yield some columns, in the files' order."""
        for piece in self._pieces:
            try:
                rows = self._fetch_piece(piece, read)
            except SandboxError as error:
                self._report_error(error)
                raise
            yield from rows.to_batches(max_chunksize=BATCH_ROWS)

    def _fetch_piece(self, piece: Sequence[int], read: pa.Schema) -> pa.Table:
        table = self._table
        held = [f"c{number}" for number in table.file_columns.values() if f"c{number}" in read.names]
        frame = table.build_frame(piece, self._is_filtered)
        single_file = len(piece) == 1
        chosen = [*(frame[name] for name in held), *([frame[ROW_NUMBER_COLUMN]] if single_file else [])]
        rows = table.cluster.fetch_table(
            frame.select(*chosen) if chosen else frame.select(alias_expression("1", "one"))
        )
        if single_file:
            rows = rows.sort_by(ROW_NUMBER_COLUMN)
        return pa.table({name: self._build_column(name, rows, piece, read) for name in read.names}, schema=read)

    def _build_column(self, name: str, rows: pa.Table, piece: Sequence[int], read: pa.Schema) -> Any:
        kind = read.field(name).type
        if int(name[1:]) == len(self._table.columns):
            return rows.column(ROW_NUMBER_COLUMN).cast(kind)  # read file by file if needed
        constants = self._table.constants.get(self._table.columns[int(name[1:])])
        if constants is None:
            return rows.column(name).cast(kind)
        [index] = piece  # files with constants are read one by one
        return pa.array([constants[index]] * rows.num_rows, kind)
