"""The range of a column's values that holds the differences best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.compare.profile.segment_score import Found
from sandbox.compare.rows import detail_sample
from sandbox.compare.rows.examples import json_value
from sandbox.manifest.diff import Slice

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.compare.columns import Column
    from sandbox.compare.profile.segment_score import Counts, Search

_BINS = 20
_LEVELS = [place / _BINS for place in range(1, _BINS)]
_EACH = 4


@dataclass(frozen=True, kw_only=True)
class _Bounds:
    """A run of bins of a column; an end that is None is open."""

    column: Column
    measure: str
    low: float | None
    high: float | None

    @property
    def where(self) -> str:
        return _between(self.measure, self.low, self.high, closed=False)


def ranges(search: Search, measures: Mapping[Column, str]) -> dict[Column, list[Found]]:
    """Give each column's best ranges between quantiles, drawn as close about its differing rows as they lie.

    All columns are looked at together, because a query costs more than what it counts.

    Args:
        search: Holds ``part_baseline`` and ``part_differing``.
        measures: A column to the SQL of its values as numbers.
    """
    levels = search.asked(
        "part_baseline", [f"quantile_disc({measure}, {_LEVELS})" for measure in measures.values()]
    )
    runs = []
    for (column, measure), some in zip(measures.items(), levels, strict=True):
        edges = sorted(set(some or ()))
        if edges:
            scores = [counts.within(search.whole) for counts in _counted(search, measure, edges)]
            runs += _runs(column, measure, [None, *edges, None], scores)
    given: dict[Column, list[Found]] = {}
    for column, found in _drawn(search, runs):
        given.setdefault(column, []).append(found)
    return given


def _counted(search: Search, measure: str, edges: Sequence[float]) -> list[Counts]:
    """Count what is in each of the bins that edges part, the outer ones open."""
    bin_ = " + ".join(f"(x >= {edge!r}::DOUBLE)::INTEGER" for edge in edges)
    both = (
        f"select {measure} as x, 1 as n, 0.0::DOUBLE as w from part_baseline "
        f"union all select {measure}, 0, w from part_differing"
    )
    found = {
        place: figures
        for place, *figures in search.session.rows(
            f"select {bin_} as place, sum(n)::BIGINT, sum(w) from ({both}) where x is not null group by place",
            doing=search.doing,
        )
    }
    return [search.counted(*found.get(place, (0, 0.0))) for place in range(len(edges) + 1)]


def _runs(
    column: Column, measure: str, bounds: Sequence[float | None], scores: Sequence[float]
) -> list[_Bounds]:
    """Give the best run of bins, also with one more at either end, where differences may begin or end within."""
    start, end = _most(scores)
    chosen = {
        (max(start - more, 0), min(end + further, len(scores) - 1)) for more in (0, 1) for further in (0, 1)
    }
    found = [
        _Bounds(column=column, measure=measure, low=bounds[first], high=bounds[last + 1])
        for first, last in sorted(chosen)
    ]
    return [run for run in found if run.low is not None or run.high is not None]


def _drawn(search: Search, runs: Sequence[_Bounds]) -> list[tuple[Column, Found]]:
    """Give the rows from the least to the greatest differing one within bounds; open ends stay open."""
    asked = []
    for run in runs:
        name, within = detail_sample.name(run.column), f" filter ({run.where})"
        asked += [f"min({run.measure}){within}", f"max({run.measure}){within}"]
        asked += [_shown(run.column, f"{end}({name}){within}") for end in ("min", "max")]
    figures = search.asked("part_differing", asked)
    found = []
    for place, run in enumerate(runs):
        least, most, *ends = figures[place * _EACH : (place + 1) * _EACH]
        if least is None:
            continue
        low, high = (None if run.low is None else least), (None if run.high is None else most)
        shown = [
            None if end is None else json_value(value)
            for end, value in zip((run.low, run.high), ends, strict=True)
        ]
        said = Slice(column=run.column.name, low=shown[0], high=shown[1])
        found.append((run.column, said, _between(run.measure, low, high, closed=True)))
    counted = search.counts([where for _, _, where in found])
    return [
        (column, Found(slices=(said,), where=where, counts=counts))
        for (column, said, where), counts in zip(found, counted, strict=True)
    ]


def _shown(column: Column, sql: str) -> str:
    return (
        sql
        if column.common in {"BIGINT", "INTEGER", "SMALLINT", "TINYINT", "DOUBLE"}
        else f"({sql})::VARCHAR"
    )


def _between(measure: str, low: float | None, high: float | None, *, closed: bool) -> str:
    below = "<=" if closed else "<"
    said = [] if low is None else [f"{measure} >= {low!r}::DOUBLE"]
    said += [] if high is None else [f"{measure} {below} {high!r}::DOUBLE"]
    return " and ".join(said) or f"{measure} is not null"


def _most(scores: Sequence[float]) -> tuple[int, int]:
    """Give the first and the last place of the run with the greatest sum.

    >>> _most([-1.0, 2.0, -0.5, 3.0, -9.0])
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
