"""Find tables whose files are the same on both sides, byte for byte."""

from __future__ import annotations

import os
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sandbox.model import TableFiles

_FIRST_BYTES = 1 << 16  # most files that differ do so at once, or at their end
_BLOCK_BYTES = 1 << 20
_COMPARED_FORMATS = frozenset(
    {"parquet", "csv", "jsonl", "json", "arrow", "orc"}
)  # no other file changes what they hold


def are_identical_tables(baseline: TableFiles, candidate: TableFiles) -> bool:
    """Return whether two tables are the same files, or files of equal bytes under equal names.

    Databases and tables of lakes are the same only if their files are: what they hold depends on files beside them.

    Raises:
        OSError: A file cannot be read.
    """
    if _describe_table(baseline) != _describe_table(candidate):
        return False
    pairs = list(zip(baseline.paths, candidate.paths, strict=True))
    if all(one.samefile(other) for one, other in pairs):
        return True
    return baseline.format in _COMPARED_FORMATS and all(_are_identical_files(*pair) for pair in pairs)


def _describe_table(table: TableFiles) -> tuple[object, ...]:
    """Return what decides how a table's files are read, besides their bytes."""
    single = table.folder is None and len(table.paths) == 1
    root = table.folder or os.path.commonpath([path.parent for path in table.paths])
    names = () if single else tuple(os.path.relpath(path, root) for path in table.paths)
    suffixes = tuple(path.suffix for path in table.paths)
    return (table.format, table.member, table.schema, table.folder is None, names, suffixes)


def _are_identical_files(baseline: Path, candidate: Path) -> bool:
    with baseline.open("rb", buffering=0) as first, candidate.open("rb", buffering=0) as second:
        files = (first.fileno(), second.fileno())
        size, other = (os.fstat(file).st_size for file in files)
        if size != other:
            return False
        edges = [0, min(_FIRST_BYTES, size), *range(_BLOCK_BYTES, size, _BLOCK_BYTES), size]
        last = (max(size - _FIRST_BYTES, 0), size)
        return all(_has_equal_bytes(files, span) for span in (last, *pairwise(edges)))


def _has_equal_bytes(files: Sequence[int], span: tuple[int, int]) -> bool:
    start, end = span
    first, second = (os.pread(file, end - start, start) for file in files)
    return first == second and len(first) == end - start
