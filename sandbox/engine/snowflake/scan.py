"""Snowflake tables scanned by DuckDB, with projection pushdown, and counted by the warehouse."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pyarrow as pa

from sandbox.engine.duckdb.arrow_scan import ScannableTable
from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.rule.pushdown_sql import ROW_ALIAS
from sandbox.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sandbox.engine.snowflake.catalog import SnowflakeTable
    from sandbox.engine.snowflake.client import SnowflakeClient
    from sandbox.engine.snowflake.columns import SnowflakeColumn


class SnowflakeScan(ScannableTable):
    """All rows of a table.

    Args:
        client: The connection.
        table: The table.
        columns: How its columns are read.
        is_filtered: Whether the client's condition applies.
        on_error: Called with an error, which then ends DuckDB's statement.
    """

    def __init__(
        self,
        client: SnowflakeClient,
        table: SnowflakeTable,
        columns: Sequence[SnowflakeColumn],
        *,
        is_filtered: bool,
        on_error: Callable[[SandboxError], None],
    ) -> None:
        super().__init__([column.arrow_type for column in columns])
        self._client, self._table, self._columns = client, table, columns
        self._is_filtered, self._report_error = is_filtered, on_error

    def read_batches(self, read: pa.Schema) -> Iterator[pa.RecordBatch]:
        chosen = [self._columns[int(name[1:])] for name in read.names]
        name = self._table.quoted_name
        condition = self._client.conditions.get(name) if self._is_filtered else None
        where = f" where {condition}" if condition else ""
        values = ", ".join(f"{column.sql} as c{number}" for number, column in enumerate(chosen))
        sql = f"select {values} from {name} as {quote_identifier(ROW_ALIAS)}{where}"
        try:
            with contextlib.closing(self._client.fetch_batches(sql)) as batches:
                for rows in batches:
                    yield from convert_rows(rows, read).to_batches()
        except SandboxError as error:
            self._report_error(error)
            raise


def convert_rows(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return a result with the types of its columns; timestamps arrive as microseconds."""
    columns = []
    for column, kind in zip(rows.columns, schema.types, strict=True):
        number = column.cast(pa.int64()) if pa.types.is_timestamp(kind) else column
        columns.append(number.cast(kind))
    return pa.table(columns, schema=schema)


def count_groups(
    client: SnowflakeClient, table: SnowflakeTable, columns: Sequence[SnowflakeColumn], key: Sequence[str], *, most: int
) -> pa.Table | None:
    """Count the rows of a table by some columns, in the warehouse.

    Returns:
        The columns, the number of rows with a complete key and the number of all rows of each group; None if there are
        more groups than ``most``.
    """
    kinds = [*(column.arrow_type for column in columns), pa.int64(), pa.int64()]
    schema = pa.schema([(f"c{number}", kind) for number, kind in enumerate(kinds)])
    whole = " and ".join(f"{quote_identifier(name)} is not null" for name in key)
    values = [*(column.sql for column in columns), f"count_if({whole})", "count(*)"]
    select = ", ".join(f"{sql} as c{number}" for number, sql in enumerate(values))
    groups = f" group by {', '.join(column.sql for column in columns)}" if columns else ""
    batches = list(client.fetch_batches(f"select {select} from {table.quoted_name}{groups} limit {most + 1}"))
    counted = pa.concat_tables([convert_rows(batch, schema) for batch in batches]) if batches else schema.empty_table()
    return None if counted.num_rows > most else counted
