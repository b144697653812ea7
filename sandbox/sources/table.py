"""Represent an opened source table and build the SQL that reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.engine.duckdb import database_file
from sandbox.engine.duckdb.session import quote_identifier, quote_literal
from sandbox.engine.duckdb.table_functions import format_file_list
from sandbox.engine.sql.ibis_types import choose_unused_name
from sandbox.sources.files.lakehouse_files import ROW_NUMBER_COLUMN, DataFileMapping, build_column_sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sandbox.engine import sqlite
    from sandbox.engine.lakes.lake_table import SourceSnapshot
    from sandbox.engine.postgres import columns as postgres
    from sandbox.sources.files.lakehouse_files import DeletedRows
    from sandbox.sources.listing import SourceFile, SourceFormat

ROW_GROUP_BYTES = 128 * 2**20  # per row group, uncompressed
ROW_GROUPS_IN_MEMORY = 8  # row groups in memory at once, as threads hold some while writing
ROW_GROUP_STEP = 2048  # DuckDB's vector size
MAX_ROW_GROUP_ROWS = 2**20
ROW_ID_COLUMN = "rowid"  # DuckDB's name for the row id in its tables


@dataclass(frozen=True, kw_only=True)
class CsvLayout:
    """Delimiter, columns in file order and compression of a CSV file."""

    delimiter: str
    columns: tuple[str, ...]
    is_gzipped: bool = False


@dataclass(frozen=True, kw_only=True)
class SourceTable:
    """A table of the source.

    Attributes:
        name: As in ``sandbox.toml``.
        format: Of all its files.
        files: Sorted by name.
        columns: Column -> DuckDB's name of its type, in order; the same for every file.
        rows: In all files.
        width: Approximate bytes of a row before compression.
        layouts: Layout of each file of CSV; else empty.
        file_mappings: Mapping of each file of a lakehouse table; else empty.
        sqlite_columns: Column readers of a SQLite table.
        postgres_columns: Queried columns of a Postgres table.
        row_groups: Rows of the row groups of a DuckDB table, deleted rows included.
        share: Approximate share of the database file taken by the table.
        snapshot: Version of a lakehouse table, or snapshot of a Postgres table.
        deleted_rows: Deleted rows of a lakehouse table, determined by the snapshot.
    """

    name: str
    format: SourceFormat
    files: tuple[SourceFile, ...]
    columns: Mapping[str, str]
    rows: int
    width: float
    layouts: tuple[CsvLayout, ...] = ()
    file_mappings: tuple[DataFileMapping, ...] = ()
    sqlite_columns: tuple[sqlite.SQLiteColumn, ...] = ()
    postgres_columns: tuple[postgres.PostgresColumn, ...] = ()
    row_groups: tuple[int, ...] = ()
    share: float = 1.0
    snapshot: SourceSnapshot | None = None
    deleted_rows: DeletedRows | None = field(default=None, compare=False, repr=False)

    @property
    def is_plain_parquet(self) -> bool:
        """Whether its files are Parquet with exactly its rows and columns."""
        return self.format == "parquet" and not self.file_mappings and not any(file.constants for file in self.files)

    @property
    def has_deleted_rows(self) -> bool:
        """Whether some rows of its files are deleted."""
        return any(shape.has_deleted_rows for shape in self.file_mappings)

    @property
    def bytes(self) -> int:
        """Total size of its files, in bytes."""
        return sum(map(self.estimate_size, self.files))

    def estimate_size(self, file: SourceFile) -> int:
        """Return its bytes in one of its files."""
        return int(file.bytes * self.share)

    def compute_row_group_rows(self, memory: int) -> int:
        """Return the rows of a row group of about 128 MiB, or less if memory is small."""
        rows = int(min(ROW_GROUP_BYTES, memory / ROW_GROUPS_IN_MEMORY) / max(1.0, self.width))
        return max(ROW_GROUP_STEP, min(MAX_ROW_GROUP_ROWS, rows // ROW_GROUP_STEP * ROW_GROUP_STEP))


def build_select(table: SourceTable, file: int | None = None, *, number: str | None = None) -> str:
    """Build the SELECT for a table with its columns, types and order.

    Args:
        table: The table.
        file: Index of a file; None for all.
        number: Name of an additional column for the row number in the file.
    """
    files = range(len(table.files)) if file is None else [file]
    if number is not None and has_row_numbers(table):
        if table.format == "duckdb":
            return _build_duckdb_select(table, number)
        return _build_parquet_select(table, files, number)
    if table.format == "spark":
        return _build_scan_select(table, file, number)
    rows = _build_scan_select(table, file) if table.format == "postgres" else _build_format_select(table, files)
    if number is None:
        return rows
    # A window without an order numbers rows as they arrive, on one thread.
    return f"select *, row_number() over () as {quote_identifier(number)} from ({rows})"


def has_row_numbers(table: SourceTable) -> bool:
    """Check whether DuckDB knows row numbers, so that a range of rows is read alone."""
    taken = {name.lower() for name in table.columns}
    return (table.format == "parquet" and ROW_NUMBER_COLUMN not in taken) or (
        table.format == "duckdb" and ROW_ID_COLUMN not in taken
    )


def name_scan_view(table: str, piece: int | None = None) -> str:
    """Return the name of a session's view of a scanned SQLite, Postgres or Spark table, or of a piece of it."""
    return f"rows of {table.encode().hex()}" + ("" if piece is None else f" {piece}")


def build_csv_reader(paths: Iterable[str], layout: CsvLayout, option: str = "") -> str:
    """Build the table function for CSV files of one layout as text, without detection.

    An empty field is NULL, ``""`` is an empty text, and a malformed line is an error.
    """
    columns = ", ".join(f"{quote_literal(name)}: 'VARCHAR'" for name in layout.columns)
    return (
        f"read_csv({format_file_list(paths)}, auto_detect = false, columns = {{{columns}}}, header = true, "
        f"delim = {quote_literal(layout.delimiter)}, quote = '\"', escape = '\"', strict_mode = true, "
        f"nullstr = '', allow_quoted_nulls = false, {build_compression_option([layout.is_gzipped])}, hive_partitioning = false{option})"
    )


def build_compression_option(packed: Sequence[bool]) -> str:
    """Return the option for compressed files; DuckDB's detection fails on a ? in a path."""
    kind = "auto_detect" if len(set(packed)) > 1 else "gzip" if packed[0] else "none"
    return f"compression = '{kind}'"


def group_by_layout(table_files: Sequence[SourceFile], layouts: Sequence[CsvLayout]) -> dict[CsvLayout, list[str]]:
    """Group the paths of files by layout."""
    groups: dict[CsvLayout, list[str]] = {}
    for file, layout in zip(table_files, layouts, strict=True):
        groups.setdefault(layout, []).append(file.path)
    return groups


def _build_format_select(table: SourceTable, files: Sequence[int]) -> str:
    match table.format:
        case "parquet":
            return _build_parquet_select(table, files, None)
        case "csv":
            return _build_csv_select(table, files)
        case "duckdb":
            return _build_duckdb_select(table, None)
        case "sqlite":
            return _build_scan_select(table, None)
        case _:
            return _build_jsonl_select(table, files)


def _build_duckdb_select(table: SourceTable, number: str | None) -> str:
    columns = [f"{quote_identifier(name)}::{kind} as {quote_identifier(name)}" for name, kind in table.columns.items()]
    if number is not None:
        columns.append(f"{ROW_ID_COLUMN} as {quote_identifier(number)}")
    schema, name = table.files[0].table_path
    return f"select {', '.join(columns)} from {database_file.qualify_table(schema, name)}"


def _build_scan_select(table: SourceTable, piece: int | None, row_number: str | None = None) -> str:
    columns = [
        f"c{number}::{kind} as {quote_identifier(name)}" for number, (name, kind) in enumerate(table.columns.items())
    ]
    columns += [] if row_number is None else [f"c{len(columns)} as {quote_identifier(row_number)}"]
    return f"select {', '.join(columns)} from {quote_identifier(name_scan_view(table.name, piece))}"


def _build_parquet_select(table: SourceTable, files: Sequence[int], number: str | None) -> str:
    if not files:
        nothing = [f"null::{kind} as {quote_identifier(name)}" for name, kind in table.columns.items()]
        nothing += [f"null::bigint as {quote_identifier(number)}"] if number is not None else []
        return f"select {', '.join(nothing)} where false"
    if not table.file_mappings:
        return _build_mapped_parquet_select(table, files, DataFileMapping(), number)
    groups: dict[DataFileMapping, list[int]] = {}
    for index in files:
        groups.setdefault(table.file_mappings[index], []).append(index)
    return " union all ".join(
        _build_mapped_parquet_select(table, alike, shape, number) for shape, alike in groups.items()
    )


def _build_mapped_parquet_select(
    table: SourceTable, files: Sequence[int], shape: DataFileMapping, number: str | None
) -> str:
    """Build the SELECT for Parquet files with the same mapping."""
    constants = FileConstants.from_files(table, files, named=shape.has_position_deletes)
    names = dict(shape.names)
    columns = [
        constants.sql.get(name, f"{build_column_sql(names.get(name, name))}::{kind} as {quote_identifier(name)}")
        for name, kind in table.columns.items()
    ]
    options = f"union_by_name = true, hive_partitioning = false{constants.option}"
    if number is not None:
        columns.append(f"f.{ROW_NUMBER_COLUMN} as {quote_identifier(number)}")
    if number is not None or shape.has_position_deletes:
        options += f", {ROW_NUMBER_COLUMN} = true"
    paths = format_file_list(table.files[index].path for index in files)
    left = shape.build_delete_filter(table.name, constants.file)
    return f"select {', '.join(columns)} from read_parquet({paths}, {options}) as f{left}"


def _build_csv_select(table: SourceTable, files: Sequence[int]) -> str:
    constants = FileConstants.from_files(table, files)
    columns = ", ".join(
        constants.sql.get(name)
        or (
            quote_identifier(name)
            if kind == "VARCHAR"
            else f"nullif({quote_identifier(name)}, '')::{kind} as {quote_identifier(name)}"
        )
        for name, kind in table.columns.items()
    )
    groups = group_by_layout([table.files[i] for i in files], [table.layouts[i] for i in files])
    return " union all ".join(
        f"select {columns} from {build_csv_reader(paths, layout, constants.option)}" for layout, paths in groups.items()
    )


def _build_jsonl_select(table: SourceTable, files: Sequence[int]) -> str:
    constants = FileConstants.from_files(table, files)
    columns = ", ".join(
        f"{quote_literal(name)}: {quote_literal(kind)}"
        for name, kind in table.columns.items()
        if name not in constants.sql
    )
    names = ", ".join(constants.sql.get(name, quote_identifier(name)) for name in table.columns)
    chosen = [table.files[index] for index in files]
    packed = build_compression_option([file.is_gzipped for file in chosen])
    return (
        f"select {names} from read_json({format_file_list(file.path for file in chosen)}, format = 'newline_delimited', "
        f"columns = {{{columns}}}, {packed}, hive_partitioning = false{constants.option})"
    )


@dataclass(frozen=True, kw_only=True)
class FileConstants:
    """SQL of columns with one value per file, absent from the files.

    Attributes:
        sql: Column -> its SELECT item.
        file: The file name's column, distinct from all others.
        option: Option of the reading function for that column, with a leading comma; may be empty.
    """

    sql: Mapping[str, str]
    file: str
    option: str = ""

    @classmethod
    def from_files(cls, table: SourceTable, files: Sequence[int], *, named: bool = False) -> FileConstants:
        """Build the constants of some of a table's files.

        Conditions on constants skip files: DuckDB knows a file's name before it opens it, and folds expressions of it.
        """
        chosen = [table.files[index] for index in files]
        names = [name for name, _ in chosen[0].constants if name in table.columns]
        held = [name for shape in table.file_mappings for _, name in shape.names if name is not None]
        file = choose_unused_name("file", [*table.columns, *held])
        paths = ", ".join(quote_literal(source_file.path) for source_file in chosen)
        items = {}
        for name in names:
            texts = [dict(source_file.constants)[name] for source_file in chosen]
            value = _quote_text(texts[0])
            if len(set(texts)) > 1:
                value, named = (
                    f"(map([{paths}], [{', '.join(map(_quote_text, texts))}]))[{quote_identifier(file)}]",
                    True,
                )
            items[name] = f"{value}::{table.columns[name]} as {quote_identifier(name)}"
        return cls(sql=items, file=file, option=f", filename = {quote_literal(file)}" if named else "")


def _quote_text(value: str | None) -> str:
    return "null" if value is None else quote_literal(value)


@dataclass(frozen=True, kw_only=True)
class DeclaredConstraints:
    """Constraints of a table declared by its catalogue or a project's tests, taken on trust.

    Attributes:
        key: Its declared key, if any.
        references: Columns -> the table and columns they refer to.
        evidence: Who declared them.
    """

    key: tuple[str, ...] | None = None
    references: Mapping[tuple[str, ...], tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    evidence: str = "declared"
