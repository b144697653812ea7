"""The range of a column's values that holds the differences best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.compare.profile.segment_score import ScoredSlice
from sandbox.compare.rows import sample_columns
from sandbox.compare.rows.examples import convert_to_json
from sandbox.manifest.diff import ColumnSlice

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.compare.columns import ComparedColumn
    from sandbox.compare.profile.segment_score import SliceCounts, SliceSearch

_BIN_COUNT = 20
_QUANTILE_LEVELS = [place / _BIN_COUNT for place in range(1, _BIN_COUNT)]
_AGGREGATES_PER_RANGE = 4


@dataclass(frozen=True, kw_only=True)
class _BinRange:
    """A run of bins of a column; an end that is None is open."""

    column: ComparedColumn
    measure: str
    low: float | None
    high: float | None

    @property
    def condition(self) -> str:
        return _render_range_condition(self.measure, self.low, self.high, closed=False)


def find_ranges(search: SliceSearch, measures: Mapping[ComparedColumn, str]) -> dict[ComparedColumn, list[ScoredSlice]]:
    """Return each column's best ranges between quantiles, drawn as close about its differing rows as they lie.

    All columns are looked at together, because a query costs more than what it counts.

    Args:
        search: The rows.
        measures: A column to the SQL of its values as numbers.
    """
    levels = search.query_aggregates(
        search.sample, [f"quantile_disc({measure}, {_QUANTILE_LEVELS})" for measure in measures.values()]
    )
    runs = []
    for (column, measure), some in zip(measures.items(), levels, strict=True):
        edges = sorted(set(some or ()))
        if edges:
            scores = [counts.compute_score(search.whole) for counts in _count_bins(search, measure, edges)]
            runs += _find_bin_ranges(column, measure, [None, *edges, None], scores)
    given: dict[ComparedColumn, list[ScoredSlice]] = {}
    for column, found in _narrow_ranges(search, runs):
        given.setdefault(column, []).append(found)
    return given


def _count_bins(search: SliceSearch, measure: str, edges: Sequence[float]) -> list[SliceCounts]:
    """Count what is in each of the bins that edges part, the outer ones open."""
    bin_ = " + ".join(f"(x >= {edge!r}::DOUBLE)::INTEGER" for edge in edges)
    both = (
        f"select {measure} as x, 1 as n, 0.0::DOUBLE as w from {search.sample} "
        f"union all select {measure}, 0, w from {search.differing}"
    )
    found = {
        place: figures
        for place, *figures in search.session.fetch_rows(
            f"select {bin_} as place, sum(n)::BIGINT, sum(w) from ({both}) where x is not null group by place",
            doing=search.doing,
        )
    }
    return [search.scale_counts(*found.get(place, (0, 0.0))) for place in range(len(edges) + 1)]


def _find_bin_ranges(
    column: ComparedColumn, measure: str, bounds: Sequence[float | None], scores: Sequence[float]
) -> list[_BinRange]:
    """Return the best run of bins, also with one more at either end, where differences may begin or end within."""
    start, end = _find_max_sum_range(scores)
    chosen = {(max(start - more, 0), min(end + further, len(scores) - 1)) for more in (0, 1) for further in (0, 1)}
    found = [
        _BinRange(column=column, measure=measure, low=bounds[first], high=bounds[last + 1])
        for first, last in sorted(chosen)
    ]
    return [run for run in found if run.low is not None or run.high is not None]


def _narrow_ranges(search: SliceSearch, runs: Sequence[_BinRange]) -> list[tuple[ComparedColumn, ScoredSlice]]:
    """Return the rows from the least to the greatest differing one within bounds; open ends stay open."""
    asked = []
    for run in runs:
        name, within = sample_columns.format_sample_name(run.column), f" filter ({run.condition})"
        asked += [f"min({run.measure}){within}", f"max({run.measure}){within}"]
        asked += [_render_bound_sql(run.column, f"{end}({name}){within}") for end in ("min", "max")]
    figures = search.query_aggregates(search.differing, asked)
    found = []
    for place, run in enumerate(runs):
        least, most, *ends = figures[place * _AGGREGATES_PER_RANGE : (place + 1) * _AGGREGATES_PER_RANGE]
        if least is None:
            continue
        low, high = (None if run.low is None else least), (None if run.high is None else most)
        shown = [
            None if end is None else convert_to_json(value)
            for end, value in zip((run.low, run.high), ends, strict=True)
        ]
        said = ColumnSlice(column=run.column.name, low=shown[0], high=shown[1])
        found.append((run.column, said, _render_range_condition(run.measure, low, high, closed=True)))
    counted = search.count_slices([where for _, _, where in found])
    return [
        (column, ScoredSlice(slices=(said,), condition=where, counts=counts))
        for (column, said, where), counts in zip(found, counted, strict=True)
    ]


def _render_bound_sql(column: ComparedColumn, sql: str) -> str:
    return sql if column.common in {"BIGINT", "INTEGER", "SMALLINT", "TINYINT", "DOUBLE"} else f"({sql})::VARCHAR"


def _render_range_condition(measure: str, low: float | None, high: float | None, *, closed: bool) -> str:
    below = "<=" if closed else "<"
    said = [] if low is None else [f"{measure} >= {low!r}::DOUBLE"]
    said += [] if high is None else [f"{measure} {below} {high!r}::DOUBLE"]
    return " and ".join(said) or f"{measure} is not null"


def _find_max_sum_range(scores: Sequence[float]) -> tuple[int, int]:
    """Return the first and the last place of the run with the greatest sum.

    >>> _find_max_sum_range([-1.0, 2.0, -0.5, 3.0, -9.0])
    (1, 3)
    """
    best, given, total, start = float("-inf"), (0, 0), 0.0, 0
    for place, score in enumerate(scores):
        if total <= 0:
            total, start = 0.0, place
        total += score
        if total > best:
            best, given = total, (start, place)
    return given
