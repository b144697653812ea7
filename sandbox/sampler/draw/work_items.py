"""Split a draw into items: files of the source or row ranges of large ones, each for one part. Pure."""

from __future__ import annotations

import bisect
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.sources.table import SourceTable

RANGE_BYTES = 256 * 2**20  # of a file; its drawn rows wait in memory until they are written


@dataclass(frozen=True, kw_only=True)
class WorkItem:
    """Rows of the source that are read at once.

    Attributes:
        file: Index of the file in its table.
        number: Index of the range in the file; None for the whole file.
        first: First row number in the file, from 0.
        stop: Row number after the last; None for the whole file.
        bytes: Its share of the file's size.
    """

    file: int
    number: int | None
    first: int
    stop: int | None
    bytes: int

    @property
    def label(self) -> str:
        """Name of its part, unique in its table.

        >>> WorkItem(file=3, number=None, first=0, stop=None, bytes=9).label
        '00003'
        >>> WorkItem(file=3, number=12, first=500, stop=600, bytes=9).label
        '00003-0012'
        """
        return f"{self.file:05d}" if self.number is None else f"{self.file:05d}-{self.number:04d}"


def list_items(table: SourceTable, groups: Mapping[int, Sequence[int]]) -> list[WorkItem]:
    """Return the items of a table, file by file; the ranges of a file depend on the file alone.

    ``groups`` has the rows of each row group, by index of the splittable file.
    """
    items = []
    for index, file in enumerate(table.files):
        size = table.estimate_size(file)
        ranges = split_row_groups(groups.get(index, ()), size)
        if len(ranges) < 2:
            items.append(WorkItem(file=index, number=None, first=0, stop=None, bytes=size))
            continue
        rows = ranges[-1][1]
        items += [
            WorkItem(file=index, number=number, first=first, stop=stop, bytes=size * (stop - first) // rows)
            for number, (first, stop) in enumerate(ranges)
        ]
    return items


def split_row_groups(groups: Sequence[int], size: int) -> list[tuple[int, int]]:
    """Split a file of ``size`` bytes into (first, stop) ranges of whole row groups and about equal length.

    >>> split_row_groups([100, 100, 100, 100], 2 * RANGE_BYTES)
    [(0, 200), (200, 400)]
    """
    ends = list(itertools.accumulate(groups))
    count = round(size / RANGE_BYTES)
    if not ends or count < 2:
        return [(0, ends[-1])] if ends else []
    marks = [ends[bisect.bisect_left(ends, ends[-1] * part / count)] for part in range(1, count + 1)]
    return [(first, stop) for first, stop in itertools.pairwise([0, *marks]) if first < stop]
