"""Read Parquet files of a folder or bucket."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.duckdb.table_functions import format_file_list
from sandbox.engine.rule import polars_reader
from sandbox.errors import SourceError
from sandbox.formatting import format_count
from sandbox.sources.files.columns import check_same_columns, describe_columns
from sandbox.sources.files.held_rows import HeldRows, hold_rows
from sandbox.sources.files.lakehouse_files import (
    FILE_INDEX_COLUMN,
    ROW_NUMBER_COLUMN,
    DataFileMapping,
    build_column_sql,
)
from sandbox.sources.files.pandas_metadata import read_pandas_metadata
from sandbox.sources.files.parquet_footer import read_footer, read_footers
from sandbox.sources.files.parquet_types import (
    INT96_OPTION,
    check_decimal_digits,
    find_int96_nanoseconds,
    group_by_types,
)
from sandbox.sources.files.partitions import FileConstants
from sandbox.sources.files.text_lines import is_utf8
from sandbox.sources.files.type_union import unify_file_types
from sandbox.sources.protocol import SourceAdapter, number_rows
from sandbox.sources.table import SourceTable

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.listing import SourceFile
    from sandbox.sources.protocol import TableRequest

PLAIN_MAPPING = DataFileMapping()
MAX_FILE_ROWS = 2**40  # the difference between the row numbers of two files that are read at once
INVALID_TEXT = "Invalid string encoding found in Parquet file"


@dataclass(frozen=True, kw_only=True)
class ParquetDetails:
    """How files of a table are read.

    Attributes:
        groups: The types of each file, as a number that files of the same types share.
        has_nanoseconds: Whether INT96 holds nanoseconds.
        held_rows: The rows, if there are many small files.
    """

    groups: tuple[int, ...]
    has_nanoseconds: bool = False
    held_rows: HeldRows | None = field(default=None, compare=False, repr=False)


class ParquetAdapter(SourceAdapter):
    """Parquet files."""

    format = "parquet"
    suffixes: tuple[str, ...] = (".parquet", ".pq")
    is_columnar = True
    has_dense_row_numbers = True

    def open_table(self, session: Session, request: TableRequest) -> SourceTable:
        files = request.files
        footers = read_footers(files)
        schemas = [footer.schema.to_arrow_schema() for footer in footers]
        check_same_columns(files, [tuple(schema.names) for schema in schemas])
        names = [name for name in schemas[0].names if request.section.takes_column(name)]
        check_decimal_digits(files, schemas, names)
        nanoseconds = find_int96_nanoseconds(session, request, footers, names)
        groups = group_by_types(schemas)
        types = _unify_types(session, request, groups, nanoseconds=bool(nanoseconds))
        rows = sum(footer.num_rows for footer in footers)
        total = sum(f.row_group(i).total_byte_size for f in footers for i in range(f.num_row_groups))
        details = ParquetDetails(groups=groups, has_nanoseconds=bool(nanoseconds))
        table = SourceTable(
            name=request.name,
            format=self.format,
            files=files,
            columns={column: request.fixed.get(column, kind) for column, kind in types.items()},
            rows=rows,
            width=total / max(1, rows),
            pandas=read_pandas_metadata(files, footers, names),
            details=details,
        )
        held = (
            hold_rows(session, table, groups, _build_group_selects(table, details, names))
            if self._can_hold(table) and not request.fixed
            else None
        )
        table = replace(table, details=replace(details, held_rows=held))
        self.attach_table(session, table)
        return table

    def attach_table(self, session: Session, table: SourceTable) -> None:
        if isinstance(table.details, ParquetDetails) and table.details.held_rows is not None:
            table.details.held_rows.attach(session, table.name)

    def _can_hold(self, table: SourceTable) -> bool:
        return self.has_row_numbers(table) and self.list_read_groups(table) is not None

    def build_select(self, table: SourceTable, files: Sequence[int] | None, number: str | None) -> str:
        files = range(len(table.files)) if files is None else files
        if number is not None and not self.has_row_numbers(table):
            return number_rows(self.build_file_select(table, files, None), number)
        return self.build_file_select(table, files, number)

    def build_file_select(self, table: SourceTable, files: Sequence[int], number: str | None) -> str:
        """Build the SELECT for some files, with DuckDB's row numbers if requested."""
        if not isinstance(table.details, ParquetDetails):
            return build_parquet_select(table, files, number)
        groups: dict[int, list[int]] = {}
        for index in files:
            groups.setdefault(table.details.groups[index], []).append(index)
        details = table.details
        return " union all ".join(
            build_parquet_select(table, alike, number, nanoseconds=details.has_nanoseconds, held_rows=details.held_rows)
            for alike in groups.values()
        )

    def build_untyped_select(self, table: SourceTable) -> str:
        return _build_file_select(table.files)

    def explain_error(self, cause: Exception, files: Sequence[SourceFile]) -> SourceError:
        """Name the columns of text that is not UTF-8: DuckDB stops at the first such value and does not."""
        counts = _count_undecodable_texts(files, None) if INVALID_TEXT in str(cause) else {}
        if not counts:
            return super().explain_error(cause, files)
        named = [file.path for file in files if file.path in str(cause)] or [files[0].path]
        shown = " and ".join(f"{name} ({format_count(count, 'value')})" for name, count in counts.items())
        first = next(iter(counts))
        return SourceError(
            f"{named[0]}: text that is not UTF-8 in {shown}",
            hint=f'write it again in UTF-8, or leave the column out: leave_out = ["{first}"]',
        )

    def has_row_numbers(self, table: SourceTable) -> bool:
        return _is_free(ROW_NUMBER_COLUMN, table)

    def list_read_groups(self, table: SourceTable) -> Sequence[Hashable] | None:
        assert isinstance(table.details, ParquetDetails)
        return table.details.groups if _is_free(FILE_INDEX_COLUMN, table) else None

    def read_row_groups(self, table: SourceTable, min_bytes: int) -> dict[int, list[int]]:
        if not self.has_row_numbers(table):
            return {}
        footers = {index: read_footer(file) for index, file in enumerate(table.files) if file.bytes > min_bytes}
        return {
            index: [footer.row_group(group).num_rows for group in range(footer.num_row_groups)]
            for index, footer in footers.items()
        }

    def can_prefetch(self, table: SourceTable) -> bool:
        return not any(file.constants for file in table.files)

    def has_no_nulls(self, table: SourceTable, columns: Sequence[str]) -> bool:
        if isinstance(table.details, ParquetDetails) and table.details.held_rows is not None:
            return False  # a query of the rows costs less than the footers
        return all(polars_reader.has_no_nulls(read_footer(file), columns) for file in table.files)

    def count_undecodable_values(self, table: SourceTable) -> dict[str, int]:
        """Count invalid UTF-8 values per text column, omitting columns without any.

        DuckDB stops at the first such value and does not name its column; Arrow reads the raw bytes.
        """
        return _count_undecodable_texts(
            table.files, [name for name, kind in table.columns.items() if kind == "VARCHAR"]
        )


def _is_free(name: str, table: SourceTable) -> bool:
    """Return whether no column of a table hides one of DuckDB's own."""
    return name not in {column.lower() for column in table.all_columns}


def _count_undecodable_texts(files: Sequence[SourceFile], columns: Sequence[str] | None) -> dict[str, int]:
    """Count invalid UTF-8 values in some columns, or in all columns of text."""
    counts: Counter[str] = Counter()
    for file in files:
        with file.open() as stream, pq.ParquetFile(stream) as opened_file:
            schema = opened_file.schema_arrow
            there = [name for name in schema.names if columns is None or name in columns]
            for batch in opened_file.iter_batches(batch_size=65_536, columns=there):
                for name, column in zip(batch.schema.names, batch.columns, strict=True):
                    counts[name] += _count_undecodable(column)
    return {name: count for name, count in counts.items() if count}


def _unify_types(
    session: Session, request: TableRequest, groups: Sequence[int], *, nanoseconds: bool
) -> dict[str, str]:
    """Return the type of each column, for files with several types the one that holds all values."""
    files = request.files
    described = {
        group: describe_columns(session, _build_file_select([files[groups.index(group)]], nanoseconds=nanoseconds))
        for group in dict.fromkeys(groups)
    }
    if len(described) == 1:
        return described[groups[0]]
    taken = [
        {name: kind for name, kind in described[group].items() if request.section.takes_column(name)}
        for group in groups
    ]
    unified = unify_file_types(
        session,
        request.name,
        files,
        taken,
        lambda index: _build_file_select([files[index]], nanoseconds=nanoseconds),
        skipped=request.fixed,
    )
    return {name: unified.get(name, kind) for name, kind in described[groups[0]].items()}


def build_parquet_select(
    table: SourceTable,
    files: Sequence[int],
    number: str | None,
    *,
    shape: DataFileMapping = PLAIN_MAPPING,
    taken: Iterable[str] = (),
    nanoseconds: bool = False,
    held_rows: HeldRows | None = None,
) -> str:
    """Build the SELECT for Parquet files with the same mapping; ``taken`` are names of other columns in files."""
    constants = FileConstants.from_files(table, files, named=shape.has_position_deletes, taken=taken)
    names = dict(shape.names)
    columns = [
        constants.sql.get(name, f"{build_column_sql(names.get(name, name))}::{kind} as {quote_identifier(name)}")
        for name, kind in table.columns.items()
    ]
    options = f"union_by_name = true, hive_partitioning = false{constants.option}{INT96_OPTION * nanoseconds}"
    if number is not None:
        place = f"f.{FILE_INDEX_COLUMN}::bigint * {MAX_FILE_ROWS} + " if len(files) > 1 else ""
        columns.append(f"{place}f.{ROW_NUMBER_COLUMN} as {quote_identifier(number)}")
    if number is not None or shape.has_position_deletes:
        options += f", {ROW_NUMBER_COLUMN} = true"
    if held_rows is not None:
        rows = held_rows.build_relation(table, files, constants.file if constants.option else None)
        return f"select {', '.join(columns)} from {rows} as f"
    paths = format_file_list(table.files[index].path for index in files)
    left = shape.build_delete_filter(table.name, constants.file)
    return f"select {', '.join(columns)} from read_parquet({paths}, {options}) as f{left}"


def _build_group_selects(table: SourceTable, details: ParquetDetails, columns: Sequence[str]) -> dict[int, str]:
    """Build the SELECT of the columns, the file's index and the row number for the files of each group."""
    names = ", ".join(quote_identifier(name) for name in columns)
    selects = {}
    for group in dict.fromkeys(details.groups):
        files = [file for file, other in zip(table.files, details.groups, strict=True) if other == group]
        rows = _build_file_select(files, nanoseconds=details.has_nanoseconds).removeprefix("select * ")
        selects[group] = (
            f"select {names}, {FILE_INDEX_COLUMN}::bigint as {FILE_INDEX_COLUMN}, {ROW_NUMBER_COLUMN} {rows}"
        )
    return selects


def _build_file_select(files: Sequence[SourceFile], *, nanoseconds: bool = False) -> str:
    paths = format_file_list(file.path for file in files)
    options = f"union_by_name = true, hive_partitioning = false{INT96_OPTION * nanoseconds}"
    return f"select * from read_parquet({paths}, {options})"


def _count_undecodable(column: pa.Array) -> int:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return 0
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        values = column.cast(pa.large_binary()).to_pylist()
        return sum(not is_utf8(value) for value in values if value is not None)
    return 0
