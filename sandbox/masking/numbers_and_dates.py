"""Masks of numbers and moments: noise, buckets, and shifts by days. Vectorised; NULL stays NULL."""

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

    from sandbox.masking.prf import Words

DAYS = {"s": 86_400, "ms": 86_400 * 10**3, "us": 86_400 * 10**6, "ns": 86_400 * 10**9}
# Days since 1970 of 0002-01-01 and of 9998-12-31: the years 1 and 9999 stand for always and never.
FIRST, LAST = -718_797, 2_932_531
EXACT = 18  # digits of a decimal that fit 64 bits


def noisy(key: bytes, values: pa.Array, relative: float) -> pa.Array:
    """Multiply each number by 1 + t, t between −relative and relative and the same for equal numbers.

    Integers and decimals are rounded, and kept within their type. NaN and the infinities stay.
    """
    if pa.types.is_floating(values.type):
        plain = _plain(values, np.float64) + 0.0  # −0 is 0
        return _again(values, plain * (1 + relative * _between(key, plain.view(np.uint64))))
    if pa.types.is_decimal(values.type):
        return _noisy_decimals(key, values, relative)
    plain = _integers(values)
    moved = np.rint(plain.astype(np.float64) * (relative * _between(key, plain.view(np.uint64))))
    return _again(values, _added(plain, moved, _least(values.type), _most(values.type)))


def bucketed(values: pa.Array, width: Fraction) -> pa.Array:
    """Give the lower end of each number's bucket: the multiples of ``width``; within the type's range."""
    if pa.types.is_floating(values.type):
        plain = _plain(values, np.float64)
        return _again(values, np.floor(plain / float(width)) * float(width))
    if pa.types.is_decimal(values.type):
        return _bucketed_decimals(values, width)
    return _again(values, _floored(_integers(values), int(width), _least(values.type)))


def _floored(plain: NDArray[Any], step: int, least: np.integer[Any]) -> NDArray[Any]:
    """Give the multiple of ``step`` at or below each number; where the type has none, its least number."""
    if step > np.iinfo(plain.dtype).max:
        return np.where(plain < 0, least, plain.dtype.type(0))
    lower = plain - plain % plain.dtype.type(step)
    return np.maximum(np.where(lower > plain, least, lower), least)


def _noisy_decimals(key: bytes, values: pa.Array, relative: float) -> pa.Array:
    low, high = _words(values)
    between = relative * _between(key, low, high)
    most = 10**values.type.precision - 1
    if values.type.precision <= EXACT:
        plain = low.view(np.int64)
        return _decimals(values, _added(plain, np.rint(plain * between), np.int64(-most), np.int64(most)))
    moved = [
        round(one * (1 + Fraction(t))) for one, t in zip(_exact(low, high), between.tolist(), strict=True)
    ]
    return _decimals(values, [max(-most, min(most, one)) for one in moved])


def _bucketed_decimals(values: pa.Array, width: Fraction) -> pa.Array:
    low, high = _words(values)
    step = width * 10**values.type.scale
    most = 10**values.type.precision - 1
    if values.type.precision <= EXACT and step.denominator == 1:
        return _decimals(values, _floored(low.view(np.int64), int(step), np.int64(-most)))
    return _decimals(
        values, [max(-most, math.floor(math.floor(one / step) * step)) for one in _exact(low, high)]
    )


def shifted(key: bytes, values: pa.Array, units: pa.Array, days: int) -> pa.Array:
    """Shift moments by 1 to ``days`` days, back or forth, all of one unit alike.

    Moments of the years 1 and 9999 and infinite ones stay, and so does what would leave the years between or the type.

    Args:
        key: The key.
        values: Dates or timestamps.
        units: The number of each row's unit (int64); rows of no unit (NULL) are shifted alike.
        days: The most days.
    """
    own = _plain(units, np.int64).view(np.uint64)
    drawn = (siphash(key, [own, _missing(units).astype(np.uint64)]) % np.uint64(2 * days)).astype(np.int64)
    moved = np.where(drawn < days, drawn - days, drawn - days + 1)
    scale = 1 if pa.types.is_date(values.type) else DAYS[values.type.unit]
    plain = _plain(
        values.cast(pa.int32()) if pa.types.is_date(values.type) else values.cast(pa.int64()), np.int64
    )
    first, last = max(FIRST * scale, -(2**63) + 1), min((LAST + 1) * scale - 1, 2**63 - 1)
    fits = (plain >= first) & (plain <= last)
    change = moved * scale
    fits &= np.where(change > 0, plain <= last - change, plain >= first - change)
    return _again(values, np.where(fits, plain + change, plain))


def _between(key: bytes, *bits: Words) -> NDArray[np.float64]:
    """Give a number in [−1, 1) for each value."""
    return (siphash(key, bits) >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0


def _words(values: pa.Array) -> tuple[Words, Words]:
    """Give decimals as whole numbers of their last digit: the lower and upper 64 bits; NULL as 0."""
    plain = values.fill_null(Decimal(0)) if values.null_count else values
    bits = np.frombuffer(plain.buffers()[1], np.uint64).reshape(-1, 2)[
        plain.offset : plain.offset + len(plain)
    ]
    return np.ascontiguousarray(bits[:, 0]), np.ascontiguousarray(bits[:, 1])


def _exact(low: Words, high: Words) -> list[int]:
    upper = high.view(np.int64).tolist()
    return [one << 64 | other for one, other in zip(upper, low.tolist(), strict=True)]


def _decimals(values: pa.Array, changed: NDArray[np.int64] | Sequence[int]) -> pa.Array:
    """Give decimals from whole numbers of their last digit (see `_words`)."""
    bits = np.empty((len(values), 2), np.uint64)
    if isinstance(changed, np.ndarray):
        bits[:, 0], bits[:, 1] = changed.view(np.uint64), (changed >> 63).view(np.uint64)
    else:
        bits[:, 0] = [one & (2**64 - 1) for one in changed]
        bits[:, 1] = [one >> 64 & (2**64 - 1) for one in changed]
    valid = pc.is_valid(values).buffers()[1] if values.null_count else None
    return pa.Array.from_buffers(values.type, len(values), [valid, pa.py_buffer(bits)])


def _added(
    plain: NDArray[Any], moved: NDArray[np.float64], least: np.integer[Any], most: np.integer[Any]
) -> NDArray[Any]:
    """Add without leaving the type."""
    steps = np.clip(moved, -(2.0**62), 2.0**62).astype(np.int64)
    changed = plain + steps.view(plain.dtype)
    changed = np.where((steps > 0) & (changed < plain), most, changed)
    changed = np.where((steps < 0) & (changed > plain), least, changed)
    return np.clip(changed, least, most)


def _integers(values: pa.Array) -> NDArray[Any]:
    return _plain(values, np.uint64 if values.type == pa.uint64() else np.int64)


def _least(kind: pa.DataType) -> np.integer[Any]:
    return _wide(kind)(np.iinfo(kind.to_pandas_dtype()).min)


def _most(kind: pa.DataType) -> np.integer[Any]:
    return _wide(kind)(np.iinfo(kind.to_pandas_dtype()).max)


def _wide(kind: pa.DataType) -> type[np.integer[Any]]:
    return np.uint64 if kind == pa.uint64() else np.int64


def _plain(values: pa.Array, kind: type) -> NDArray[Any]:
    """Give values as numbers, 0 for NULL."""
    filled = pc.fill_null(values, 0) if values.null_count else values
    plain: NDArray[Any] = filled.to_numpy(zero_copy_only=False).astype(kind)
    return plain


def _missing(values: pa.Array) -> NDArray[np.bool_]:
    missing: NDArray[np.bool_] = values.is_null().to_numpy(zero_copy_only=False)
    return missing


def _again(values: pa.Array, changed: NDArray[Any]) -> pa.Array:
    """Give numbers the type and the NULLs of what they come from."""
    kind = values.type
    mask = _missing(values) if values.null_count else None
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return pa.array(changed.astype(np.int32 if kind.bit_width == 32 else np.int64), mask=mask).cast(kind)
    return pa.array(changed.astype(kind.to_pandas_dtype()), kind, mask=mask)
