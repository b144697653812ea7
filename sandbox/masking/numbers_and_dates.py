"""Masks of numbers and dates: noise, buckets, and shifts by days. Vectorised; NULL stays NULL."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sandbox.masking.prf import siphash

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sandbox.masking.prf import UInt64Array

DAY_LENGTHS = {"s": 86_400, "ms": 86_400 * 10**3, "us": 86_400 * 10**6, "ns": 86_400 * 10**9}
# Days since 1970 of 0002-01-01 and of 9998-12-31: the years 1 and 9999 mean always and never.
FIRST_DAY, LAST_DAY = -718_797, 2_932_531
INT64_DECIMAL_DIGITS = 18  # digits of a 64-bit decimal


def add_noise(key: bytes, values: pa.Array, relative: float) -> pa.Array:
    """Multiply each number by 1 + t, with t between −relative and relative and equal for equal numbers.

    Integers and decimals are rounded and limited to their type. NaN and infinities are kept.
    """
    if pa.types.is_floating(values.type):
        plain = _convert_to_numpy(values, np.float64) + 0.0  # −0 is 0
        return _restore_type(values, plain * (1 + relative * _draw_uniform(key, plain.view(np.uint64))))
    if pa.types.is_decimal(values.type):
        return _add_noise_to_decimals(key, values, relative)
    plain = _convert_to_integers(values)
    moved = np.rint(plain.astype(np.float64) * (relative * _draw_uniform(key, plain.view(np.uint64))))
    return _restore_type(
        values, _add_saturating(plain, moved, _find_min_value(values.type), _find_max_value(values.type))
    )


def bucket_numbers(values: pa.Array, width: Fraction) -> pa.Array:
    """Return the lower end of each number's bucket, a multiple of ``width``, limited to the type's range."""
    if pa.types.is_floating(values.type):
        plain = _convert_to_numpy(values, np.float64)
        return _restore_type(values, np.floor(plain / float(width)) * float(width))
    if pa.types.is_decimal(values.type):
        return _bucket_decimals(values, width)
    return _restore_type(
        values, _floor_to_multiple(_convert_to_integers(values), int(width), _find_min_value(values.type))
    )


def _floor_to_multiple(plain: NDArray[Any], step: int, least: np.integer[Any]) -> NDArray[Any]:
    """Return the multiple of ``step`` at or below each number; the type's minimum if there is none."""
    if step > np.iinfo(plain.dtype).max:
        return np.where(plain < 0, least, plain.dtype.type(0))
    lower = plain - plain % plain.dtype.type(step)
    return np.maximum(np.where(lower > plain, least, lower), least)


def _add_noise_to_decimals(key: bytes, values: pa.Array, relative: float) -> pa.Array:
    low, high = _split_decimals(values)
    between = relative * _draw_uniform(key, low, high)
    most = 10**values.type.precision - 1
    if values.type.precision <= INT64_DECIMAL_DIGITS:
        plain = low.view(np.int64)
        return _build_decimals(
            values, _add_saturating(plain, np.rint(plain * between), np.int64(-most), np.int64(most))
        )
    moved = [
        round(value * (1 + Fraction(t))) for value, t in zip(_join_words(low, high), between.tolist(), strict=True)
    ]
    return _build_decimals(values, [max(-most, min(most, value)) for value in moved])


def _bucket_decimals(values: pa.Array, width: Fraction) -> pa.Array:
    low, high = _split_decimals(values)
    step = width * 10**values.type.scale
    most = 10**values.type.precision - 1
    if values.type.precision <= INT64_DECIMAL_DIGITS and step.denominator == 1:
        return _build_decimals(values, _floor_to_multiple(low.view(np.int64), int(step), np.int64(-most)))
    return _build_decimals(
        values, [max(-most, math.floor(math.floor(value / step) * step)) for value in _join_words(low, high)]
    )


def shift_dates(key: bytes, values: pa.Array, units: pa.Array, days: int) -> pa.Array:
    """Shift dates by 1 to ``days`` days, forward or back, equally within a unit.

    Dates in the years 1 and 9999, infinite ones, and dates that would leave the range are kept.

    Args:
        key: The key.
        values: Dates or timestamps.
        units: The number of each row's unit (int64); rows without a unit (NULL) are shifted equally.
        days: The maximum number of days.
    """
    unit_bits = _convert_to_numpy(units, np.int64).view(np.uint64)
    drawn = (siphash(key, [unit_bits, _find_nulls(units).astype(np.uint64)]) % np.uint64(2 * days)).astype(np.int64)
    moved = np.where(drawn < days, drawn - days, drawn - days + 1)
    scale = 1 if pa.types.is_date(values.type) else DAY_LENGTHS[values.type.unit]
    plain = _convert_to_numpy(
        values.cast(pa.int32()) if pa.types.is_date(values.type) else values.cast(pa.int64()), np.int64
    )
    first, last = max(FIRST_DAY * scale, -(2**63) + 1), min((LAST_DAY + 1) * scale - 1, 2**63 - 1)
    fits = (plain >= first) & (plain <= last)
    change = moved * scale
    fits &= np.where(change > 0, plain <= last - change, plain >= first - change)
    return _restore_type(values, np.where(fits, plain + change, plain))


def _draw_uniform(key: bytes, *bits: UInt64Array) -> NDArray[np.float64]:
    """Return a number in [−1, 1) for each value."""
    return (siphash(key, bits) >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0


def _split_decimals(values: pa.Array) -> tuple[UInt64Array, UInt64Array]:
    """Return decimals as unscaled integers: the lower and upper 64 bits; NULL as 0."""
    plain = values.fill_null(Decimal(0)) if values.null_count else values
    bits = np.frombuffer(plain.buffers()[1], np.uint64).reshape(-1, 2)[plain.offset : plain.offset + len(plain)]
    return np.ascontiguousarray(bits[:, 0]), np.ascontiguousarray(bits[:, 1])


def _join_words(low: UInt64Array, high: UInt64Array) -> list[int]:
    upper = high.view(np.int64).tolist()
    return [high_word << 64 | low_word for high_word, low_word in zip(upper, low.tolist(), strict=True)]


def _build_decimals(values: pa.Array, changed: NDArray[np.int64] | Sequence[int]) -> pa.Array:
    """Return decimals from unscaled integers (see `_split_decimals`)."""
    bits = np.empty((len(values), 2), np.uint64)
    if isinstance(changed, np.ndarray):
        bits[:, 0], bits[:, 1] = changed.view(np.uint64), (changed >> 63).view(np.uint64)
    else:
        bits[:, 0] = [number & (2**64 - 1) for number in changed]
        bits[:, 1] = [number >> 64 & (2**64 - 1) for number in changed]
    valid = pc.is_valid(values).buffers()[1] if values.null_count else None
    return pa.Array.from_buffers(values.type, len(values), [valid, pa.py_buffer(bits)])


def _add_saturating(
    plain: NDArray[Any], moved: NDArray[np.float64], least: np.integer[Any], most: np.integer[Any]
) -> NDArray[Any]:
    """Add, limited to the type's range."""
    steps = np.clip(moved, -(2.0**62), 2.0**62).astype(np.int64)
    changed = plain + steps.view(plain.dtype)
    changed = np.where((steps > 0) & (changed < plain), most, changed)
    changed = np.where((steps < 0) & (changed > plain), least, changed)
    return np.clip(changed, least, most)


def _convert_to_integers(values: pa.Array) -> NDArray[Any]:
    return _convert_to_numpy(values, np.uint64 if values.type == pa.uint64() else np.int64)


def _find_min_value(kind: pa.DataType) -> np.integer[Any]:
    return _choose_wide_type(kind)(np.iinfo(kind.to_pandas_dtype()).min)


def _find_max_value(kind: pa.DataType) -> np.integer[Any]:
    return _choose_wide_type(kind)(np.iinfo(kind.to_pandas_dtype()).max)


def _choose_wide_type(kind: pa.DataType) -> type[np.integer[Any]]:
    return np.uint64 if kind == pa.uint64() else np.int64


def _convert_to_numpy(values: pa.Array, kind: type) -> NDArray[Any]:
    """Return values as numbers, NULL as 0."""
    filled = pc.fill_null(values, 0) if values.null_count else values
    plain: NDArray[Any] = filled.to_numpy(zero_copy_only=False).astype(kind)
    return plain


def _find_nulls(values: pa.Array) -> NDArray[np.bool_]:
    missing: NDArray[np.bool_] = values.is_null().to_numpy(zero_copy_only=False)
    return missing


def _restore_type(values: pa.Array, changed: NDArray[Any]) -> pa.Array:
    """Convert numbers to the type of the original values, with their NULLs."""
    kind = values.type
    mask = _find_nulls(values) if values.null_count else None
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return pa.array(changed.astype(np.int32 if kind.bit_width == 32 else np.int64), mask=mask).cast(kind)
    return pa.array(changed.astype(kind.to_pandas_dtype()), kind, mask=mask)
