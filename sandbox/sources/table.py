"""A table of the source as it was found: its files, columns and size, and the SQL that reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.engine.duckdb import database_file
from sandbox.engine.duckdb.session import literal, quote
from sandbox.engine.duckdb.table_functions import file_list
from sandbox.engine.sql.ibis_types import fresh
from sandbox.sources.files.lakehouse_files import PLACE, Shape, called

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sandbox.engine import sqlite
    from sandbox.engine.lakes.lake_table import Snapshot
    from sandbox.engine.postgres import columns as postgres
    from sandbox.sources.files.lakehouse_files import Deleted
    from sandbox.sources.listing import SourceFile, SourceFormat

GROUP_BYTES = 128 * 2**20  # a row group before compression
GROUPS_HELD = 8  # row groups that fit into the memory: threads hold some while they write
GROUP_STEP = 2048  # the engine's vectors
GROUP_MOST = 2**20
ROW_ID = "rowid"  # the engine's own name for a row's place in a table of its own


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How values lie in a CSV file: what separates them, the columns in its order, and whether it is compressed."""

    delimiter: str
    columns: tuple[str, ...]
    packed: bool = False


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
        shapes: For a table of a lake how each file differs from the table; else empty.
        cells: For a table of a SQLite file how each column is read.
        asked: For a table of Postgres what the server is asked for.
        groups: For a table of a DuckDB file the rows of its row groups, deleted ones among them.
        share: For a table of a database file which part of the file it takes, roughly.
        snapshot: For a table of a lake its version, for one of Postgres the moment.
        deleted: For a table of a lake which rows of its files are deleted; the snapshot tells.
    """

    name: str
    format: SourceFormat
    files: tuple[SourceFile, ...]
    columns: Mapping[str, str]
    rows: int
    width: float
    layouts: tuple[Layout, ...] = ()
    shapes: tuple[Shape, ...] = ()
    cells: tuple[sqlite.Column, ...] = ()
    asked: tuple[postgres.Column, ...] = ()
    groups: tuple[int, ...] = ()
    share: float = 1.0
    snapshot: Snapshot | None = None
    deleted: Deleted | None = field(default=None, compare=False, repr=False)

    @property
    def plain(self) -> bool:
        """Whether its files are Parquet that holds its rows and columns as they are."""
        return self.format == "parquet" and not self.shapes and not any(file.constants for file in self.files)

    @property
    def thinned(self) -> bool:
        """Whether some rows of its files are deleted."""
        return any(shape.thinned for shape in self.shapes)

    @property
    def bytes(self) -> int:
        """The size of all files together."""
        return sum(map(self.size_of, self.files))

    def size_of(self, file: SourceFile) -> int:
        """Give what it takes of one of its files."""
        return int(file.bytes * self.share)

    def group_rows(self, memory: int) -> int:
        """Give how many of its rows make a row group of about 128 MiB, or less where there is little memory."""
        rows = int(min(GROUP_BYTES, memory / GROUPS_HELD) / max(1.0, self.width))
        return max(GROUP_STEP, min(GROUP_MOST, rows // GROUP_STEP * GROUP_STEP))


def reading(table: SourceTable, file: int | None = None, *, number: str | None = None) -> str:
    """Give the SELECT that reads a table with its columns, types and order.

    Args:
        table: The table.
        file: Which of its files; None reads them all.
        number: The name of one column more: the row's place within the one file.
    """
    files = range(len(table.files)) if file is None else [file]
    if number is not None and placed(table):
        if table.format == "duckdb":
            return _reading_duckdb(table, number)
        return _reading_parquet(table, files, number)
    if table.format == "spark":
        return _reading_scanned(table, file, number)
    rows = _reading_scanned(table, file) if table.format == "postgres" else _reading(table, files)
    if number is None:
        return rows
    # A window without an order walks the rows as they come, on one thread.
    return f"select *, row_number() over () as {quote(number)} from ({rows})"


def placed(table: SourceTable) -> bool:
    """Say whether the engine knows the place of a row in its file, so that a range of places is read without the rest."""
    taken = {name.lower() for name in table.columns}
    return (table.format == "parquet" and PLACE not in taken) or (
        table.format == "duckdb" and ROW_ID not in taken
    )


def scanned(table: str, piece: int | None = None) -> str:
    """Give what a session calls a table that is scanned from a SQLite file or from Postgres, or a piece of it."""
    return f"rows of {table.encode().hex()}" + ("" if piece is None else f" {piece}")


def raw_csv(paths: Iterable[str], layout: Layout, option: str = "") -> str:
    """Give the table function that reads CSV files of one layout as text; nothing about them is guessed.

    A field without anything in it is NULL, ``""`` is an empty text, and a line that does not fit is an error.
    """
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in layout.columns)
    return (
        f"read_csv({file_list(paths)}, auto_detect = false, columns = {{{columns}}}, header = true, "
        f"delim = {literal(layout.delimiter)}, quote = '\"', escape = '\"', strict_mode = true, "
        f"nullstr = '', allow_quoted_nulls = false, {compression([layout.packed])}, hive_partitioning = false{option})"
    )


def compression(packed: Sequence[bool]) -> str:
    """Give the option for files of which some or all are compressed; the engine's guess fails on a ? in a path."""
    kind = "auto_detect" if len(set(packed)) > 1 else "gzip" if packed[0] else "none"
    return f"compression = '{kind}'"


def grouped(table_files: Sequence[SourceFile], layouts: Sequence[Layout]) -> dict[Layout, list[str]]:
    """Give the files of each layout."""
    groups: dict[Layout, list[str]] = {}
    for file, layout in zip(table_files, layouts, strict=True):
        groups.setdefault(layout, []).append(file.path)
    return groups


def _reading(table: SourceTable, files: Sequence[int]) -> str:
    match table.format:
        case "parquet":
            return _reading_parquet(table, files, None)
        case "csv":
            return _reading_csv(table, files)
        case "duckdb":
            return _reading_duckdb(table, None)
        case "sqlite":
            return _reading_scanned(table, None)
        case _:
            return _reading_jsonl(table, files)


def _reading_duckdb(table: SourceTable, number: str | None) -> str:
    columns = [f"{quote(name)}::{kind} as {quote(name)}" for name, kind in table.columns.items()]
    if number is not None:
        columns.append(f"{ROW_ID} as {quote(number)}")
    schema, name = table.files[0].inside
    return f"select {', '.join(columns)} from {database_file.relation(schema, name)}"


def _reading_scanned(table: SourceTable, piece: int | None, place: str | None = None) -> str:
    columns = [
        f"c{number}::{kind} as {quote(name)}" for number, (name, kind) in enumerate(table.columns.items())
    ]
    columns += [] if place is None else [f"c{len(columns)} as {quote(place)}"]
    return f"select {', '.join(columns)} from {quote(scanned(table.name, piece))}"


def _reading_parquet(table: SourceTable, files: Sequence[int], number: str | None) -> str:
    if not files:
        nothing = [f"null::{kind} as {quote(name)}" for name, kind in table.columns.items()]
        nothing += [f"null::bigint as {quote(number)}"] if number is not None else []
        return f"select {', '.join(nothing)} where false"
    if not table.shapes:
        return _reading_alike(table, files, Shape(), number)
    groups: dict[Shape, list[int]] = {}
    for index in files:
        groups.setdefault(table.shapes[index], []).append(index)
    return " union all ".join(_reading_alike(table, alike, shape, number) for shape, alike in groups.items())


def _reading_alike(table: SourceTable, files: Sequence[int], shape: Shape, number: str | None) -> str:
    """Give the SELECT for Parquet files of one shape."""
    constants = Constants.of(table, files, named=shape.placed)
    names = dict(shape.names)
    columns = [
        constants.sql.get(name, f"{called(names.get(name, name))}::{kind} as {quote(name)}")
        for name, kind in table.columns.items()
    ]
    options = f"union_by_name = true, hive_partitioning = false{constants.option}"
    if number is not None:
        columns.append(f"f.{PLACE} as {quote(number)}")
    if number is not None or shape.placed:
        options += f", {PLACE} = true"
    paths = file_list(table.files[index].path for index in files)
    left = shape.left(table.name, constants.file)
    return f"select {', '.join(columns)} from read_parquet({paths}, {options}) as f{left}"


def _reading_csv(table: SourceTable, files: Sequence[int]) -> str:
    constants = Constants.of(table, files)
    columns = ", ".join(
        constants.sql.get(name)
        or (quote(name) if kind == "VARCHAR" else f"nullif({quote(name)}, '')::{kind} as {quote(name)}")
        for name, kind in table.columns.items()
    )
    groups = grouped([table.files[i] for i in files], [table.layouts[i] for i in files])
    return " union all ".join(
        f"select {columns} from {raw_csv(paths, layout, constants.option)}"
        for layout, paths in groups.items()
    )


def _reading_jsonl(table: SourceTable, files: Sequence[int]) -> str:
    constants = Constants.of(table, files)
    columns = ", ".join(
        f"{literal(name)}: {literal(kind)}"
        for name, kind in table.columns.items()
        if name not in constants.sql
    )
    names = ", ".join(constants.sql.get(name, quote(name)) for name in table.columns)
    chosen = [table.files[index] for index in files]
    packed = compression([file.packed for file in chosen])
    return (
        f"select {names} from read_json({file_list(file.path for file in chosen)}, format = 'newline_delimited', "
        f"columns = {{{columns}}}, {packed}, hive_partitioning = false{constants.option})"
    )


@dataclass(frozen=True, kw_only=True)
class Constants:
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
    def of(cls, table: SourceTable, files: Sequence[int], *, named: bool = False) -> Constants:
        """Give those of some of a table's files.

        A condition on them leaves files unread: the engine knows the name of a file before it opens it, and folds what
        depends on that alone.
        """
        chosen = [table.files[index] for index in files]
        names = [name for name, _ in chosen[0].constants if name in table.columns]
        held = [name for shape in table.shapes for _, name in shape.names if name is not None]
        file = fresh("file", [*table.columns, *held])
        paths = ", ".join(literal(one.path) for one in chosen)
        found = {}
        for name in names:
            texts = [dict(one.constants)[name] for one in chosen]
            value = _text(texts[0])
            if len(set(texts)) > 1:
                value, named = f"(map([{paths}], [{', '.join(map(_text, texts))}]))[{quote(file)}]", True
            found[name] = f"{value}::{table.columns[name]} as {quote(name)}"
        return cls(sql=found, file=file, option=f", filename = {literal(file)}" if named else "")


def _text(value: str | None) -> str:
    return "null" if value is None else literal(value)


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What somebody says of a table: its source's catalogue, or a project's own tests. It is taken as said.

    Attributes:
        key: Its key, if one is declared.
        references: For each tuple of columns the table and the columns that they refer to.
        how: Who says it.
    """

    key: tuple[str, ...] | None = None
    references: Mapping[tuple[str, ...], tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    how: str = "declared"
