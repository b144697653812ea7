"""Render the SQL of how one column's values differ between the sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.compare.canonical_sql import render_field_sql
from sandbox.compare.sql_types import FLOAT_TYPES, MEASURED_TIME_TYPES, render_difference_sql, render_distance_sql
from sandbox.compare.tolerance import ROUNDING, SINGLE_ROUNDING
from sandbox.engine.sql.type_names import parse_field_types, parse_item_type

if TYPE_CHECKING:
    from sandbox.compare.columns import ComparedColumn


def render_differs_sql(column: ComparedColumn) -> str:
    """Render the SQL that tells whether a column differs in a pair ``b``, ``c`` beyond its tolerance."""
    name, tolerance = f"v{column.baseline}", column.tolerance
    distinct = f"b.{name} is distinct from c.{name}"
    if column.is_numeric and (tolerance.abs or tolerance.rel):
        allowed = f"{tolerance.abs!r}::DOUBLE + {tolerance.rel!r}::DOUBLE * abs(b.{name}::DOUBLE)"
    elif column.common in MEASURED_TIME_TYPES and tolerance.seconds:
        allowed = f"{tolerance.seconds!r}::DOUBLE"
    else:
        return f"({distinct})"
    assert column.common is not None
    distance = render_distance_sql(column.common, f"b.{name}", f"c.{name}")
    return f"({distinct} and not coalesce(isfinite({allowed}) and {distance} <= {allowed}, false))"


def render_change_sql(column: ComparedColumn) -> str:
    """Render the SQL of candidate − baseline in a pair ``b``, ``c`` of a column that is ``measured``."""
    assert column.common is not None
    return render_difference_sql(column.common, f"b.v{column.baseline}", f"c.v{column.baseline}")


def render_rounding_sql(column: ComparedColumn) -> str:
    """Return the SQL that tells whether a column of a pair ``b``, ``c`` is equal but for rounding.

    Rounding reaches into lists, structs and the values of maps.
    """
    name = f"v{column.baseline}"
    same = f"b.{name} is not distinct from c.{name}"
    types = {type_.replace("FLOAT", "DOUBLE") for type_ in column.types}
    if (
        column.common is None
        or not any(name in column.common for name in FLOAT_TYPES)
        or len(types) > 1
        or column.tolerance.as_set
    ):
        return f"({same})"
    limit = SINGLE_ROUNDING if column.types[0] != column.types[1] else None
    return _render_close_sql(column.common, f"b.{name}", f"c.{name}", limit, 0)


def render_relative_difference_sql(column: ComparedColumn) -> str | None:
    """Return the SQL of the relative difference of a pair ``b``, ``c``; None for columns other than floats."""
    if column.common not in FLOAT_TYPES:
        return None
    return _render_relative_sql(f"b.v{column.baseline}", f"c.v{column.baseline}")


def _render_relative_sql(baseline: str, candidate: str) -> str:
    values = [f"{sql}::DOUBLE" for sql in (baseline, candidate)]
    return f"(abs({values[1]} - {values[0]}) / greatest(abs({values[0]}), abs({values[1]})))"


def _render_close_sql(type_: str, baseline: str, candidate: str, limit: float | None, depth: int) -> str:
    same = f"{baseline} is not distinct from {candidate}"
    variable = f"i{depth}"
    if type_ in FLOAT_TYPES:
        near = limit or (SINGLE_ROUNDING if type_ == "FLOAT" else ROUNDING)
        values = [f"{sql}::DOUBLE" for sql in (baseline, candidate)]
        apart, size = f"abs({values[1]} - {values[0]})", f"greatest(abs({values[0]}), abs({values[1]}))"
        finite = f"isfinite({values[0]}) and isfinite({values[1]})"
        return f"({same} or coalesce({finite} and {apart} <= {near!r}::DOUBLE * {size}, false))"
    if "FLOAT" not in type_ and "DOUBLE" not in type_:
        return f"({same})"
    if type_.startswith("MAP(") and type_.endswith(")"):
        value = (parse_field_types(type_) or {})["value"]
        # A map is compared as its entries in the order of their keys.
        entries = [f"{sql}[{variable}]" for sql in (baseline, candidate)]
        keys = f"{entries[0]}.k is not distinct from {entries[1]}.k"
        close = _render_close_sql(value, f"{entries[0]}.v", f"{entries[1]}.v", limit, depth + 1)
        return _render_each_close_sql(same, baseline, candidate, variable, f"{keys} and {close}")
    if (item := parse_item_type(type_)) is not None:
        close = _render_close_sql(item, f"{baseline}[{variable}]", f"{candidate}[{variable}]", limit, depth + 1)
        return _render_each_close_sql(same, baseline, candidate, variable, close)
    if not type_.startswith("STRUCT("):
        return f"({same})"
    fields = parse_field_types(type_) or {}
    parts = [
        _render_close_sql(field, render_field_sql(baseline, name), render_field_sql(candidate, name), limit, depth)
        for name, field in fields.items()
    ]
    return f"({same} or ({baseline} is not null and {candidate} is not null and {' and '.join(parts)}))"


def _render_each_close_sql(same: str, baseline: str, candidate: str, variable: str, close: str) -> str:
    numbers = f"range(1, len({baseline}) + 1)"
    every = f"list_aggregate(list_transform({numbers}, lambda {variable}: {close}), 'bool_and')"
    return f"({same} or coalesce(len({baseline}) = len({candidate}) and {every}, false))"
