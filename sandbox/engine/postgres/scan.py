"""Postgres tables scanned by DuckDB, with projection and filter pushdown."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pyarrow as pa

from sandbox.engine.duckdb.arrow_scan import ScannableTable
from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.postgres.columns import qualify_table
from sandbox.engine.postgres.value_checks import explain_value_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from sandbox.engine.postgres.catalog import PostgresTable
    from sandbox.engine.postgres.columns import PostgresColumn
    from sandbox.engine.postgres.snapshot import PostgresSnapshot
    from sandbox.errors import SandboxError

ROWS_ALIAS = "r"  # the table's alias in conditions


class PostgresScan(ScannableTable):
    """All rows of a table, or those in a range of its blocks.

    Args:
        snapshot: The snapshot.
        name: The table's name in ``sandbox.toml``.
        table: The table.
        columns: How its columns are read.
        blocks: The first block and the one after the last; None reads all.
        narrowed: Whether the snapshot's condition applies.
        failed: Called with an error, which then ends DuckDB's statement.
    """

    def __init__(
        self,
        snapshot: PostgresSnapshot,
        name: str,
        table: PostgresTable,
        columns: Sequence[PostgresColumn],
        blocks: tuple[int, int] | None,
        *,
        narrowed: bool,
        failed: Callable[[SandboxError], None],
    ) -> None:
        super().__init__([column.arrow_type for column in columns])
        self._snapshot, self._name, self._table = snapshot, name, table
        self._columns, self._blocks, self._is_filtered, self._report_error = columns, blocks, narrowed, failed

    def read_batches(self, read: pa.Schema) -> Iterator[pa.RecordBatch]:
        names = [f"{self._columns[int(name[1:])].sql} as {name}" for name in read.names]
        conditions = [] if self._blocks is None else [build_block_condition(*self._blocks)]
        if self._is_filtered and self._table.oid in self._snapshot.conditions:
            conditions.append(self._snapshot.conditions[self._table.oid])
        where = f" where {' and '.join(conditions)}" if conditions else ""
        with explain_value_errors(self._name, self._table, self._report_error):
            for batch in self._snapshot.fetch_batches(
                f"select {', '.join(names)} from {qualify_table(self._table)} as {ROWS_ALIAS}{where}"
            ):
                yield pa.RecordBatch.from_arrays(batch.columns, schema=read)


def count_groups(
    snapshot: PostgresSnapshot,
    name: str,
    table: PostgresTable,
    columns: Sequence[PostgresColumn],
    key: Sequence[str],
    *,
    most: int,
) -> pa.Table | None:
    """Count the rows of a table by some columns, in the server.

    Returns:
        The columns, the number of rows with a complete key and the number of all rows of each group; None if there are
        more groups than ``most``.

    Raises:
        SourceError: The database refuses, or a value is unsupported.
    """
    kinds = [*(column.arrow_type for column in columns), pa.int64(), pa.int64()]
    schema = pa.schema([(f"c{number}", kind) for number, kind in enumerate(kinds)])
    whole = " and ".join(f"{quote_identifier(name)} is not null" for name in key)
    values = [*(column.sql for column in columns), f"count(*) filter (where {whole})", "count(*)"]
    select = ", ".join(f"{sql} as c{number}" for number, sql in enumerate(values))
    groups = ", ".join(str(number + 1) for number in range(len(columns)))
    by = f" group by {groups}" if columns else ""
    sql = f"select {select} from {qualify_table(table)} as {ROWS_ALIAS}{by}"
    with explain_value_errors(name, table):
        batches = snapshot.run_in_thread(lambda: _collect_batches(snapshot.fetch_batches(sql), most))
    if batches is None:
        return None
    return pa.Table.from_batches(
        [pa.RecordBatch.from_arrays(batch.columns, schema=schema) for batch in batches], schema=schema
    )


def _collect_batches(batches: Generator[pa.RecordBatch], most: int) -> list[pa.RecordBatch] | None:
    """Return all batches; None if they have more than ``most`` rows together."""
    collected: list[pa.RecordBatch] = []
    with contextlib.closing(batches):
        for batch in batches:
            collected.append(batch)
            if sum(part.num_rows for part in collected) > most:
                return None
    return collected


def build_block_condition(first: int, stop: int) -> str:
    """Return the condition for a row to lie in a range of blocks; the server reads no others."""
    return f"{ROWS_ALIAS}.ctid >= '({first},0)'::tid and {ROWS_ALIAS}.ctid < '({stop},0)'::tid"
