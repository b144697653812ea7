"""The items of a draw: each is a file of the source, or a range of rows of a large one, and makes one part. Pure."""

from __future__ import annotations

import bisect
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.sources.table import SourceTable

RANGE_BYTES = 256 * 2**20  # of a file; what is drawn of it waits in memory until it is written


@dataclass(frozen=True, kw_only=True)
class WorkItem:
    """Rows of the source that are read at once.

    Attributes:
        file: The file's place among those of its table.
        number: The range's place in the file; None where the item is the whole file.
        first: The place of its first row in the file, from 0.
        stop: The place behind its last row; None where the item is the whole file.
        bytes: What it has of the file's size.
    """

    file: int
    number: int | None
    first: int
    stop: int | None
    bytes: int

    @property
    def label(self) -> str:
        """What tells its part from the others of its table.

        >>> WorkItem(file=3, number=None, first=0, stop=None, bytes=9).label
        '00003'
        >>> WorkItem(file=3, number=12, first=500, stop=600, bytes=9).label
        '00003-0012'
        """
        return f"{self.file:05d}" if self.number is None else f"{self.file:05d}-{self.number:04d}"


def list_items(table: SourceTable, groups: Mapping[int, Sequence[int]]) -> list[WorkItem]:
    """Give the items of a table, file after file.

    Args:
        table: The table.
        groups: For files that can be cut the rows of each of their row groups. Where a file is cut depends on nothing
            but the file.
    """
    found = []
    for index, file in enumerate(table.files):
        size = table.estimate_size(file)
        ranges = split_row_groups(groups.get(index, ()), size)
        if len(ranges) < 2:
            found.append(WorkItem(file=index, number=None, first=0, stop=None, bytes=size))
            continue
        rows = ranges[-1][1]
        found += [
            WorkItem(file=index, number=number, first=first, stop=stop, bytes=size * (stop - first) // rows)
            for number, (first, stop) in enumerate(ranges)
        ]
    return found


def split_row_groups(groups: Sequence[int], size: int) -> list[tuple[int, int]]:
    """Cut a file at the ends of its row groups into ranges of about equal length: the first row and the one behind.

    Args:
        groups: The rows of each row group.
        size: Bytes of the file.

    >>> split_row_groups([100, 100, 100, 100], 2 * RANGE_BYTES)
    [(0, 200), (200, 400)]
    """
    ends = list(itertools.accumulate(groups))
    wanted = round(size / RANGE_BYTES)
    if not ends or wanted < 2:
        return [(0, ends[-1])] if ends else []
    marks = [ends[bisect.bisect_left(ends, ends[-1] * part / wanted)] for part in range(1, wanted + 1)]
    return [(first, stop) for first, stop in itertools.pairwise([0, *marks]) if first < stop]
