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

from sandbox.compare.profile.distributions import share
from sandbox.compare.profile.segment_ranges import ranges
from sandbox.compare.profile.segment_score import Counts, Found, Search
from sandbox.compare.rows import detail_sample
from sandbox.compare.rows.examples import json_value
from sandbox.manifest.diff import Segment, Slice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import JsonValue

    from sandbox.compare.columns import Column
    from sandbox.compare.rows.detail_sample import Part
    from sandbox.engine.duckdb.session import Session
    from sandbox.manifest.diff import Rows

FEWEST = 5  # with fewer differing rows any slice fits
LEAST_SCORE = 0.3
MORE = 0.05  # what another value, or a second column, has to add to the score
SHOWN = 3
PAIRED = 6
_FEW_VALUES = 12
_MANY_VALUES = 200
_VALUES = 3


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One value or one bin of a column: SQL that is true for its rows, and what is in it."""

    where: str
    shown: JsonValue
    counts: Counts


def segments(session: Session, part: Part, rows: Rows, differing: int, *, doing: str) -> list[Segment]:
    """Give the slices that hold the differences, the best first: of up to three columns, and of a pair if it is better.

    Args:
        session: Holds ``part_baseline`` and ``part_differing``.
        part: What the first one holds.
        rows: The counts of the comparison.
        differing: Of how many differing rows one is in ``part_differing``.
        doing: What a failure is the failure of.
    """
    real = rows.different - rows.noise
    if real < FEWEST or rows.baseline == 0:
        return []
    search = Search(
        session=session,
        whole=Counts(rows=rows.baseline, differing=real),
        scale=Counts(rows=part.one_in, differing=differing),
        doing=doing,
    )
    if rows.unchanged < 0.02 * rows.baseline:
        return []
    found = _best(search, part.sliced)
    found.sort(key=lambda one: (-search.within(one), one.where))
    top = _pair(search, found[:PAIRED]) + found
    kept = [one for one in top if search.within(one) >= LEAST_SCORE and one.counts.sure(search.whole)]
    return [_segment(one, search.whole) for one in kept[:SHOWN]]


def _segment(found: Found, whole: Counts) -> Segment:
    counts = found.counts
    return Segment(
        slices=list(found.slices),
        covered=min(share(counts.differing, whole.differing), 1.0),
        rows=min(share(counts.rows, whole.rows), 1.0),
        differing=min(share(counts.differing, counts.rows), 1.0) if counts.rows else 1.0,
        score=share(counts.within(whole), 1.0),
    )


def _pair(search: Search, found: Sequence[Found]) -> list[Found]:
    """Give the best of both slices of two columns together, if it is better than the best alone."""
    pairs = list(itertools.combinations(found, 2))
    conditions = [f"({one.where}) and ({other.where})" for one, other in pairs]
    best = [
        Found(slices=(*one.slices, *other.slices), where=where, counts=counts)
        for (one, other), where, counts in zip(pairs, conditions, search.counts(conditions), strict=True)
    ]
    best.sort(key=lambda one: (-search.within(one), one.where))
    better = search.within(found[0]) + MORE if found else 0.0
    return [one for one in best[:1] if search.within(one) >= better]


def _best(search: Search, columns: Sequence[Column]) -> list[Found]:
    """Give the best slice of each column; none of those with too many values, or but one."""
    measures = {column: detail_sample.measure(column, detail_sample.name(column)) for column in columns}
    distinct = search.asked(
        "part_differing", [f"approx_count_distinct({detail_sample.name(column)})" for column in columns]
    )
    within = ranges(search, {column: sql for column, sql in measures.items() if sql is not None})
    given = []
    for column, count in zip(columns, distinct, strict=True):
        tried = within.get(column, [])
        if count <= (_MANY_VALUES if measures[column] is None else _FEW_VALUES):
            values = _values(search, column, _cells(search, column))
            tried = [*([values] if values else []), *tried]
        best = search.best(tried)
        if best is not None:
            given.append(best)
    return given


def _cells(search: Search, column: Column) -> list[Cell]:
    """Give the values that differing rows have, those with most of them first."""
    name = detail_sample.name(column)
    text = f"{name}::VARCHAR"
    found = search.session.rows(
        f"select {text}, coalesce(any_value(n), 0), sum(d.w) as weight from part_differing d left join "
        f"(select {name} as x, count(*) as n from part_baseline group by x) b on b.x is not distinct from {name} "
        f"group by {text} order by weight desc, 1 limit {_MANY_VALUES}",
        doing=search.doing,
    )
    return [
        Cell(
            where=f"{name} is null" if value is None else f"{text} is not distinct from {_quoted(value)}",
            shown=_plain(column, value),
            counts=search.counted(rows, weight),
        )
        for value, rows, weight in found
    ]


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _plain(column: Column, value: str | None) -> JsonValue:
    if value is not None and column.common == "BOOLEAN":
        return value == "true"
    if value is not None and column.numeric:
        number = float(value)
        return int(number) if number.is_integer() and abs(number) < 2**53 else value
    return json_value(value)


def _values(search: Search, column: Column, cells: Sequence[Cell]) -> Found | None:
    """Give up to three values that together score best, each of which adds much."""
    ordered = sorted(cells, key=lambda cell: -cell.counts.within(search.whole))
    taken: list[Cell] = []
    rows = differing = score = 0.0
    for cell in ordered[:_VALUES]:
        counts = Counts(rows=rows + cell.counts.rows, differing=differing + cell.counts.differing)
        if counts.within(search.whole) < score + MORE:
            break
        rows, differing, score = counts.rows, counts.differing, counts.within(search.whole)
        taken.append(cell)
    if not taken:
        return None
    return Found(
        slices=(Slice(column=column.name, values=[cell.shown for cell in taken]),),
        where=" or ".join(cell.where for cell in taken),
        counts=Counts(rows=rows, differing=differing),
    )
