"""Thrift's compact protocol, in which Parquet files describe themselves.

Format: thrift-compact-protocol.md of Apache Thrift, without maps.
"""

from __future__ import annotations

from typing import Any

_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
_MAX_DEPTH = 8
_LONG_LIST = 15


class MalformedStructError(ValueError):
    """Bytes that are no struct."""


class CompactReader:
    """Reads structs of numbers, bytes, lists and structs, by the numbers of their fields.

    Raises:
        IndexError: The bytes end within a value.
        MalformedStructError: They are no struct.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def read_struct(self, depth: int = 0) -> dict[int, Any]:
        """Return the fields of a struct by their numbers."""
        if depth > _MAX_DEPTH:
            raise MalformedStructError
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
            count = self._read_varint() if count == _LONG_LIST else count
            return [self._read_value(byte & 15, depth + 1) for _ in range(count)]
        if type_ == _MAP or not _BYTE < type_ < _DOUBLE:
            raise MalformedStructError
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

    def _skip(self, count: int) -> bytes:
        """Return the next bytes, which are no number."""
        start = self.position
        self.position += count
        if self.position > len(self._data):
            raise IndexError
        return self._data[start : self.position]
