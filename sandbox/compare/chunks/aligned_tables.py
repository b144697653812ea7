"""Two tables of Parquet files, row by row at equal positions: which columns' bytes differ in which ranges of rows."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING

from sandbox.compare.chunks.column_chunks import (
    Rows,
    are_read_alike,
    describe_leaf,
    find_differing_rows,
    find_leaves,
    read_chunk,
)
from sandbox.compare.reading.table_reader import render_raw_column
from sandbox.compare.relations import SIDES
from sandbox.engine.duckdb.table_functions import format_file_list

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sandbox.compare.columns import ComparedColumn, TableShape
    from sandbox.compare.reading.parquet_reader import ParquetFile, ParquetSource
    from sandbox.compare.relations import SideName

_POSITION_COLUMNS = {"file_index", "file_row_number"}  # DuckDB's names of what tells a row's position
_MAX_PARTIAL_RANGES = 8  # of a row group with more ranges that differ, all rows are compared
_MAX_SETS = 4  # so many sets of columns are decoded each by themselves

FilePair = tuple["ParquetFile", "ParquetFile"]


@dataclass(frozen=True, kw_only=True)
class RowRange:
    """Consecutive rows of one file, numbered from 0; ``end`` is the first one behind them."""

    file: int
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class PositionedTable:
    """One side's files in the order of the pairs.

    Attributes:
        files: The files.
        types: DuckDB's types of the columns.
        options: The options of DuckDB's reader.
    """

    files: tuple[ParquetFile, ...]
    types: tuple[str, ...]
    options: str

    def render_rows_sql(self, numbers: Iterable[int]) -> str:
        """Render the rows of all files: columns ``r<n>``, and the position as ``f`` and ``n``."""
        shown = "".join(f", {render_raw_column(number, self.types[number])}" for number in numbers)
        return f"(select file_index as f, file_row_number as n{shown} from {self._render_scan(self.files)})"

    def render_file_sql(self, numbers: Iterable[int], ranges: Sequence[RowRange]) -> str:
        """Render ranges of rows of one file, as nothing but a scan: ``r<n>`` as they are stored, and ``n``."""
        [file] = {one.file for one in ranges}
        shown = "".join(f", r{number}" for number in numbers)
        some = " or ".join(f"file_row_number between {one.start} and {one.end - 1}" for one in ranges)
        return f"(select file_row_number as n{shown} from {self._render_scan([self.files[file]])} where {some})"

    def _render_scan(self, files: Sequence[ParquetFile]) -> str:
        aliases = ", ".join(f"r{number}" for number in range(len(self.types)))
        return f"read_parquet({format_file_list(file.path for file in files)}, {self.options}) t({aliases})"


@dataclass(frozen=True, kw_only=True)
class AlignedTables:
    """Two tables whose rows are compared at equal positions.

    Attributes:
        sides: The files of either side; those of one index are a pair.
        ranges: Each set of columns that may differ to the ranges in which nothing else does; the empty set to those in
            which nothing differs. No two ranges overlap.
        unaligned: Each side's ranges whose rows have no equal position on the other side.
    """

    sides: Mapping[SideName, PositionedTable]
    ranges: Mapping[frozenset[ComparedColumn], Sequence[RowRange]]
    unaligned: Mapping[SideName, Sequence[RowRange]]


def align_tables(
    sources: Mapping[SideName, ParquetSource],
    shapes: Mapping[SideName, TableShape],
    columns: Sequence[ComparedColumn],
) -> AlignedTables | None:
    """Compare the bytes of two tables' column chunks; None where their files cannot be compared so.

    Raises:
        OSError: A file cannot be read.
    """
    if len(sources) != len(SIDES) or not all(source.files for source in sources.values()):
        return None
    names = {name.lower() for source in sources.values() for name in source.names}
    if names & _POSITION_COLUMNS:
        return None
    first, second = _order_files(sources["baseline"].files, sources["candidate"].files)
    sides: dict[SideName, PositionedTable] = {}
    for side, files in zip(SIDES, (first, second), strict=True):
        sides[side] = PositionedTable(files=files, types=shapes[side].types, options=sources[side].options)
        if sum(file.metadata.num_rows for file in files) != shapes[side].rows:
            return None
    work = _Alignment(columns=columns)
    for number, (one, other) in enumerate(zip_longest(first, second)):
        work.add_files(number, one, other)
    return AlignedTables(sides=sides, ranges=_limit_sets(work.ranges), unaligned=work.unaligned)


def _order_files(
    first: Sequence[ParquetFile], second: Sequence[ParquetFile]
) -> tuple[tuple[ParquetFile, ...], tuple[ParquetFile, ...]]:
    """Return the files of both sides so that pairs have one index: by their paths, the others by their order."""
    paths = [{_name_file(files, file): file for file in files} for files in (first, second)]
    common = [path for path in paths[0] if path in paths[1]]
    return tuple(
        (*(files[path] for path in common), *(file for path, file in files.items() if path not in common))
        for files in paths
    )  # type: ignore[return-value]  # two of them


def _name_file(files: Sequence[ParquetFile], file: ParquetFile) -> str:
    return os.path.relpath(file.path, os.path.commonpath([one.path.parent for one in files]))


def _limit_sets(
    ranges: Mapping[frozenset[ComparedColumn], list[RowRange]],
) -> Mapping[frozenset[ComparedColumn], list[RowRange]]:
    """Return the same with few sets of columns: of many, one holds all columns that differ anywhere."""
    if len(ranges) <= _MAX_SETS:
        return ranges
    nothing: frozenset[ComparedColumn] = frozenset()
    merged = sorted(
        (one for columns, some in ranges.items() if columns for one in some), key=lambda one: (one.file, one.start)
    )
    return {nothing: ranges.get(nothing, []), nothing.union(*ranges): merged}


@dataclass(frozen=True, kw_only=True)
class _Alignment:
    columns: Sequence[ComparedColumn]
    ranges: dict[frozenset[ComparedColumn], list[RowRange]] = field(default_factory=dict)
    unaligned: dict[SideName, list[RowRange]] = field(default_factory=lambda: {"baseline": [], "candidate": []})

    def add_files(self, number: int, first: ParquetFile | None, second: ParquetFile | None) -> None:
        """Compare a pair of files as far as their row groups have equal numbers of rows."""
        aligned = start = 0
        if first is not None and second is not None:
            pair = _FilePair(files=(first, second), columns=self.columns)
            with pair.open_files() as descriptors:
                for group, rows in enumerate(pair.list_aligned_groups()):
                    for columns, (begin, end) in pair.compare_groups(descriptors, group, rows):
                        self._add_range(columns, RowRange(file=number, start=start + begin, end=start + end))
                    start += rows
            aligned = start
        for side, file in zip(SIDES, (first, second), strict=True):
            if file is not None and file.metadata.num_rows > aligned:
                self.unaligned[side].append(RowRange(file=number, start=aligned, end=file.metadata.num_rows))

    def _add_range(self, columns: frozenset[ComparedColumn], added: RowRange) -> None:
        some = self.ranges.setdefault(columns, [])
        if some and (some[-1].file, some[-1].end) == (added.file, added.start):
            added = RowRange(file=added.file, start=some.pop().start, end=added.end)
        some.append(added)


class _FilePair:
    """Two files, with the leaf columns whose bytes can be compared."""

    def __init__(self, *, files: FilePair, columns: Sequence[ComparedColumn]) -> None:
        self._files = files
        leaves = [find_leaves(file) for file in files]
        alike = are_read_alike(files)
        self._leaves: dict[ComparedColumn, list[tuple[int, int]] | None] = {}
        for column in columns:
            self._leaves[column] = None
            if alike and leaves[0] is not None and leaves[1] is not None and column.types[0] == column.types[1]:
                pairs = list(zip(leaves[0][column.baseline], leaves[1][column.candidate], strict=False))
                if len(leaves[0][column.baseline]) == len(leaves[1][column.candidate]) and all(
                    describe_leaf(files[0], one) == describe_leaf(files[1], other) for one, other in pairs
                ):
                    self._leaves[column] = pairs

    @contextlib.contextmanager
    def open_files(self) -> Iterator[tuple[int, int]]:
        """Yield the descriptors of both files."""
        first, second = self._files
        with first.path.open("rb", buffering=0) as one, second.path.open("rb", buffering=0) as other:
            yield one.fileno(), other.fileno()

    def list_aligned_groups(self) -> list[int]:
        """Return the numbers of rows of the first row groups, as long as both files have the same."""
        counts = [
            [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
            for file in self._files
        ]
        same = 0
        while same < min(map(len, counts)) and counts[0][same] == counts[1][same]:
            same += 1
        return counts[0][:same]

    def compare_groups(
        self, descriptors: tuple[int, int], group: int, rows: int
    ) -> list[tuple[frozenset[ComparedColumn], Rows]]:
        """Return the ranges of a pair of row groups, each with the columns that may differ in it."""
        found = [file.metadata.row_group(group) for file in self._files]
        differing: dict[ComparedColumn, list[Rows]] = {}
        for column, leaves in self._leaves.items():
            ranges = [(0, rows)] if leaves is None else []
            for pair in leaves or ():
                chunks = [read_chunk(one, leaf) for one, leaf in zip(found, pair, strict=True)]
                if chunks[0] is None or chunks[1] is None:
                    ranges = [(0, rows)]
                    break
                nested = self._files[0].metadata.schema.column(pair[0]).max_repetition_level > 0
                ranges += find_differing_rows(descriptors, (chunks[0], chunks[1]), rows, nested=nested)
                if (0, rows) in ranges:
                    break
            if ranges:
                differing[column] = ranges
        return _divide_rows(differing, rows)


def _divide_rows(
    differing: Mapping[ComparedColumn, Sequence[Rows]], rows: int
) -> list[tuple[frozenset[ComparedColumn], Rows]]:
    """Return all rows of a group in ranges: those in which some column differs, and the others."""
    merged: list[Rows] = []
    for start, end in sorted(one for ranges in differing.values() for one in ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    if len(merged) > _MAX_PARTIAL_RANGES:
        merged = [(0, rows)]
    columns, given, last = frozenset(differing), [], 0
    nothing: frozenset[ComparedColumn] = frozenset()
    for start, end in merged:
        given += [(nothing, (last, start))] if last < start else []
        given.append((columns, (start, end)))
        last = end
    return [*given, (nothing, (last, rows))] if last < rows else given
