"""What can be done with values of the engine's types, as SQL."""

from __future__ import annotations

import re

INTEGER_TYPES = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"})
FLOAT_TYPES = frozenset({"FLOAT", "DOUBLE"})
NUMBER_TYPES = INTEGER_TYPES | FLOAT_TYPES | {"HUGEINT", "UHUGEINT", "BIGNUM"}
TEMPORAL_TYPES = frozenset(
    {"DATE", "TIME", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE"}
)
NANOSECOND_TYPES = frozenset({"TIME_NS", "TIMESTAMPTZ_NS"})
"""Times that DuckDB compares and subtracts, and for which it has few other functions."""
MEASURED_TIME_TYPES = TEMPORAL_TYPES | NANOSECOND_TYPES
_DECIMAL_PATTERN = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_MAX_EXACT_DIGITS = 28  # the sum of a thousand million differences still fits into 38 digits


def is_nested(type_: str) -> bool:
    """True for types that hold values of other types."""
    return type_.endswith("]") or type_.startswith(("STRUCT(", "MAP(", "UNION(")) or type_ == "VARIANT"


def is_numeric(type_: str) -> bool:
    """True for types whose values can be subtracted."""
    return type_ in NUMBER_TYPES or _DECIMAL_PATTERN.fullmatch(type_) is not None


def render_difference_sql(type_: str, baseline: str, candidate: str) -> str:
    """Render the SQL of candidate − baseline, exact where the type is, and never an overflow.

    A number of the unit of the values; of dates and times, the seconds as DOUBLE. NULL where either is NULL, infinite
    or NaN.
    """
    both = (baseline, candidate)
    if type_ in MEASURED_TIME_TYPES:
        return _render_seconds_sql(type_, baseline, candidate)
    decimal = _DECIMAL_PATTERN.fullmatch(type_)
    if type_ in INTEGER_TYPES:
        return f"({candidate}::HUGEINT - {baseline}::HUGEINT)"
    if decimal and int(decimal[1]) <= _MAX_EXACT_DIGITS:
        return f"({candidate} - {baseline})"
    finite = " and ".join(f"isfinite({side}::DOUBLE)" for side in both)
    return f"(case when {finite} then {candidate}::DOUBLE - {baseline}::DOUBLE end)"


def render_distance_sql(type_: str, baseline: str, candidate: str) -> str:
    """Render the SQL of |candidate − baseline| as DOUBLE, from the exact difference of wide numbers.

    NULL where the difference exceeds 38 digits: it is then within no tolerance.
    """
    decimal = _DECIMAL_PATTERN.fullmatch(type_)
    if type_ in {"HUGEINT", "UHUGEINT"} or (decimal and int(decimal[1]) > _MAX_EXACT_DIGITS):
        return f"try(greatest({baseline}, {candidate}) - least({baseline}, {candidate}))::DOUBLE"
    if type_ == "BIGNUM":
        return f"abs(({candidate} - {baseline})::DOUBLE)"
    return f"abs({render_difference_sql(type_, baseline, candidate)}::DOUBLE)"


def has_exact_sums(type_: str) -> bool:
    """True where sums of differences are exact, so that the order of adding does not show."""
    decimal = _DECIMAL_PATTERN.fullmatch(type_)
    return type_ in INTEGER_TYPES or (decimal is not None and int(decimal[1]) <= _MAX_EXACT_DIGITS)


def _render_seconds_sql(type_: str, baseline: str, candidate: str) -> str:
    if type_ == "TIME":
        return f"((epoch_us({candidate}) - epoch_us({baseline})) / 1e6)"
    if type_ == "TIME_NS":
        return f"((epoch_ns({candidate}) - epoch_ns({baseline})) / 1e9)"
    cast = "::TIMESTAMP WITH TIME ZONE" if type_ == "TIMESTAMPTZ_NS" else ""
    finite = f"isfinite({baseline}{cast}) and isfinite({candidate}{cast})"
    if type_ == "DATE":  # in microseconds the last dates are beyond 64 bits
        return f"(case when {finite} then ({candidate} - {baseline}) * 86400.0::DOUBLE end)"
    if type_ in {"TIMESTAMP_NS", "TIMESTAMPTZ_NS"}:
        ticks, unit = "epoch_ns", "1e9"
    else:
        ticks, unit = "epoch_us", "1e6"
    apart = f"({ticks}({candidate})::HUGEINT - {ticks}({baseline})::HUGEINT)"
    return f"(case when {finite} then {apart} / {unit}::DOUBLE end)"


def render_count_sql(condition: str) -> str:
    """Render the number of rows meeting a condition.

    DuckDB copies all arguments of a query for each FILTER: the time grows with the square of their number.
    """
    return f"count(case when {condition} then true end)"


def render_nan_safe_sql(type_: str, sql: str) -> str:
    """Render a float in a way that the engine concludes nothing about it from a file's statistics.

    Parquet's statistics leave NaN out, and the engine believes them: it takes a column of 1.0 and NaN for the constant
    1.0, drops the row in ``where x > 1``, and finds 1.0 and NaN not to be ``<>``. Here a NaN is always said to be there.
    """
    return f"if(isnan({sql}), 'nan'::{type_}, {sql})" if type_ in FLOAT_TYPES else sql
