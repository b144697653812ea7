"""How the values of columns that differ are distributed on both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.compare.relations import SIDES
from sandbox.compare.rows import detail_sample, sample_columns
from sandbox.compare.rows.change_counts import round_number
from sandbox.compare.rows.examples import convert_to_json
from sandbox.compare.sql_types import INTEGER_TYPES, TEMPORAL_TYPES
from sandbox.manifest.diff import ColumnProfile, ColumnSummary, Histogram, TopValue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import JsonValue

    from sandbox.compare.columns import ComparedColumn
    from sandbox.compare.relations import Relation, SideName, SideRows
    from sandbox.compare.rows.change_counts import ChangeCounts
    from sandbox.compare.rows.detail_sample import DetailSample
    from sandbox.compare.rows.row_matching import ComparisonPlan
    from sandbox.engine.duckdb.session import Session

HISTOGRAM_BINS = 20
MAX_TOP_VALUES = 10
MAX_PROFILED_COLUMNS = 30
QUANTILE_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
_MAX_EXACT_INTERVAL = 16  # of tables of more than so many parts only the part is looked at
_MIN_MOVED_SHARE = 0.01  # with fewer rows added and removed no share of a value moves by more


def select_profiled_columns(plan: ComparisonPlan, changes: ChangeCounts) -> list[ComparedColumn]:
    """Return the columns to look at: those that changed, and all where many rows were added or removed.

    The most changed first, at most `MAX_PROFILED_COLUMNS`; none where no row differs, so that equal outputs cost nothing.
    """
    rows = changes.rows
    many = rows.added + rows.removed > _MIN_MOVED_SHARE * max(rows.baseline, 1)
    changed = {name: column.changed for name, column in changes.columns.items()}
    found = [
        column
        for column in plan.columns
        if sample_columns.is_countable(column) and (changed.get(column.name) or (many and rows.different))
    ]
    return sorted(found, key=lambda column: -changed.get(column.name, 0))[:MAX_PROFILED_COLUMNS]


def compute_profiles(
    session: Session,
    part: DetailSample,
    all_rows: SideRows,
    changes: ChangeCounts,
    *,
    doing: str,
) -> dict[str, ColumnProfile]:
    """Return the profile of each column of both parts."""
    changed = [name for name, column in changes.columns.items() if column.changed]
    exact = [
        column for column in part.shared_columns if column.name in changed and 1 < part.one_in <= _MAX_EXACT_INTERVAL
    ]
    given = {}
    spreads = _compute_summaries(session, part, all_rows, exact, doing)
    counts = {side: _count_rows(session, rows, doing) for side, rows in part.rows.items()}
    for column in part.shared_columns:
        given[column.name] = ColumnProfile(
            baseline=spreads["baseline"][column],
            candidate=spreads["candidate"][column],
            histogram=_compute_histogram(session, part, column, doing),
            top=_find_top_values(session, part, column, counts, doing),
            one_in=part.one_in,
            exact=part.is_whole or column in exact,
        )
    return given


_SummariesBySide = dict["SideName", "dict[ComparedColumn, ColumnSummary]"]


def _compute_summaries(
    session: Session,
    part: DetailSample,
    all_rows: SideRows,
    exact: Sequence[ComparedColumn],
    doing: str,
) -> _SummariesBySide:
    given: _SummariesBySide = {side: {} for side in SIDES}
    for side in SIDES:
        if not part.shared_columns:
            continue
        figures = _query_sample_figures(
            session,
            part.rows[side],
            {c: sample_columns.format_sample_name(c) for c in part.shared_columns},
            doing,
        )
        if exact:
            sources = {column: detail_sample.render_full_value_sql(column, side) for column in exact}
            figures |= {
                column: [*whole, figures[column][-1]]
                for column, whole in _query_table_figures(session, all_rows[side], sources, doing).items()
            }
        for column, (rows, filled, distinct, low, high, mean, quantiles) in figures.items():
            given[side][column] = ColumnSummary(
                rows=rows,
                nulls=rows - filled,
                distinct=distinct if part.is_whole or column in exact else None,
                min=convert_to_json(low),
                max=convert_to_json(high),
                mean=None if mean is None else round_number(mean),
                quantiles=[convert_to_json(one) for one in quantiles or ()],
            )
    return given


def _query_sample_figures(
    session: Session, source: Relation, sources: dict[ComparedColumn, str], doing: str
) -> dict[ComparedColumn, list[Any]]:
    """Return rows, values, distinct values, least, greatest, mean and quantiles of columns of a part."""
    asked: list[str] = []
    for column, sql in sources.items():
        quantiles = f"quantile_disc({sql}, {list(QUANTILE_LEVELS)}){_render_finite_filter(column, sql)}"
        if detail_sample.render_measure_sql(column, sql) is None:
            quantiles = "null"
        elif column.common not in INTEGER_TYPES:
            quantiles = f"list_transform({quantiles}, lambda one: {_render_json_sql(column, 'one')})"
        asked += [*_render_aggregates(column, sql, f"count(distinct {sql})"), quantiles]
    return _query_aggregates(session, source, list(sources), asked, 7, doing)


def _query_table_figures(
    session: Session, source: Relation, sources: dict[ComparedColumn, str], doing: str
) -> dict[ComparedColumn, list[Any]]:
    """Return the same but for the quantiles, of every row; distinct values are estimated."""
    asked = []
    for column, sql in sources.items():
        asked += _render_aggregates(column, sql, f"approx_count_distinct({sql})")
    return _query_aggregates(session, source, list(sources), asked, 6, doing)


def _render_aggregates(column: ComparedColumn, sql: str, distinct: str) -> list[str]:
    finite, measured = _render_finite_filter(column, sql), detail_sample.render_measure_sql(column, sql)
    numeric = measured is not None and column.is_numeric
    return [
        "count(*)",
        f"count({sql})",
        distinct,
        _render_json_sql(column, f"min({sql}){finite}"),
        _render_json_sql(column, f"max({sql}){finite}"),
        # Kahan's sum, so that neither threads nor the order of rows show.
        f"fsum({measured}) / nullif(count({measured}), 0)" if numeric else "null",
    ]


def _query_aggregates(
    session: Session, source: Relation, columns: list[ComparedColumn], asked: list[str], each: int, doing: str
) -> dict[ComparedColumn, list[Any]]:
    [found] = session.fetch_rows(f"select {', '.join(asked)} from {source}", doing=doing)
    return {column: list(found[place * each : (place + 1) * each]) for place, column in enumerate(columns)}


def _render_finite_filter(column: ComparedColumn, sql: str) -> str:
    """Render the filter of an aggregate that leaves out what has no place among numbers, or moments."""
    if column.common in {"FLOAT", "DOUBLE"} | (TEMPORAL_TYPES - {"TIME"}):
        return f" filter (isfinite({sql}))"
    return ""


def _render_json_sql(column: ComparedColumn, sql: str) -> str:
    """Render the SQL of a value as JSON can hold it."""
    if column.common in INTEGER_TYPES or column.common in {"BOOLEAN", "DOUBLE"}:
        return sql
    if column.common == "FLOAT":
        return f"({sql})::VARCHAR::DOUBLE"
    return f"left(({sql})::VARCHAR, {sample_columns.MAX_STORED_TEXT_LENGTH})"


def _compute_histogram(session: Session, part: DetailSample, column: ComparedColumn, doing: str) -> Histogram | None:
    """Return the shares of the bins between the outer quantiles of both sides; None where there are no two values."""
    sql = detail_sample.render_measure_sql(column, sample_columns.format_sample_name(column))
    if sql is None:
        return None
    both = f"({' union all '.join(f'select {sql} as x from {part.rows[side]}' for side in SIDES)})"
    [(low, high, least, most)] = session.fetch_rows(
        f"select quantile_disc(x, 0.01), quantile_disc(x, 0.99), min(x), max(x) from {both}", doing=doing
    )
    if least is None or least == most:
        return None
    if low == high:
        low, high = least, most
    width = (high - low) / HISTOGRAM_BINS
    if not 0 < width < float("inf"):
        return None
    place = f"least({HISTOGRAM_BINS - 1}, greatest(0, floor((x - {low!r}::DOUBLE) / {width!r}::DOUBLE)))::INTEGER"
    shares = {}
    for side in SIDES:
        counted = dict(
            session.fetch_rows(
                f"select {place} as bin, count(*) from (select {sql} as x from {part.rows[side]}) "
                "where x is not null group by bin",
                doing=doing,
            )
        )
        total = sum(counted.values()) or 1
        shares[side] = [compute_share(counted.get(bin_, 0), total) for bin_ in range(HISTOGRAM_BINS)]
    edges = [low + width * edge for edge in range(HISTOGRAM_BINS)] + [high]
    return Histogram(edges=_format_edges(session, column, edges, doing), **shares)


def _format_edges(session: Session, column: ComparedColumn, edges: list[float], doing: str) -> list[JsonValue]:
    if column.is_numeric:
        return [round_number(edge) for edge in edges]
    moment = "epoch_ms(0) + to_microseconds(try_cast(edge * 1e6 as BIGINT))"
    text = {
        "DATE": f"strftime({moment}, '%Y-%m-%d')",
        "TIME": f"strftime({moment}, '%H:%M:%S')",
    }.get(column.common or "", f"strftime({moment}, '%Y-%m-%d %H:%M:%S')")
    listed = ", ".join(f"{edge!r}::DOUBLE" for edge in edges)
    [(found,)] = session.fetch_rows(f"select list_transform([{listed}], lambda edge: {text})", doing=doing)
    return list(found)


def _find_top_values(
    session: Session, part: DetailSample, column: ComparedColumn, rows: dict[SideName, int], doing: str
) -> list[TopValue]:
    """Return the values that are most frequent on either side; none where no value is frequent."""
    name = sample_columns.format_sample_name(column)
    sides = [f"(select {name} as x, count(*) as n from {part.rows[side]} group by {name})" for side in SIDES]
    found = session.fetch_rows(
        f"select {_render_json_sql(column, 'coalesce(b.x, c.x)')}, coalesce(b.n, 0) as bn, coalesce(c.n, 0) as cn "
        f"from {sides[0]} b full join {sides[1]} c on b.x is not distinct from c.x "
        f"where greatest(bn, cn) > {_compute_min_frequency(rows)} order by greatest(bn, cn) desc, 1 limit {MAX_TOP_VALUES}",
        doing=doing,
    )
    return [
        TopValue(
            value=convert_to_json(value),
            baseline=compute_share(before, rows["baseline"]),
            candidate=compute_share(after, rows["candidate"]),
        )
        for value, before, after in found
    ]


def _compute_min_frequency(rows: dict[SideName, int]) -> float:
    """Return how many rows a value needs: two, and one in a thousand."""
    return max(1.0, max(rows.values()) / 1000)


def _count_rows(session: Session, rows: Relation, doing: str) -> int:
    return int(session.fetch_rows(f"select count(*) from {rows}", doing=doing)[0][0])


def compute_share(part: float, whole: float) -> float:
    """Return a share with six digits, as more are not meant."""
    return float(f"{part / whole:.6g}") if whole else 0.0
