"""A table of the source as it was found: its files, columns and size, and the SQL that reads it."""

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

ROW_GROUP_BYTES = 128 * 2**20  # a row group before compression
ROW_GROUPS_IN_MEMORY = 8  # row groups that fit into the memory: threads hold some while they write
ROW_GROUP_STEP = 2048  # the engine's vectors
MAX_ROW_GROUP_ROWS = 2**20
ROW_ID_COLUMN = "rowid"  # the engine's own name for a row's place in a table of its own


@dataclass(frozen=True, kw_only=True)
class CsvLayout:
    """How values lie in a CSV file: what separates them, the columns in its order, and whether it is compressed."""

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
        columns: The columns and the engine's names of their types, in order; the same for every file.
        rows: In all files.
        width: Bytes of a row before compression, roughly.
        layouts: For CSV the layout of each file; else empty.
        file_mappings: For a table of a lake how each file differs from the table; else empty.
        sqlite_columns: For a table of a SQLite file how each column is read.
        postgres_columns: For a table of Postgres what the server is asked for.
        row_groups: For a table of a DuckDB file the rows of its row groups, deleted ones among them.
        share: For a table of a database file which part of the file it takes, roughly.
        snapshot: For a table of a lake its version, for one of Postgres the moment.
        deleted_rows: For a table of a lake which rows of its files are deleted; the snapshot tells.
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
        """Whether its files are Parquet that holds its rows and columns as they are."""
        return self.format == "parquet" and not self.file_mappings and not any(file.constants for file in self.files)

    @property
    def has_deleted_rows(self) -> bool:
        """Whether some rows of its files are deleted."""
        return any(shape.has_deleted_rows for shape in self.file_mappings)

    @property
    def bytes(self) -> int:
        """The size of all files together."""
        return sum(map(self.estimate_size, self.files))

    def estimate_size(self, file: SourceFile) -> int:
        """Give what it takes of one of its files."""
        return int(file.bytes * self.share)

    def compute_row_group_rows(self, memory: int) -> int:
        """Give how many of its rows make a row group of about 128 MiB, or less where there is little memory."""
        rows = int(min(ROW_GROUP_BYTES, memory / ROW_GROUPS_IN_MEMORY) / max(1.0, self.width))
        return max(ROW_GROUP_STEP, min(MAX_ROW_GROUP_ROWS, rows // ROW_GROUP_STEP * ROW_GROUP_STEP))


def build_select(table: SourceTable, file: int | None = None, *, number: str | None = None) -> str:
    """Give the SELECT that reads a table with its columns, types and order.

    Args:
        table: The table.
        file: Which of its files; None reads them all.
        number: The name of one column more: the row's place within the one file.
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
    # A window without an order walks the rows as they come, on one thread.
    return f"select *, row_number() over () as {quote_identifier(number)} from ({rows})"


def has_row_numbers(table: SourceTable) -> bool:
    """Say whether the engine knows the place of a row in its file, so that a range of places is read without the rest."""
    taken = {name.lower() for name in table.columns}
    return (table.format == "parquet" and ROW_NUMBER_COLUMN not in taken) or (
        table.format == "duckdb" and ROW_ID_COLUMN not in taken
    )


def name_scan_view(table: str, piece: int | None = None) -> str:
    """Give what a session calls a table that is scanned from a SQLite file or from Postgres, or a piece of it."""
    return f"rows of {table.encode().hex()}" + ("" if piece is None else f" {piece}")


def build_csv_reader(paths: Iterable[str], layout: CsvLayout, option: str = "") -> str:
    """Give the table function that reads CSV files of one layout as text; nothing about them is guessed.

    A field without anything in it is NULL, ``""`` is an empty text, and a line that does not fit is an error.
    """
    columns = ", ".join(f"{quote_literal(name)}: 'VARCHAR'" for name in layout.columns)
    return (
        f"read_csv({format_file_list(paths)}, auto_detect = false, columns = {{{columns}}}, header = true, "
        f"delim = {quote_literal(layout.delimiter)}, quote = '\"', escape = '\"', strict_mode = true, "
        f"nullstr = '', allow_quoted_nulls = false, {build_compression_option([layout.is_gzipped])}, hive_partitioning = false{option})"
    )


def build_compression_option(packed: Sequence[bool]) -> str:
    """Give the option for files of which some or all are compressed; the engine's guess fails on a ? in a path."""
    kind = "auto_detect" if len(set(packed)) > 1 else "gzip" if packed[0] else "none"
    return f"compression = '{kind}'"


def group_by_layout(table_files: Sequence[SourceFile], layouts: Sequence[CsvLayout]) -> dict[CsvLayout, list[str]]:
    """Give the files of each layout."""
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


def _build_scan_select(table: SourceTable, piece: int | None, place: str | None = None) -> str:
    columns = [
        f"c{number}::{kind} as {quote_identifier(name)}" for number, (name, kind) in enumerate(table.columns.items())
    ]
    columns += [] if place is None else [f"c{len(columns)} as {quote_identifier(place)}"]
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
    """Give the SELECT for Parquet files of one shape."""
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
    """The SQL of those columns that some files of a table do not hold because each file has one value of them.

    Attributes:
        sql: For each of these columns its SELECT item.
        file: The column of a file's name, where the option asks for it; no other is called so.
        option: What the reading function needs for that; begins with a comma if it is anything.
    """

    sql: Mapping[str, str]
    file: str
    option: str = ""

    @classmethod
    def from_files(cls, table: SourceTable, files: Sequence[int], *, named: bool = False) -> FileConstants:
        """Give those of some of a table's files.

        A condition on them leaves files unread: the engine knows the name of a file before it opens it, and folds what
        depends on that alone.
        """
        chosen = [table.files[index] for index in files]
        names = [name for name, _ in chosen[0].constants if name in table.columns]
        held = [name for shape in table.file_mappings for _, name in shape.names if name is not None]
        file = choose_unused_name("file", [*table.columns, *held])
        paths = ", ".join(quote_literal(one.path) for one in chosen)
        found = {}
        for name in names:
            texts = [dict(one.constants)[name] for one in chosen]
            value = _quote_text(texts[0])
            if len(set(texts)) > 1:
                value, named = (
                    f"(map([{paths}], [{', '.join(map(_quote_text, texts))}]))[{quote_identifier(file)}]",
                    True,
                )
            found[name] = f"{value}::{table.columns[name]} as {quote_identifier(name)}"
        return cls(sql=found, file=file, option=f", filename = {quote_literal(file)}" if named else "")


def _quote_text(value: str | None) -> str:
    return "null" if value is None else quote_literal(value)


@dataclass(frozen=True, kw_only=True)
class DeclaredConstraints:
    """What somebody says of a table: its source's catalogue, or a project's own tests. It is taken as said.

    Attributes:
        key: Its key, if one is declared.
        references: For each tuple of columns the table and the columns that they refer to.
        evidence: Who says it.
    """

    key: tuple[str, ...] | None = None
    references: Mapping[tuple[str, ...], tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    evidence: str = "declared"
