"""Code the values of a column as integers or texts, and back, as SQL."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sandbox.sampler.half_sample.fresh_values import IntegerLimits

_INTEGER_BITS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64}
_EXACT_INTEGERS = {"FLOAT": 2**24, "DOUBLE": 2**53}
_MAX_SCALE = 18
_LAST_DAY = 106_000
"""Days from 1970 to 2260: every library has these dates."""

_SECONDS = (86_400, 3_600, 60, 1)


@dataclass(frozen=True, kw_only=True)
class ValueCoding:
    """A coding of values.

    Attributes:
        code: SQL of a value's code, with ``{0}`` for the value; NULL for values without one.
        value: SQL of a code's value, with ``{0}`` for the code.
        limits: The limits of integers; None for texts.
        units: Fresh integers are multiples of the first of these that all others are multiples of.
    """

    code: str
    value: str
    limits: IntegerLimits | None = None
    units: tuple[int, ...] = ()


def list_codings(engine_type: str) -> list[ValueCoding]:
    """List the codings of a type's values, the preferred first; types without fresh values have none.

    >>> [coding.code for coding in list_codings("UBIGINT")]
    ['try_cast({0} as BIGINT)', '{0}::VARCHAR']
    >>> list_codings("BOOLEAN")
    []
    """
    if match := re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", engine_type):
        width, scale = int(match[1]), int(match[2])
        return [_build_decimal_coding(engine_type, width, scale)] if scale <= _MAX_SCALE else []
    if match := re.fullmatch(r"TIMESTAMP(_S|_MS|_NS| WITH TIME ZONE)?", engine_type):
        return [_build_timestamp_coding(engine_type, precise=match[1] == "_NS")]
    if engine_type in _INTEGER_BITS or engine_type.removeprefix("U") in _INTEGER_BITS or "HUGEINT" in engine_type:
        return _list_integer_codings(engine_type)
    if (most := _EXACT_INTEGERS.get(engine_type)) is not None:
        code = f"case when {{0}} = trunc({{0}}) and abs({{0}}) < {most} then {{0}}::BIGINT end"
        return [ValueCoding(code=code, value=f"{{0}}::{engine_type}", limits=IntegerLimits(low=-most, high=most))]
    return _OTHER_CODINGS.get(engine_type, [])


def _list_integer_codings(engine_type: str) -> list[ValueCoding]:
    bits = _INTEGER_BITS.get(engine_type.removeprefix("U"), 128)
    low, high = (0, 2**bits - 1) if engine_type.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    limits = IntegerLimits(low=max(low, -(2**63)), high=min(high, 2**63 - 1))
    integers = ValueCoding(code="try_cast({0} as BIGINT)", value=f"{{0}}::{engine_type}", limits=limits)
    if limits == IntegerLimits(low=low, high=high):
        return [integers]
    return [integers, ValueCoding(code="{0}::VARCHAR", value=f"{{0}}::{engine_type}")]


def _build_decimal_coding(engine_type: str, width: int, scale: int) -> ValueCoding:
    """Build the coding of decimals as multiples of their last digit."""
    most = min(10**width - 1, 2**63 - 1)
    last_digit = f"0.{'0' * (scale - 1)}1" if scale else "1"
    return ValueCoding(
        code="try_cast(replace({0}::VARCHAR, '.', '') as BIGINT)",
        value=f"({{0}}::DECIMAL(19,0) * {last_digit}::DECIMAL({scale + 1},{scale}))::{engine_type}",
        limits=IntegerLimits(low=-most, high=most),
        units=(10**scale,),
    )


def _build_timestamp_coding(engine_type: str, *, precise: bool) -> ValueCoding:
    second, code, value = (
        (10**9, "epoch_ns", "make_timestamp_ns({0})") if precise else (10**6, "epoch_us", "make_timestamp({0})")
    )
    last = _LAST_DAY * 86_400 * second
    return ValueCoding(
        code=f"case when isfinite({{0}}) then {code}({{0}}) end",
        value=f"{value}::{engine_type}",
        limits=IntegerLimits(low=-last, high=last),
        units=(*(seconds * second for seconds in _SECONDS), second // 1000),
    )


_OTHER_CODINGS = {
    "VARCHAR": [ValueCoding(code="{0}", value="{0}")],
    "UUID": [ValueCoding(code="{0}::VARCHAR", value="{0}::UUID")],
    "BLOB": [ValueCoding(code="hex({0})", value="unhex({0})")],
    "DATE": [
        ValueCoding(
            code="case when isfinite({0}) then ({0} - date '1970-01-01')::BIGINT end",
            value="date '1970-01-01' + {0}::INTEGER",
            limits=IntegerLimits(low=-_LAST_DAY, high=_LAST_DAY),
        )
    ],
}
