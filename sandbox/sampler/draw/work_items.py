"""Split a draw into items: files of the source, runs of small ones or row ranges of large ones, each for one part. Pure."""

from __future__ import annotations

import bisect
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

    from sandbox.sources.table import SourceTable

RANGE_BYTES = 256 * 2**20  # of a file; its drawn rows wait in memory until they are written
BATCH_BYTES = 64 * 2**20  # of small files that are read at once
PART_BYTES = 16 * 2**20  # of a part, where that takes no more than `RANGE_BYTES` of small files
MIN_BATCHES = 8
"""A table of small files keeps this many batches: code that depends on the order of files shows itself by several parts."""


@dataclass(frozen=True, kw_only=True)
class WorkItem:
    """Rows of the source that are read at once.

    Attributes:
        files: Indexes of its files in the table; one, unless they are small.
        number: Index of the range in the file; None for the whole file.
        first: First row number in the file, from 0.
        stop: Row number after the last; None for the whole file.
        bytes: Its share of the files' sizes.
    """

    files: range
    number: int | None
    first: int
    stop: int | None
    bytes: int

    @property
    def label(self) -> str:
        """Name of its part, unique in its table.

        >>> WorkItem(files=range(3, 4), number=None, first=0, stop=None, bytes=9).label
        '00003'
        >>> WorkItem(files=range(3, 4), number=12, first=500, stop=600, bytes=9).label
        '00003-0012'
        >>> WorkItem(files=range(3, 9), number=None, first=0, stop=None, bytes=9).label
        '00003-to-00008'
        """
        first, last = f"{self.files[0]:05d}", f"{self.files[-1]:05d}"
        if self.number is not None:
            return f"{first}-{self.number:04d}"
        return first if len(self.files) == 1 else f"{first}-to-{last}"


def list_items(
    table: SourceTable,
    groups: Mapping[int, Sequence[int]],
    read_groups: Sequence[Hashable] | None = None,
    batch_bytes: int = 0,
) -> list[WorkItem]:
    """Return the items of a table in the order of its files.

    The ranges of a file depend on the file alone, and the batches on the sizes of the files.

    Args:
        table: The table.
        groups: The rows of each row group, by index of the splittable file.
        read_groups: See `SourceAdapter.list_read_groups`.
        batch_bytes: Bytes of small files that are read at once.
    """
    sizes = [table.estimate_size(file) for file in table.files]
    items = []
    for files in _batch_files(sizes, read_groups, batch_bytes):
        size = sum(sizes[index] for index in files)
        ranges = split_row_groups(groups.get(files[0], ()), size) if len(files) == 1 else []
        if len(ranges) < 2:
            items.append(WorkItem(files=files, number=None, first=0, stop=None, bytes=size))
            continue
        rows = ranges[-1][1]
        items += [
            WorkItem(files=files, number=number, first=first, stop=stop, bytes=size * (stop - first) // rows)
            for number, (first, stop) in enumerate(ranges)
        ]
    return items


def choose_batch_bytes(share: float) -> int:
    """Return how many bytes of small files are read at once, if a share of them is drawn.

    >>> choose_batch_bytes(1.0) // 2**20, choose_batch_bytes(0.1) // 2**20, choose_batch_bytes(0.01) // 2**20
    (64, 160, 256)
    """
    return max(BATCH_BYTES, min(RANGE_BYTES, int(PART_BYTES / share) if share else RANGE_BYTES))


def _batch_files(sizes: Sequence[int], read_groups: Sequence[Hashable] | None, batch_bytes: int) -> Iterator[range]:
    """Yield runs of neighbouring files of one read group, each of no more than ``batch_bytes`` or of one file.

    >>> list(_batch_files([1] * 3, [0] * 3, 100))
    [range(0, 1), range(1, 2), range(2, 3)]
    """
    start, most = 0, max(1, len(sizes) // MIN_BATCHES)
    while start < len(sizes):
        stop, size = start + 1, sizes[start]
        while (
            read_groups is not None
            and stop < min(len(sizes), start + most)
            and read_groups[stop] == read_groups[start]
            and size + sizes[stop] <= batch_bytes
        ):
            size += sizes[stop]
            stop += 1
        yield range(start, stop)
        start = stop


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
