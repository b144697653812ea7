"""Headers of Parquet pages, to walk the pages of a column chunk.

Format: parquet.thrift, struct PageHeader.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Literal

from sandbox.compare.reading.compact_protocol import CompactReader, MalformedStructError

_HEADER_BYTES = 256  # nearly all headers are shorter
_MAX_HEADER_BYTES = 1 << 20
_KINDS: dict[int, PageKind] = {0: "data", 1: "index", 2: "dictionary", 3: "data"}
_PAGE_TYPE, _COMPRESSED_SIZE, _DATA_HEADER, _DATA_HEADER_V2 = 1, 3, 5, 8

PageKind = Literal["data", "index", "dictionary"]


class MalformedPageError(MalformedStructError):
    """Pages that do not fill their chunk, or are none."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page of a column chunk.

    Attributes:
        kind: What it holds.
        offset: Of its header, in the file.
        size: Bytes of header and content.
        values: Values of a data page, NULLs included.
    """

    kind: PageKind
    offset: int
    size: int
    values: int


def list_pages(file: int, offset: int, size: int) -> list[Page]:
    """Return the pages of a chunk.

    Args:
        file: A descriptor.
        offset: Of the chunk, in the file.
        size: Bytes of the chunk.

    Raises:
        MalformedStructError: The pages do not fill the chunk exactly, or are none.
        OSError: The file cannot be read.
    """
    pages = []
    end = offset + size
    while offset < end:
        page = _read_page(file, offset, end - offset)
        pages.append(page)
        offset += page.size
    if offset != end:
        raise MalformedPageError
    return pages


def _read_page(file: int, offset: int, most: int) -> Page:
    fields, length = _read_header(file, offset, most)
    kind, compressed = _KINDS.get(fields.get(_PAGE_TYPE, -1)), fields.get(_COMPRESSED_SIZE, -1)
    if kind is None or compressed < 0:
        raise MalformedPageError
    header = fields.get(_DATA_HEADER) or fields.get(_DATA_HEADER_V2) or {}
    values = header.get(1, -1) if kind == "data" else 0
    if values < 0:
        raise MalformedPageError
    return Page(kind=kind, offset=offset, size=length + compressed, values=values)


def _read_header(file: int, offset: int, most: int) -> tuple[dict[int, Any], int]:
    """Return a header's fields, and its bytes."""
    wanted = min(_HEADER_BYTES, most)
    while True:
        reader = CompactReader(os.pread(file, wanted, offset))
        try:
            return reader.read_struct(), reader.position
        except IndexError:  # the header is longer
            if wanted >= min(most, _MAX_HEADER_BYTES):
                raise MalformedPageError from None
            wanted = min(wanted * 8, most)
