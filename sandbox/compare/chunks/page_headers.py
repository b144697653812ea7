"""Headers of Parquet pages: the parts of Thrift's compact protocol that are needed to walk the pages of a column chunk.

Format: parquet.thrift, struct PageHeader.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Literal

_HEADER_BYTES = 256  # nearly all headers are shorter
_MAX_HEADER_BYTES = 1 << 20
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
_MAX_DEPTH = 8
_LONG_LIST = 15
_KINDS: dict[int, PageKind] = {0: "data", 1: "index", 2: "dictionary", 3: "data"}
_PAGE_TYPE, _COMPRESSED_SIZE, _DATA_HEADER, _DATA_HEADER_V2 = 1, 3, 5, 8

PageKind = Literal["data", "index", "dictionary"]


class MalformedPageError(ValueError):
    """Bytes that are no page header, or pages that do not fill their chunk."""


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
        MalformedPageError: The pages do not fill the chunk exactly.
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
        reader = _CompactReader(os.pread(file, wanted, offset))
        try:
            return reader.read_struct(), reader.position
        except IndexError:  # the header is longer
            if wanted >= min(most, _MAX_HEADER_BYTES):
                raise MalformedPageError from None
            wanted = min(wanted * 8, most)


class _CompactReader:
    """Reads structs of numbers; skips all else.

    Raises:
        IndexError: The bytes end within a value.
        MalformedPageError: They are no struct.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def read_struct(self, depth: int = 0) -> dict[int, Any]:
        """Return the numbers and structs by the number of their field."""
        if depth > _MAX_DEPTH:
            raise MalformedPageError
        fields: dict[int, Any] = {}
        last = 0
        while byte := self._read_byte():
            delta, type_ = byte >> 4, byte & 15
            last = last + delta if delta else self._read_number()
            fields[last] = type_ == _TRUE if type_ in {_TRUE, _FALSE} else self._read_value(type_, depth)
        return fields

    def _read_value(self, type_: int, depth: int) -> Any:
        if type_ == _STRUCT:
            return self.read_struct(depth + 1)
        if type_ in {_TRUE, _FALSE, _BYTE}:
            return self._skip(1)
        if type_ == _DOUBLE:
            return self._skip(8)
        if type_ == _BINARY:
            return self._skip(self._read_varint())
        if type_ in {_LIST, _SET}:
            byte = self._read_byte()
            count = byte >> 4
            for _ in range(self._read_varint() if count == _LONG_LIST else count):
                self._read_value(byte & 15, depth + 1)
            return None
        if type_ == _MAP or not _BYTE < type_ < _DOUBLE:
            raise MalformedPageError
        return self._read_number()

    def _read_byte(self) -> int:
        byte = self._data[self.position]
        self.position += 1
        return byte

    def _read_varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._read_byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def _read_number(self) -> int:
        value = self._read_varint()
        return (value >> 1) ^ -(value & 1)

    def _skip(self, count: int) -> None:
        self.position += count
        if self.position > len(self._data):
            raise IndexError
