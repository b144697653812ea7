"""Hold the rows of a table of many small Parquet files in memory: opening such a file costs more than its rows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from sandbox.engine.duckdb.session import quote_identifier, quote_literal
from sandbox.errors import SandboxError
from sandbox.sources.files.lakehouse_files import FILE_INDEX_COLUMN, ROW_NUMBER_COLUMN
from sandbox.sources.listing import are_many_small_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.table import SourceTable

MAX_HELD_BYTES = 64 * 2**20  # of all rows, decoded
# Types with the same values in Arrow as in DuckDB.
HELD_TYPES = re.compile(
    r"U?(TINYINT|SMALLINT|INTEGER|BIGINT)|FLOAT|DOUBLE|BOOLEAN|VARCHAR|BLOB|DATE|TIMESTAMP( WITH TIME ZONE|_S|_MS|_NS)?"
    r"|DECIMAL\(\d+,\d+\)"
)
BATCH_ROWS = 1 << 17


@dataclass(frozen=True, kw_only=True)
class HeldRows:
    """The rows of a table's files.

    Attributes:
        groups: The read group of each file (see `SourceAdapter.list_read_groups`).
        tables: The rows of each group, with the index of their file and their row number in it.
    """

    groups: Sequence[int]
    tables: Mapping[int, pa.Table] = field(repr=False)

    def attach(self, session: Session, table: str) -> None:
        """Make the rows readable in a session."""
        for group, rows in self.tables.items():
            session.register_table(_name_view(table, group), rows)

    def build_relation(self, table: SourceTable, files: Sequence[int], file_column: str | None) -> str:
        """Build SQL for the FROM clause: the rows of some files of one group, as DuckDB reads them from there.

        ``file_column`` is the name of the column with the file's address, if it is read.
        """
        view = quote_identifier(_name_view(table.name, self.groups[files[0]]))
        alike = [index for index, group in enumerate(self.groups) if group == self.groups[files[0]]]
        columns = "*"
        if file_column is not None:
            addresses = ", ".join(quote_literal(file.address) for file in table.files)
            columns += f", ([{addresses}])[{FILE_INDEX_COLUMN} + 1] as {quote_identifier(file_column)}"
        if len(files) == len(alike):
            return f"(select {columns} from {view})"
        inside = f"between {files[0]} and {files[-1]}"
        if len(files) != sum(files[0] <= index <= files[-1] for index in alike):
            inside = f"in ({', '.join(map(str, files))})"
        return f"(select {columns} from {view} where {FILE_INDEX_COLUMN} {inside})"


def hold_rows(
    session: Session, table: SourceTable, groups: Sequence[int], selects: Mapping[int, str]
) -> HeldRows | None:
    """Read the rows of many small files; None for other tables.

    Args:
        session: The query engine.
        table: The table.
        groups: The read group of each file.
        selects: The SELECT of each group: its columns, the index of the file in the group and the row number.
    """
    if (
        not are_many_small_files(table.files)
        or table.rows * table.width > MAX_HELD_BYTES
        or not all(map(HELD_TYPES.fullmatch, table.columns.values()))
    ):
        return None
    tables = {}
    for group, select in selects.items():
        files = [index for index, other in enumerate(groups) if other == group]
        sql = f"select * from ({select}) order by {FILE_INDEX_COLUMN}, {ROW_NUMBER_COLUMN}"
        try:
            batches = list(session.fetch_batches(sql, size=BATCH_ROWS, doing=f"reading {table.name}"))
        except SandboxError:  # the query that needs the broken column says so
            return None
        if not batches:
            return None
        rows = pa.Table.from_batches(batches)
        place = rows.schema.get_field_index(FILE_INDEX_COLUMN)
        numbers = pa.chunked_array([pa.array(files, pa.int64()).take(chunk) for chunk in rows.column(place).chunks])
        tables[group] = rows.set_column(place, FILE_INDEX_COLUMN, numbers)
    return HeldRows(groups=groups, tables=tables)


def _name_view(table: str, group: int) -> str:
    return f"held rows of {table.encode().hex()} {group}"
