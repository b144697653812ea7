"""A table of the source as it was found: its files, columns and size, and the SQL that reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.duck import literal, quote
from sandbox.engine.files import file_list

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from sandbox.model import TableFormat
    from sandbox.sampler.source import SourceFile

GROUP_BYTES = 128 * 2**20  # a row group before compression
GROUPS_HELD = 8  # row groups that fit into the memory: threads hold some while they write
GROUP_STEP = 2048  # the engine's vectors
GROUP_MOST = 2**20
PLACE = "file_row_number"  # the engine's own name for a row's place in a Parquet file


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
    """

    name: str
    format: TableFormat
    files: tuple[SourceFile, ...]
    columns: Mapping[str, str]
    rows: int
    width: float
    layouts: tuple[Layout, ...] = ()

    @property
    def bytes(self) -> int:
        """The size of all files together."""
        return sum(file.bytes for file in self.files)

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
    if number is None:
        return _reading(table, files)
    if placed(table):
        return _reading_parquet(table, files, number)
    # A window without an order walks the rows as they come, on one thread.
    return f"select *, row_number() over () as {quote(number)} from ({_reading(table, files)})"


def placed(table: SourceTable) -> bool:
    """Say whether the engine knows the place of a row in its file, so that a range of places is read without the rest."""
    return table.format == "parquet" and PLACE not in {name.lower() for name in table.columns}


def raw_csv(paths: Iterable[Path], layout: Layout) -> str:
    """Give the table function that reads CSV files of one layout as text; nothing about them is guessed.

    A field without anything in it is NULL, ``""`` is an empty text, and a line that does not fit is an error.
    """
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in layout.columns)
    return (
        f"read_csv({file_list(paths)}, auto_detect = false, columns = {{{columns}}}, header = true, "
        f"delim = {literal(layout.delimiter)}, quote = '\"', escape = '\"', strict_mode = true, "
        f"nullstr = '', allow_quoted_nulls = false, {compression([layout.packed])}, hive_partitioning = false)"
    )


def compression(packed: Sequence[bool]) -> str:
    """Give the option for files of which some or all are compressed; the engine's guess fails on a ? in a path."""
    kind = "auto_detect" if len(set(packed)) > 1 else "gzip" if packed[0] else "none"
    return f"compression = '{kind}'"


def grouped(table_files: Sequence[SourceFile], layouts: Sequence[Layout]) -> dict[Layout, list[Path]]:
    """Give the files of each layout."""
    groups: dict[Layout, list[Path]] = {}
    for file, layout in zip(table_files, layouts, strict=True):
        groups.setdefault(layout, []).append(file.path)
    return groups


def _reading(table: SourceTable, files: Sequence[int]) -> str:
    match table.format:
        case "parquet":
            return _reading_parquet(table, files, None)
        case "csv":
            return _reading_csv(table, files)
        case "jsonl":
            return _reading_jsonl(table, files)
        case "duckdb":
            raise AssertionError("a source is a folder of files")


def _reading_parquet(table: SourceTable, files: Sequence[int], number: str | None) -> str:
    columns = [f"{quote(name)}::{kind} as {quote(name)}" for name, kind in table.columns.items()]
    options = "union_by_name = true, hive_partitioning = false"
    if number is not None:
        columns.append(f"{PLACE} as {quote(number)}")
        options += f", {PLACE} = true"
    paths = file_list(table.files[index].path for index in files)
    return f"select {', '.join(columns)} from read_parquet({paths}, {options})"


def _reading_csv(table: SourceTable, files: Sequence[int]) -> str:
    columns = ", ".join(
        quote(name) if kind == "VARCHAR" else f"nullif({quote(name)}, '')::{kind} as {quote(name)}"
        for name, kind in table.columns.items()
    )
    groups = grouped([table.files[i] for i in files], [table.layouts[i] for i in files])
    return " union all ".join(
        f"select {columns} from {raw_csv(paths, layout)}" for layout, paths in groups.items()
    )


def _reading_jsonl(table: SourceTable, files: Sequence[int]) -> str:
    columns = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in table.columns.items())
    names = ", ".join(quote(name) for name in table.columns)
    chosen = [table.files[index] for index in files]
    packed = compression([file.packed for file in chosen])
    return (
        f"select {names} from read_json({file_list(file.path for file in chosen)}, format = 'newline_delimited', "
        f"columns = {{{columns}}}, {packed}, hive_partitioning = false)"
    )
