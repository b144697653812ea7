"""How the values of columns that differ are distributed on both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.compare.rows import detail_sample
from sandbox.compare.rows.change_counts import rounded
from sandbox.compare.rows.examples import json_value
from sandbox.compare.rows.row_matching import SIDES
from sandbox.compare.sql_types import INTEGERS, MOMENTS
from sandbox.manifest.diff import ColumnProfile, Histogram, Spread, TopValue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import JsonValue

    from sandbox.compare.columns import Column, SideName
    from sandbox.compare.rows.change_counts import Changes
    from sandbox.compare.rows.detail_sample import Part
    from sandbox.compare.rows.row_matching import Plan
    from sandbox.engine.duckdb.session import Session

BINS = 20
TOP = 10
MOST = 30
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_EXACT = 16  # of tables of more than so many parts only the part is looked at
_MOVED = 0.01  # with fewer rows added and removed no share of a value moves by more


def wanted(plan: Plan, changes: Changes) -> list[Column]:
    """Give the columns to look at: those that changed, and all where many rows were added or removed.

    The most changed first, at most `MOST`; none where no row differs, so that equal outputs cost nothing.
    """
    rows = changes.rows
    many = rows.added + rows.removed > _MOVED * max(rows.baseline, 1)
    changed = {name: column.changed for name, column in changes.columns.items()}
    found = [
        column
        for column in plan.columns
        if detail_sample.plain(column) and (changed.get(column.name) or (many and rows.different))
    ]
    return sorted(found, key=lambda column: -changed.get(column.name, 0))[:MOST]


def profiles(session: Session, part: Part, changes: Changes, *, doing: str) -> dict[str, ColumnProfile]:
    """Give the profile of each column of both parts."""
    changed = [name for name, column in changes.columns.items() if column.changed]
    exact = [column for column in part.both if column.name in changed and 1 < part.one_in <= _EXACT]
    given = {}
    spreads = _spreads(session, part, exact, doing)
    rows = {side: _rows(session, side, doing) for side in SIDES}
    for column in part.both:
        given[column.name] = ColumnProfile(
            baseline=spreads["baseline"][column],
            candidate=spreads["candidate"][column],
            histogram=_histogram(session, column, doing),
            top=_top(session, column, rows, doing),
            one_in=part.one_in,
            exact=part.whole or column in exact,
        )
    return given


_Spreads = dict["SideName", "dict[Column, Spread]"]


def _spreads(session: Session, part: Part, exact: Sequence[Column], doing: str) -> _Spreads:
    given: _Spreads = {side: {} for side in SIDES}
    for side in SIDES:
        if not part.both:
            continue
        figures = _figures(session, f"part_{side}", {c: detail_sample.name(c) for c in part.both}, doing)
        if exact:
            sources = {column: detail_sample.uncut(column, side) for column in exact}
            figures |= {
                column: [*whole, figures[column][-1]]
                for column, whole in _whole(session, f"all_{side}", sources, doing).items()
            }
        for column, (rows, filled, distinct, low, high, mean, quantiles) in figures.items():
            given[side][column] = Spread(
                rows=rows,
                nulls=rows - filled,
                distinct=distinct if part.whole or column in exact else None,
                min=json_value(low),
                max=json_value(high),
                mean=None if mean is None else rounded(mean),
                quantiles=[json_value(one) for one in quantiles or ()],
            )
    return given


def _figures(
    session: Session, source: str, sources: dict[Column, str], doing: str
) -> dict[Column, list[Any]]:
    """Give rows, values, distinct values, least, greatest, mean and quantiles of columns of a part."""
    asked: list[str] = []
    for column, sql in sources.items():
        quantiles = f"quantile_disc({sql}, {list(QUANTILES)}){_finite(column, sql)}"
        if detail_sample.measure(column, sql) is None:
            quantiles = "null"
        elif column.common not in INTEGERS:
            quantiles = f"list_transform({quantiles}, lambda one: {_text(column, 'one')})"
        asked += [*_common(column, sql, f"count(distinct {sql})"), quantiles]
    return _taken(session, source, list(sources), asked, 7, doing)


def _whole(session: Session, source: str, sources: dict[Column, str], doing: str) -> dict[Column, list[Any]]:
    """Give the same but for the quantiles, of every row; distinct values are estimated."""
    asked = []
    for column, sql in sources.items():
        asked += _common(column, sql, f"approx_count_distinct({sql})")
    return _taken(session, source, list(sources), asked, 6, doing)


def _common(column: Column, sql: str, distinct: str) -> list[str]:
    finite, measured = _finite(column, sql), detail_sample.measure(column, sql)
    numeric = measured is not None and column.numeric
    return [
        "count(*)",
        f"count({sql})",
        distinct,
        _text(column, f"min({sql}){finite}"),
        _text(column, f"max({sql}){finite}"),
        # Kahan's sum, so that neither threads nor the order of rows show.
        f"fsum({measured}) / nullif(count({measured}), 0)" if numeric else "null",
    ]


def _taken(
    session: Session, source: str, columns: list[Column], asked: list[str], each: int, doing: str
) -> dict[Column, list[Any]]:
    [found] = session.rows(f"select {', '.join(asked)} from {source}", doing=doing)
    return {column: list(found[place * each : (place + 1) * each]) for place, column in enumerate(columns)}


def _finite(column: Column, sql: str) -> str:
    """Give the filter of an aggregate that leaves out what has no place among numbers, or moments."""
    if column.common in {"FLOAT", "DOUBLE"} | (MOMENTS - {"TIME"}):
        return f" filter (isfinite({sql}))"
    return ""


def _text(column: Column, sql: str) -> str:
    """Give the SQL of a value as JSON can hold it."""
    if column.common in INTEGERS or column.common in {"BOOLEAN", "DOUBLE"}:
        return sql
    if column.common == "FLOAT":
        return f"({sql})::VARCHAR::DOUBLE"
    return f"left(({sql})::VARCHAR, {detail_sample.LONGEST})"


def _histogram(session: Session, column: Column, doing: str) -> Histogram | None:
    """Give the shares of the bins between the outer quantiles of both sides; None where there are no two values."""
    sql = detail_sample.measure(column, detail_sample.name(column))
    if sql is None:
        return None
    both = f"(select {sql} as x from part_baseline union all select {sql} from part_candidate)"
    [(low, high, least, most)] = session.rows(
        f"select quantile_disc(x, 0.01), quantile_disc(x, 0.99), min(x), max(x) from {both}", doing=doing
    )
    if least is None or least == most:
        return None
    if low == high:
        low, high = least, most
    width = (high - low) / BINS
    if not 0 < width < float("inf"):
        return None
    place = f"least({BINS - 1}, greatest(0, floor((x - {low!r}::DOUBLE) / {width!r}::DOUBLE)))::INTEGER"
    shares = {}
    for side in SIDES:
        counted = dict(
            session.rows(
                f"select {place} as bin, count(*) from (select {sql} as x from part_{side}) "
                "where x is not null group by bin",
                doing=doing,
            )
        )
        total = sum(counted.values()) or 1
        shares[side] = [share(counted.get(bin_, 0), total) for bin_ in range(BINS)]
    edges = [low + width * edge for edge in range(BINS)] + [high]
    return Histogram(edges=_edges(session, column, edges, doing), **shares)


def _edges(session: Session, column: Column, edges: list[float], doing: str) -> list[JsonValue]:
    if column.numeric:
        return [rounded(edge) for edge in edges]
    moment = "epoch_ms(0) + to_microseconds(try_cast(edge * 1e6 as BIGINT))"
    text = {
        "DATE": f"strftime({moment}, '%Y-%m-%d')",
        "TIME": f"strftime({moment}, '%H:%M:%S')",
    }.get(column.common or "", f"strftime({moment}, '%Y-%m-%d %H:%M:%S')")
    listed = ", ".join(f"{edge!r}::DOUBLE" for edge in edges)
    [(found,)] = session.rows(f"select list_transform([{listed}], lambda edge: {text})", doing=doing)
    return list(found)


def _top(session: Session, column: Column, rows: dict[SideName, int], doing: str) -> list[TopValue]:
    """Give the values that are most frequent on either side; none where no value is frequent."""
    name = detail_sample.name(column)
    sides = [f"(select {name} as x, count(*) as n from part_{side} group by {name})" for side in SIDES]
    found = session.rows(
        f"select {_text(column, 'coalesce(b.x, c.x)')}, coalesce(b.n, 0) as bn, coalesce(c.n, 0) as cn "
        f"from {sides[0]} b full join {sides[1]} c on b.x is not distinct from c.x "
        f"where greatest(bn, cn) > {_frequent(rows)} order by greatest(bn, cn) desc, 1 limit {TOP}",
        doing=doing,
    )
    return [
        TopValue(
            value=json_value(value),
            baseline=share(before, rows["baseline"]),
            candidate=share(after, rows["candidate"]),
        )
        for value, before, after in found
    ]


def _frequent(rows: dict[SideName, int]) -> float:
    """Give how many rows a value needs: two, and one in a thousand."""
    return max(1.0, max(rows.values()) / 1000)


def _rows(session: Session, side: SideName, doing: str) -> int:
    return int(session.rows(f"select count(*) from part_{side}", doing=doing)[0][0])


def share(part: float, whole: float) -> float:
    """Give a share with six digits, as more are not meant."""
    return float(f"{part / whole:.6g}") if whole else 0.0
