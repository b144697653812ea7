"""Compute the edges of bins, declared or at exact quantiles of the frame."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING

from sandbox.engine.sql.type_names import NUMBER_TYPE
from sandbox.errors import DataRuleError, SandboxError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.sampler.plan.plan import StrataColumn

FLOAT_TYPES = ("FLOAT", "DOUBLE")
MAX_EXACT_ROWS = 500_000  # up to which every value is counted at once
VALUES_VIEW = "values_of_quantiles"
PARTS_TABLE = "parts_of_quantiles"

ValuesBuilder = Callable[[tuple[str, ...]], str]


def parse_declared_edges(session: Session, column: StrataColumn, bins: Sequence[float | int | str]) -> tuple[str, ...]:
    """Return the declared edges as DuckDB's text in the column's type, ascending.

    For integers an edge of 18.5 equals 19: the bins hold the same values.

    Raises:
        DataRuleError: An edge is no value of the column's type, or they do not ascend.
    """
    texts = [_format_edge(column, edge) for edge in bins]
    try:
        ascending = session.fetch_rows(
            f"select edge::varchar from (select unnest(?::varchar[])::{column.type} as edge) group by edge order by edge",
            [texts],
        )
        declared = session.fetch_rows(f"select unnest(?::varchar[])::{column.type}::varchar", [texts])
    except SandboxError as error:
        reason = error.message.removeprefix("a query: ")
        raise DataRuleError(
            f"bins of {column.name}, which is {column.type}: {reason}", hint=_suggest_bins(column)
        ) from None
    edges = tuple(row[0] for row in ascending)
    if list(dict.fromkeys(row[0] for row in declared)) != list(edges):
        shown = ", ".join(map(str, bins))
        raise DataRuleError(f"bins of {column.name} must ascend: {shown}", hint=_suggest_bins(column))
    return edges


def find_quantile_edges(
    session: Session, column: StrataColumn, values: ValuesBuilder, rows: int, count: int
) -> tuple[str, ...]:
    """Return the edges that split the frame into ``count`` bins, as evenly as equal values allow.

    An edge is the value for which the share of smaller rows is nearest to j / count; the smaller value on a tie.
    NULL and NaN are ignored. Equal values are never split, so there can be fewer bins.

    Args:
        session: The query engine.
        column: The column.
        values: Builds SQL for the FROM clause from split points: the frame's values as ``value_1``, and as ``value_0``
            the number of split points reached by each.
        rows: Approximate number of values.
        count: Number of bins, at least 2.
    """
    doing = f"finding the quantiles of {column.name}"
    splits = _estimate_split_points(session, column, values(()), count, doing) if rows > MAX_EXACT_ROWS else ()
    session.execute(f"create or replace temp view {VALUES_VIEW} as select * from {values(splits)} where value_0 >= 0")
    # Parts that contain a target: only their values are counted individually.
    session.execute(
        f"create or replace temp table {PARTS_TABLE} as "
        f"with parts as (select value_0 as part, count(*) as n, min(value_1) as least from {VALUES_VIEW} group by 1), "
        "placed as (select part, n, sum(n) over (order by part) - n as below, sum(n) over () as total, "
        "lead(least) over (order by part) as following from parts) "
        f"select *, {_build_target_columns(count)} from placed",
        doing=doing,
    )
    candidates = session.fetch_rows(
        f"with counted as (select value_0 as part, value_1 as value, count(*) as n from {VALUES_VIEW} "
        f"where value_0 in (select part from {PARTS_TABLE} where low < high) group by 1, 2), "
        "placed as (select value, c.n, p.total, "
        "p.below + sum(c.n) over (partition by part order by value rows unbounded preceding) - c.n as below, "
        "coalesce(lead(value) over (partition by part order by value), p.following) as following "
        f"from counted c join {PARTS_TABLE} p using (part)) "
        f"select {build_text_expression(column.type, 'value')}, {build_text_expression(column.type, 'following')}, below::hugeint, n::hugeint, "
        f"total::hugeint, {_build_target_columns(count)} from placed where low < high order by value",
        doing=doing,
    )
    session.execute(f"drop view {VALUES_VIEW}; drop table {PARTS_TABLE}")
    edges: dict[str, None] = {}
    for value, following, below, here, total, low, high in candidates:
        for step in range(max(1, low), min(high, count)):
            target = Fraction(step * total, count)
            ways = [(target - below, value)] * (below > 0)
            ways += [(below + here - target, following)] * (following is not None)
            edges |= dict.fromkeys([min(ways, key=lambda way: way[0])[1]] if ways else [])
    return tuple(edges)


def build_text_expression(kind: str, value: str) -> str:
    """Build the SQL of a value's text in plans and documents; −0 is 0."""
    return f"({value} + 0)::varchar" if kind in FLOAT_TYPES else f"{value}::varchar"


def _build_target_columns(count: int) -> str:
    """Build the SQL of the targets j / count among ``n`` rows after ``below``, as ``low`` to ``high`` (exclusive)."""
    reached = [f"(({rank}) * {count} + total - 1) // total" for rank in ("below", "below + n")]
    return f"({reached[0]})::bigint as low, ({reached[1]})::bigint as high"


def _estimate_split_points(
    session: Session, column: StrataColumn, values: str, count: int, doing: str
) -> tuple[str, ...]:
    """Estimate values slightly below and above each quantile, with few rows between them."""
    reach = min(0.002, 0.1 / count)
    shares = sorted(share for step in range(1, count) for share in (step / count - reach, step / count + reach))
    estimates = session.fetch_rows(
        f"select unnest(approx_quantile(value_1, ?::float[])::{column.type}[])::varchar from {values} where value_0 >= 0",
        [shares],
        doing=doing,
    )
    texts = [row[0] for row in estimates if row[0] not in (None, "nan")]
    ordered = session.fetch_rows(
        f"select x::varchar from (select distinct unnest(?::varchar[])::{column.type} as x) order by x",
        [texts],
    )
    return tuple(row[0] for row in ordered)


def _format_edge(column: StrataColumn, edge: float | str) -> str:
    """Format an edge as text of the column's type, rounded up to its scale."""
    number = NUMBER_TYPE.fullmatch(column.type) is not None
    if number != (not isinstance(edge, str)):
        kind = "a number" if number else "a text, like a date"
        raise DataRuleError(
            f"bins of {column.name}: {edge!r} is not {kind}, and {column.name} is {column.type}",
            hint=_suggest_bins(column),
        )
    if isinstance(edge, str):
        if column.type == "DATE" and not re.fullmatch(r"\d{4,}-\d\d-\d\d", edge.strip()):
            raise DataRuleError(f"bins of {column.name}: {edge!r} is no date", hint=_suggest_bins(column))
        return edge
    if column.type in FLOAT_TYPES:
        return repr(edge)
    decimal = re.fullmatch(r"DECIMAL\(\d+,(\d+)\)", column.type)
    scale = 10 ** int(decimal[1]) if decimal else 1
    whole = math.ceil(Fraction(str(edge)) * scale)
    digits = len(str(scale)) - 1
    sign, unsigned = ("-" if whole < 0 else ""), f"{abs(whole):0{digits + 1}d}"
    return f"{sign}{unsigned[:-digits]}.{unsigned[-digits:]}" if digits else f"{sign}{unsigned}"


def _suggest_bins(column: StrataColumn) -> str:
    if NUMBER_TYPE.fullmatch(column.type):
        return f'for example: {{column = "{column.name}", bins = [18, 30, 65]}}'
    example = '"12:00:00"' if column.type == "TIME" else '"2025-01-01", "2026-01-01"'
    return f'for example: {{column = "{column.name}", bins = [{example}]}}'
