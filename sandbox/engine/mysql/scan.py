"""MySQL tables scanned by DuckDB, with projection pushdown."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from sandbox.config.toml_quoting import quote_key
from sandbox.engine.duckdb.arrow_scan import ScannableTable
from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.rule.pushdown_sql import ROW_ALIAS
from sandbox.errors import SandboxError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sandbox.engine.mysql.catalog import MySQLTable
    from sandbox.engine.mysql.columns import MySQLColumn
    from sandbox.engine.mysql.snapshot import MySQLSnapshot

ZERO_DATE_PATTERN = "^0000|-00"


class MySQLScan(ScannableTable):
    """All rows of a table.

    Args:
        snapshot: The snapshot.
        name: The table's name in ``sandbox.toml``.
        table: The table.
        columns: How its columns are read.
        is_filtered: Whether the snapshot's condition applies.
        on_error: Called with an error, which then ends DuckDB's statement.
    """

    def __init__(
        self,
        snapshot: MySQLSnapshot,
        name: str,
        table: MySQLTable,
        columns: Sequence[MySQLColumn],
        *,
        is_filtered: bool,
        on_error: Callable[[SandboxError], None],
    ) -> None:
        super().__init__([column.arrow_type for column in columns])
        self._snapshot, self._name, self._table = snapshot, name, table
        self._columns, self._is_filtered, self._report_error = columns, is_filtered, on_error

    def read_batches(self, read: pa.Schema) -> Iterator[pa.RecordBatch]:
        chosen = [self._columns[int(name[1:])] for name in read.names]
        name = self._table.quoted_name
        condition = self._snapshot.conditions.get(name) if self._is_filtered else None
        where = f" where {condition}" if condition else ""
        sql = f"select {', '.join(column.sql for column in chosen)} from {name} as {quote_identifier(ROW_ALIAS)}{where}"
        try:
            with contextlib.closing(self._snapshot.fetch_batches(sql)) as batches:
                for rows in batches:
                    values = [
                        self._convert_values(column, cells)
                        for column, cells in zip(chosen, zip(*rows, strict=True), strict=True)
                    ]
                    yield pa.RecordBatch.from_arrays(values, schema=read)
        except SandboxError as error:
            self._report_error(error)
            raise

    def _convert_values(self, column: MySQLColumn, cells: Sequence[str | bytes | None]) -> pa.Array:
        if pa.types.is_binary(column.arrow_type):
            return pa.array(cells, pa.binary())
        texts = pa.array(cells, pa.string())
        if column.is_temporal and pc.any(pc.match_substring_regex(texts, ZERO_DATE_PATTERN)).as_py():
            raise build_zero_date_error(self._name, column.name)
        return texts if column.arrow_type == pa.string() else texts.cast(column.arrow_type)


def build_zero_date_error(table: str, column: str) -> SourceError:
    """Build the error for a date that is no day of the calendar."""
    return SourceError(
        f"{table}.{column} holds zero dates (0000-00-00), which a sample cannot keep",
        hint=f'read it as text: {quote_key(column)} = "VARCHAR" in [tables.{quote_key(table)}.types]',
    )


def find_zero_dates(snapshot: MySQLSnapshot, table: MySQLTable, columns: Sequence[MySQLColumn]) -> list[str]:
    """Return the columns with a zero date, found in one pass over the table."""
    dated = [column for column in columns if column.is_temporal]
    if not dated:
        return []
    checks = ", ".join(f"max(cast({column.sql} as char) regexp '{ZERO_DATE_PATTERN}')" for column in dated)
    [flags] = snapshot.fetch_rows(f"select {checks} from {table.quoted_name}")
    return [column.name for column, flag in zip(dated, flags, strict=True) if flag == "1"]


def count_collation_matches(
    snapshot: MySQLSnapshot, table: MySQLTable, columns: Sequence[str], target: MySQLTable, key: Sequence[str]
) -> tuple[int, str]:
    """Count the rows whose reference the server finds only by a collation: equal texts written in different ways.

    Returns:
        Their number, and the collation.
    """
    collations = {column.name: column.collation for column in table.columns}
    others = {column.name: column.collation for column in target.columns}
    pairs = list(zip(columns, key, strict=True))
    inexact = [(column, other) for column, other in pairs if _is_inexact(collations[column], others[other])]
    if not inexact:
        return 0, ""
    same = " and ".join(f"c.{quote_identifier(column)} = p.{quote_identifier(other)}" for column, other in pairs)
    differs = " or ".join(
        f"binary c.{quote_identifier(column)} <> binary p.{quote_identifier(other)}" for column, other in inexact
    )
    query = f"select count(*) from {table.quoted_name} c join {target.quoted_name} p on {same} where {differs}"
    [(count,)] = snapshot.fetch_rows(query)
    return int(count), collations[inexact[0][0]] or ""


def _is_inexact(collation: str | None, other: str | None) -> bool:
    """Check whether two columns are compared by a collation that ignores case, accents or trailing blanks."""
    return collation is not None and collation == other and not collation.endswith("_nopad_bin")
