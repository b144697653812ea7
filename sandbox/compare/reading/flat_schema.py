"""The schema of a small, flat Parquet file, read without Arrow, whose import takes longer than comparing such files.

Formats: parquet.thrift (FileMetaData), Arrow's Schema.fbs and Message.fbs.
"""

from __future__ import annotations

import base64
import struct
from typing import TYPE_CHECKING, Any

from sandbox.compare.reading.compact_protocol import CompactReader, MalformedStructError

if TYPE_CHECKING:
    from pathlib import Path

_MAGIC = b"PAR1"
_TAIL_BYTES = 8
_MAX_FOOTER_BYTES = 1 << 16
_MAX_ROWS = 1 << 16  # larger tables are compared by their column chunks, which Arrow describes
_MAX_DECIMAL_DIGITS = 38
_INT96 = 3
_SCHEMA, _ROWS, _ENTRIES = 2, 3, 5  # fields of FileMetaData
_TYPE, _NAME, _CHILDREN, _PRECISION = 1, 4, 5, 8  # fields of SchemaElement
_ARROW_SCHEMA = b"ARROW:schema"
_PLAIN_ARROW_TYPES = frozenset({2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 19, 20})
"""Int, FloatingPoint, Binary, Utf8, Bool, Decimal, Date, Time, Timestamp, FixedSizeBinary, LargeBinary, LargeUtf8.

Of a Duration the column's own type says nothing.
"""


def read_flat_schema(path: Path) -> tuple[str, ...] | None:
    """Return the names of a file's columns; None where Arrow has to be asked.

    A file is flat if DuckDB reads each of its columns as what it is: no nested columns, durations, extension types, INT96 or
    decimals beyond 38 digits, and no name twice.
    """
    try:
        footer = _read_footer(path)
        if footer is None or footer[_ROWS] >= _MAX_ROWS:
            return None
        columns = footer[_SCHEMA][1:]
        names = tuple(column[_NAME].decode() for column in columns)
        plain = all(
            column.get(_CHILDREN) is None
            and column[_TYPE] != _INT96
            and column.get(_PRECISION, 0) <= _MAX_DECIMAL_DIGITS
            for column in columns
        )
        entries = {entry[1]: entry.get(2, b"") for entry in footer.get(_ENTRIES, ())}
        if _ARROW_SCHEMA in entries:
            plain = plain and _is_plain_arrow_schema(base64.b64decode(entries[_ARROW_SCHEMA], validate=True))
    except (OSError, MalformedStructError, LookupError, ValueError, TypeError, AttributeError, struct.error):
        return None  # who reads the file says what is wrong with it
    return names if plain and len(set(names)) == len(names) else None


def _read_footer(path: Path) -> dict[int, Any] | None:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(size - _TAIL_BYTES, 0))
        tail = file.read(_TAIL_BYTES)
        length = int.from_bytes(tail[:4], "little")
        if tail[4:] != _MAGIC or not length <= min(size - _TAIL_BYTES, _MAX_FOOTER_BYTES):
            return None
        file.seek(size - _TAIL_BYTES - length)
        return CompactReader(file.read(length)).read_struct()


def _is_plain_arrow_schema(data: bytes) -> bool:
    """Return whether an Arrow schema, as an encapsulated message, has plain types and no extension types alone."""
    message = _Table.open_root(data, 8 if data[:4] == b"\xff\xff\xff\xff" else 4)
    fields = message.open_table(2).list_tables(1)
    return all(field.read_byte(2) in _PLAIN_ARROW_TYPES and not field.has(6) for field in fields)


class _Table:
    """A table of a flatbuffer; its fields are numbered from 0."""

    def __init__(self, data: bytes, place: int) -> None:
        self._data = data
        self._place = place
        self._fields = place - self._unpack("<i", place)

    @classmethod
    def open_root(cls, data: bytes, start: int) -> _Table:
        return cls(data, start + struct.unpack_from("<I", data, start)[0])

    def has(self, field: int) -> bool:
        return self._find(field) is not None

    def read_byte(self, field: int) -> int:
        place = self._find(field)
        return 0 if place is None else self._data[place]

    def open_table(self, field: int) -> _Table:
        return _Table(self._data, self._follow(field))

    def list_tables(self, field: int) -> list[_Table]:
        start = self._follow(field)
        places = range(start + 4, start + 4 + 4 * self._unpack("<I", start), 4)
        return [_Table(self._data, place + self._unpack("<I", place)) for place in places]

    def _find(self, field: int) -> int | None:
        slot = 4 + 2 * field
        if slot >= self._unpack("<H", self._fields):
            return None
        offset = self._unpack("<H", self._fields + slot)
        return self._place + offset if offset else None

    def _follow(self, field: int) -> int:
        place = self._find(field)
        if place is None:
            raise MalformedStructError
        return place + self._unpack("<I", place)

    def _unpack(self, form: str, place: int) -> int:
        [value] = struct.unpack_from(form, self._data, place)
        return int(value)
