"""Column chunks of Parquet files, and where two of them hold the same bytes.

Chunks of equal bytes hold equal values only if a reader treats these bytes alike. So types, codecs, encodings and the
places of the pages within the chunk have to be equal first.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.compare.chunks.page_headers import MalformedPageError, Page, list_pages
from sandbox.compare.reading.compact_protocol import MalformedStructError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.compare.reading.parquet_reader import ParquetFile

Rows = tuple[int, int]
"""The first row of a range and the one behind its last."""

_FIRST_BYTES = 1 << 16  # most chunks that differ do so at once
_BLOCK_BYTES = 1 << 20
_MIN_OFFSET = 4  # of the first page: a file begins with four letters
_READER_METADATA = (b"geo",)  # of a file's own entries, what changes how values are read


@dataclass(frozen=True, kw_only=True)
class ColumnChunk:
    """One column of one row group.

    Attributes:
        offset, size: Its bytes in the file.
        traits: What decides how these bytes are read.
    """

    offset: int
    size: int
    traits: tuple[Any, ...]


def find_leaves(file: ParquetFile) -> list[range] | None:
    """Return the numbers of the leaf columns of each column; None where they cannot be told."""
    counts = [_count_leaves(type_) for type_ in file.types]
    if sum(counts) != file.metadata.num_columns:
        return None
    ends = [sum(counts[: place + 1]) for place in range(len(counts))]
    return [range(end - count, end) for count, end in zip(counts, ends, strict=True)]


def _count_leaves(type_: Any) -> int:
    storage = getattr(type_, "storage_type", type_)
    return sum(_count_leaves(storage.field(number).type) for number in range(storage.num_fields)) or 1


def are_read_alike(files: tuple[ParquetFile, ParquetFile]) -> bool:
    """Return whether readers treat two files alike: both are of one writer, and say the same of how to read them."""
    first, second = (file.metadata for file in files)
    own = [[(metadata.metadata or {}).get(key) for key in _READER_METADATA] for metadata in (first, second)]
    return own[0] == own[1] and (first.created_by, first.format_version) == (second.created_by, second.format_version)


def describe_leaf(file: ParquetFile, leaf: int) -> tuple[Any, ...]:
    """Return all that the schema says of a leaf column but for the name of its column."""
    column = file.metadata.schema.column(leaf)
    logical = column.logical_type
    return (
        column.physical_type,
        None if logical is None else logical.to_json(),
        column.converted_type,
        column.length,
        column.precision,
        column.scale,
        column.max_definition_level,
        column.max_repetition_level,
    )


def read_chunk(group: Any, leaf: int) -> ColumnChunk | None:
    """Return where a column of Arrow's ``RowGroupMetaData`` lies; None where that is not a plain part of the file."""
    found = group.column(leaf)
    dictionary, data = found.dictionary_page_offset or 0, found.data_page_offset
    start = dictionary or data
    if found.file_path or not _MIN_OFFSET <= start <= data:
        return None
    traits = (
        found.num_values,
        found.compression,
        tuple(found.encodings),
        data - start,
        bool(dictionary),
        found.total_compressed_size,
        found.total_uncompressed_size,
    )
    return ColumnChunk(offset=start, size=found.total_compressed_size, traits=traits)


def find_differing_rows(
    files: tuple[int, int], chunks: tuple[ColumnChunk, ColumnChunk], rows: int, *, nested: bool
) -> list[Rows]:
    """Return the ranges of rows, counted within the row group, in which the bytes of two chunks differ.

    Args:
        files: Descriptors.
        chunks: The chunks, of one type.
        rows: Rows of the group.
        nested: Whether the column is part of a list, so that values are not rows.

    Raises:
        OSError: A file cannot be read.
    """
    first, second = chunks
    whole = [(0, rows)]
    try:
        if first.traits == second.traits and _is_equal(files, (first.offset, second.offset), first.size):
            pages = list_pages(files[0], first.offset, first.size)
            filled = sum(page.values for page in pages) == first.traits[0] and (nested or first.traits[0] == rows)
            return [] if filled else whole
        return whole if nested else _find_differing_pages(files, chunks, rows)
    except MalformedStructError:
        return whole


def _find_differing_pages(files: tuple[int, int], chunks: tuple[ColumnChunk, ColumnChunk], rows: int) -> list[Rows]:
    """Return the ranges of rows in which pages differ, of chunks without lists; all rows where they share no page."""
    if chunks[0].traits[1] != chunks[1].traits[1]:  # the codec is not in the pages
        return [(0, rows)]
    sides = [list_pages(file, chunk.offset, chunk.size) for file, chunk in zip(files, chunks, strict=True)]
    dictionaries = [[page for page in pages if page.kind == "dictionary"] for pages in sides]
    placed = [_place_pages(pages, rows) for pages in sides]
    if max(map(len, placed)) == 1 or not _are_equal_pages(files, dictionaries):
        return [(0, rows)]
    equal = [
        span
        for span, page in placed[0].items()
        if span in placed[1] and _are_equal_pages(files, [[page], [placed[1][span]]])
    ]
    return _invert_ranges(equal, rows)


def _place_pages(pages: Sequence[Page], rows: int) -> dict[Rows, Page]:
    placed, start = {}, 0
    for page in pages:
        if page.kind == "data" and page.values:
            placed[start, start + page.values] = page
            start += page.values
    if start != rows:
        raise MalformedPageError
    return placed


def _are_equal_pages(files: tuple[int, int], pages: Sequence[Sequence[Page]]) -> bool:
    first, second = pages
    return len(first) == len(second) and all(
        one.size == other.size and _is_equal(files, (one.offset, other.offset), one.size)
        for one, other in zip(first, second, strict=True)
    )


def _invert_ranges(ranges: Sequence[Rows], rows: int) -> list[Rows]:
    """Return what ranges leave of all rows.

    >>> _invert_ranges([(10, 20), (20, 30)], 40)
    [(0, 10), (30, 40)]
    """
    starts = [0, *(end for _, end in sorted(ranges))]
    ends = [*(start for start, _ in sorted(ranges)), rows]
    return [(start, end) for start, end in zip(starts, ends, strict=True) if start < end]


def _is_equal(files: tuple[int, int], offsets: tuple[int, int], size: int) -> bool:
    """Return whether so many bytes of two files are equal; False where a file ends before."""
    done, wanted = 0, _FIRST_BYTES
    while done < size:
        wanted = min(wanted, size - done)
        first, second = (os.pread(file, wanted, offset + done) for file, offset in zip(files, offsets, strict=True))
        if first != second or len(first) != wanted:
            return False
        done += wanted
        wanted = _BLOCK_BYTES
    return True
