"""Keyed 64-bit hashes of rows, computed over Arrow batches.

Each word of a row is multiplied by random numbers of its position; the sums are mixed with further ones. The numbers are
drawn for each comparison and never leave the process, so nobody can choose rows whose hashes are equal, or cancel.
"""

from __future__ import annotations

import math
import secrets
from typing import TYPE_CHECKING, Any

import numpy as np

from sandbox.compare.canonical_sql import render_text_sql
from sandbox.compare.sql_types import FLOAT_TYPES, INTEGER_TYPES, TEMPORAL_TYPES, is_numeric

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

Array = np.ndarray[Any, np.dtype[Any]]
_MAX_TEXT_BYTES = 256  # of longer texts DuckDB computes a keyed MD5 first
_WORD_BYTES = 8
_MAX_WORDS = _MAX_TEXT_BYTES // _WORD_BYTES + 2
_LOW_HALF = np.uint64(2**32 - 1)
_CACHED_ROWS = 1 << 13
_HALF_BITS = np.uint64(32)
_BITS = 64


class RowHasher:
    """Hashes rows of compared values with a key of its own.

    Args:
        values: SQL of each compared value and its type in canonical form.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        count = 2 * len(values) + len(values) // _BITS + 1
        self._row_factors = _draw_numbers(count, 4)
        self._text_factors = _draw_numbers(_MAX_WORDS, 4)
        self._mixers = _draw_numbers(3) | np.uint64(1)
        salt = secrets.token_hex(16)
        self.sql = [_render_word_sql(sql, type_, salt) for sql, type_ in values.items()]
        self._is_float = [type_ in FLOAT_TYPES for type_ in values.values()]

    def hash_rows(self, columns: list[pa.Array]) -> Array:
        """Return the hashes of a batch's rows, given the columns of `sql`."""
        rows = len(columns[0]) if columns else 0
        # A few rows at a time, so that their words stay in the processor's cache.
        parts = [
            self._hash_some([column.slice(start, _CACHED_ROWS) for column in columns])
            for start in range(0, rows, _CACHED_ROWS)
        ]
        return np.concatenate([np.zeros(0, np.uint64), *parts])

    def _hash_some(self, columns: list[pa.Array]) -> Array:
        rows = len(columns[0])
        sums = _Sums(rows, self._row_factors)
        nulls = np.zeros(rows, np.uint64)
        for number, column in enumerate(columns):
            valid = _read_validity(column)
            for words in self._read_words(column, is_float=self._is_float[number]):
                sums.add(words if valid is None else np.where(valid, words, np.uint64(0)))
            if valid is not None:
                nulls |= (~valid).astype(np.uint64) << np.uint64(number % _BITS)
            if number % _BITS == _BITS - 1:
                sums.add(nulls)
                nulls = np.zeros(rows, np.uint64)
        if nulls.any():
            sums.add(nulls)
        return sums.mix(self._mixers)

    def _read_words(self, column: pa.Array, *, is_float: bool) -> list[Array]:
        """Return the 64-bit words of a column of fixed width, or one of the hashes of its texts."""
        width = column.type.bit_width if column.type.num_buffers == 2 else 0
        if not width:
            return [self._hash_texts(column)]
        data = np.frombuffer(column.buffers()[1], np.uint8)
        bytes_ = width // 8
        data = data[column.offset * bytes_ : (column.offset + len(column)) * bytes_]
        if is_float:
            if width == _HALF_BITS:
                singles = data.view(np.float32)
                singles = _normalize_floats(singles)
                return [singles.view(np.uint32).astype(np.uint64)]
            doubles = data.view(np.float64)
            return [_normalize_floats(doubles).view(np.uint64)]
        if width > _BITS:
            pairs = data.view(np.uint64).reshape(-1, width // _BITS)
            return [pairs[:, number] for number in range(pairs.shape[1])]
        return [data.view(f"u{bytes_}").astype(np.uint64)]

    def _hash_texts(self, column: pa.Array) -> Array:
        offsets = np.frombuffer(column.buffers()[1], np.int64)[column.offset : column.offset + len(column) + 1]
        first, last = int(offsets[0]), int(offsets[-1])
        words = np.zeros((last - first) // _WORD_BYTES + 2, np.uint64)
        if last > first:
            words.view(np.uint8)[: last - first] = np.frombuffer(column.buffers()[2], np.uint8)[first:last]
        starts, lengths = offsets[:-1] - first, np.diff(offsets)
        sums = _Sums(len(column), self._text_factors)
        sums.add(lengths.view(np.uint64))
        longest = int(lengths.max(initial=0))
        for begin in range(0, longest, _WORD_BYTES):
            if begin == 0:
                sums.add(_read_unaligned_words(words, starts) & _MASKS[np.minimum(lengths, _WORD_BYTES)])
                continue
            [chosen] = np.nonzero(lengths > begin)
            left = np.minimum(lengths[chosen] - begin, _WORD_BYTES)
            sums.add(_read_unaligned_words(words, starts[chosen] + begin) & _MASKS[left], chosen)
        return sums.mix(self._mixers)


def _draw_numbers(*shape: int) -> Array:
    """Return random 64-bit numbers of the operating system; `numpy.random` would take 15 ms to import."""
    return np.frombuffer(secrets.token_bytes(8 * math.prod(shape)), np.uint64).reshape(shape)


def _read_unaligned_words(words: Array, starts: Array) -> Array:
    """Return the eight bytes from each start: parts of two neighbouring words, which numpy reads faster than one across."""
    indexes, bits = starts >> 3, ((starts & 7) << 3).view(np.uint64)
    # A shift by 64 bits gives 0.
    parts: Array = words[indexes] >> bits
    parts |= words[indexes + 1] << (np.uint64(_BITS) - bits)
    return parts


def _normalize_floats(values: Array) -> Array:
    """Return floating-point values with one NaN and one zero; slots of NULLs may hold signalling NaNs."""
    with np.errstate(invalid="ignore"):
        normalized: Array = np.where(np.isnan(values), values.dtype.type(np.nan), values + values.dtype.type(0))
        return normalized


_MASKS = np.array([(1 << (8 * count)) - 1 for count in range(_WORD_BYTES + 1)], np.uint64)


class _Sums:
    """Two keyed sums of the words of each row; each differs for two rows with a probability of at least 1 - 2⁻³³."""

    def __init__(self, rows: int, factors: Array) -> None:
        self._first, self._second = np.zeros(rows, np.uint64), np.zeros(rows, np.uint64)
        self._product = np.empty(rows, np.uint64)
        self._factors = iter(factors)

    def add(self, words: Array, rows: Array | None = None) -> None:
        """Add the next word of all rows, or of some."""
        one, two, three, four = next(self._factors)
        # Words of 32 bits have no high half.
        is_wide = bool(len(words)) and words.max() > _LOW_HALF
        low = words & _LOW_HALF if is_wide else words
        halves = [(low, one, three), *([(words >> _HALF_BITS, two, four)] if is_wide else [])]
        for half, of_first, of_second in halves:
            product = self._product[: len(words)]
            for sums, factor in ((self._first, of_first), (self._second, of_second)):
                np.multiply(half, factor, out=product)
                if rows is None:
                    np.add(sums, product, out=sums)
                else:
                    sums[rows] += product

    def mix(self, mixers: Array) -> Array:
        """Return one number of both sums, of which sums over rows are no sums of words."""
        mixed = self._first
        for mixer, shift in zip(mixers, (32, 29, 32), strict=True):
            mixed ^= np.right_shift(mixed, np.uint64(shift), out=self._product)
            mixed *= mixer
            mixed += self._second
        mixed ^= np.right_shift(mixed, np.uint64(29), out=self._product)
        return mixed


def _read_validity(column: pa.Array) -> Array | None:
    if not column.null_count:
        return None
    bits = np.unpackbits(np.frombuffer(column.buffers()[0], np.uint8), bitorder="little")
    return bits[column.offset : column.offset + len(column)].astype(bool)


def _render_word_sql(sql: str, type_: str, salt: str) -> str:
    """Return the SQL of a value as a number, or as a text of limited length."""
    if type_ == "BOOLEAN":
        return f"({sql})::UTINYINT"
    if type_ in INTEGER_TYPES | TEMPORAL_TYPES or (
        is_numeric(type_) and type_ not in {"HUGEINT", "UHUGEINT", "BIGNUM"}
    ):
        return sql
    text = sql if type_ == "VARCHAR" else f"case when ({sql}) is not null then {render_text_sql(type_, sql)} end"
    return f"case when strlen({text}) > {_MAX_TEXT_BYTES} then md5('{salt}' || {text}) else {text} end"
