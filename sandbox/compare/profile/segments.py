"""Which slice of the rows holds the differences.

A slice of a column is a few of its values, or a range between quantiles. It is scored with Youden's J (Youden 1950,
Cancer 3(1)): the share of the differing rows in it less the share of the other rows in it. A slice that is everything
scores 0 however many differences it holds, as does one that holds as many of both; a tiny slice scores no more than the
share of the differences that it holds.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.compare.profile.distributions import compute_share
from sandbox.compare.profile.segment_ranges import find_ranges
from sandbox.compare.profile.segment_score import ScoredSlice, SliceCounts, SliceSearch
from sandbox.compare.rows import detail_sample, sample_columns
from sandbox.compare.rows.examples import convert_to_json
from sandbox.manifest.diff import ColumnSlice, RowSegment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import JsonValue

    from sandbox.compare.columns import ComparedColumn
    from sandbox.compare.rows.detail_sample import DetailSample, DifferingSample
    from sandbox.engine.duckdb.session import Session
    from sandbox.manifest.diff import RowCounts

MIN_DIFFERING_ROWS = 5  # with fewer differing rows any slice fits
MIN_SCORE = 0.3
MIN_SCORE_GAIN = 0.05  # what another value, or a second column, has to add to the score
MAX_SEGMENTS = 3
MAX_COMBINED_SLICES = 6
_MAX_NUMBER_VALUES = 12
_MAX_CATEGORY_VALUES = 200
_MAX_SLICE_VALUES = 3


@dataclass(frozen=True, kw_only=True)
class ValueCell:
    """One value or one bin of a column: SQL that is true for its rows, and what is in it."""

    condition: str
    json_value: JsonValue
    counts: SliceCounts


def find_segments(
    session: Session, part: DetailSample, differing: DifferingSample, rows: RowCounts, *, doing: str
) -> list[RowSegment]:
    """Return the slices that hold the differences, the best first: of up to three columns, and of a pair if it is better.

    Args:
        session: Holds the rows.
        part: The sampled rows of both sides.
        differing: The sampled rows that differ.
        rows: The counts of the comparison.
        doing: What a failure is the failure of.
    """
    real = rows.different - rows.noise
    if real < MIN_DIFFERING_ROWS or rows.baseline == 0:
        return []
    search = SliceSearch(
        session=session,
        sample=part.rows["baseline"],
        differing=differing.rows,
        whole=SliceCounts(rows=rows.baseline, differing=real),
        scale=SliceCounts(rows=part.one_in, differing=differing.one_in),
        doing=doing,
    )
    if rows.unchanged < 0.02 * rows.baseline:
        return []
    found = _find_best_slices(search, part.slice_columns)
    found.sort(key=lambda one: (-search.compute_score(one), one.condition))
    top = _combine_slices(search, found[:MAX_COMBINED_SLICES]) + found
    kept = [one for one in top if search.compute_score(one) >= MIN_SCORE and one.counts.is_significant(search.whole)]
    return [_build_segment(one, search.whole) for one in kept[:MAX_SEGMENTS]]


def _build_segment(found: ScoredSlice, whole: SliceCounts) -> RowSegment:
    counts = found.counts
    return RowSegment(
        slices=list(found.slices),
        covered=min(compute_share(counts.differing, whole.differing), 1.0),
        rows=min(compute_share(counts.rows, whole.rows), 1.0),
        differing=min(compute_share(counts.differing, counts.rows), 1.0) if counts.rows else 1.0,
        score=compute_share(counts.compute_score(whole), 1.0),
    )


def _combine_slices(search: SliceSearch, found: Sequence[ScoredSlice]) -> list[ScoredSlice]:
    """Return the best of both slices of two columns together, if it is better than the best alone."""
    pairs = list(itertools.combinations(found, 2))
    conditions = [f"({one.condition}) and ({other.condition})" for one, other in pairs]
    best = [
        ScoredSlice(slices=(*one.slices, *other.slices), condition=where, counts=counts)
        for (one, other), where, counts in zip(pairs, conditions, search.count_slices(conditions), strict=True)
    ]
    best.sort(key=lambda one: (-search.compute_score(one), one.condition))
    better = search.compute_score(found[0]) + MIN_SCORE_GAIN if found else 0.0
    return [one for one in best[:1] if search.compute_score(one) >= better]


def _find_best_slices(search: SliceSearch, columns: Sequence[ComparedColumn]) -> list[ScoredSlice]:
    """Return the best slice of each column; none of those with too many values, or but one."""
    measures = {
        column: detail_sample.render_measure_sql(column, sample_columns.format_sample_name(column))
        for column in columns
    }
    distinct = search.query_aggregates(
        search.differing,
        [f"approx_count_distinct({sample_columns.format_sample_name(column)})" for column in columns],
    )
    within = find_ranges(search, {column: sql for column, sql in measures.items() if sql is not None})
    given = []
    for column, count in zip(columns, distinct, strict=True):
        tried = within.get(column, [])
        if count <= (_MAX_CATEGORY_VALUES if measures[column] is None else _MAX_NUMBER_VALUES):
            values = _choose_values(search, column, _count_values(search, column))
            tried = [*([values] if values else []), *tried]
        best = search.choose_best(tried)
        if best is not None:
            given.append(best)
    return given


def _count_values(search: SliceSearch, column: ComparedColumn) -> list[ValueCell]:
    """Return the values that differing rows have, those with most of them first."""
    name = sample_columns.format_sample_name(column)
    text = f"{name}::VARCHAR"
    found = search.session.fetch_rows(
        f"select {text}, coalesce(any_value(n), 0), sum(d.w) as weight from {search.differing} d left join "
        f"(select {name} as x, count(*) as n from {search.sample} group by x) b on b.x is not distinct from {name} "
        f"group by {text} order by weight desc, 1 limit {_MAX_CATEGORY_VALUES}",
        doing=search.doing,
    )
    return [
        ValueCell(
            condition=f"{name} is null" if value is None else f"{text} is not distinct from {_quote_text(value)}",
            json_value=_convert_value(column, value),
            counts=search.scale_counts(rows, weight),
        )
        for value, rows, weight in found
    ]


def _quote_text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _convert_value(column: ComparedColumn, value: str | None) -> JsonValue:
    if value is not None and column.common == "BOOLEAN":
        return value == "true"
    if value is not None and column.is_numeric:
        number = float(value)
        return int(number) if number.is_integer() and abs(number) < 2**53 else value
    return convert_to_json(value)


def _choose_values(search: SliceSearch, column: ComparedColumn, cells: Sequence[ValueCell]) -> ScoredSlice | None:
    """Return up to three values that together score best, each of which adds much."""
    ordered = sorted(cells, key=lambda cell: -cell.counts.compute_score(search.whole))
    taken: list[ValueCell] = []
    rows = differing = score = 0.0
    for cell in ordered[:_MAX_SLICE_VALUES]:
        counts = SliceCounts(rows=rows + cell.counts.rows, differing=differing + cell.counts.differing)
        if counts.compute_score(search.whole) < score + MIN_SCORE_GAIN:
            break
        rows, differing, score = counts.rows, counts.differing, counts.compute_score(search.whole)
        taken.append(cell)
    if not taken:
        return None
    return ScoredSlice(
        slices=(ColumnSlice(column=column.name, values=[cell.json_value for cell in taken]),),
        condition=" or ".join(cell.condition for cell in taken),
        counts=SliceCounts(rows=rows, differing=differing),
    )
