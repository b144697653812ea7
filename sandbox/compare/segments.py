"""Which slice of the rows holds the differences.

A slice of a column is a few of its values, or a range between quantiles. It is scored with Youden's J (Youden 1950,
Cancer 3(1)): the share of the differing rows in it less the share of the other rows in it. A slice that is everything
scores 0 however many differences it holds, as does one that holds as many of both; a tiny slice scores no more than the
share of the differences that it holds.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.compare import parts
from sandbox.compare.examples import json_value
from sandbox.compare.profiles import share
from sandbox.manifest.diff import Segment, Slice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import JsonValue

    from sandbox.compare.columns import Column
    from sandbox.compare.parts import Part
    from sandbox.engine.duck import Session
    from sandbox.manifest.diff import Rows

FEWEST = 5  # with fewer differing rows any slice fits
LEAST_SCORE = 0.3
MORE = 0.05  # what another value, or a second column, has to add to the score
SURE = 4.0  # deviations that the share of the differing rows has to lie above the share of all
SHOWN = 3
PAIRED = 6
_FEW_VALUES = 12
_MANY_VALUES = 200
_VALUES = 3
_BINS = 20


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many rows there are and how many of them differ, in all and in a slice; estimates where only a part is read."""

    rows: float
    differing: float

    def within(self, whole: Counts) -> float:
        """Youden's J of the slice with these counts."""
        others = max(whole.rows - whole.differing, 1e-9)
        return self.differing / whole.differing - max(self.rows - self.differing, 0.0) / others

    def sure(self, whole: Counts) -> bool:
        """True where a slice of so many rows would hardly ever hold so many of the differing rows by chance."""
        expected = min(max(self.rows / whole.rows, 1e-9), 1.0)
        deviation = math.sqrt(expected * (1 - expected) / whole.differing)
        return self.differing / whole.differing - expected > SURE * deviation


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One value or one bin of a column: SQL that is true for its rows, and what is in it."""

    where: str
    shown: JsonValue
    counts: Counts


@dataclass(frozen=True, kw_only=True)
class Found:
    """A slice: what is said of it, SQL that is true for its rows, and its counts."""

    slices: tuple[Slice, ...]
    where: str
    counts: Counts


@dataclass(frozen=True, kw_only=True)
class _Search:
    """The parts in a session, with how many rows one row of each stands for."""

    session: Session
    whole: Counts
    scale: Counts
    doing: str

    def counts(self, conditions: Sequence[str]) -> list[Counts]:
        """Count what is in slices."""
        if not conditions:
            return []
        rows = ", ".join(f"count(*) filter ({where})" for where in conditions)
        weights = ", ".join(f"coalesce(sum(w) filter ({where}), 0)" for where in conditions)
        [all_] = self.session.rows(f"select {rows} from part_baseline", doing=self.doing)
        [differ] = self.session.rows(f"select {weights} from part_differing", doing=self.doing)
        return [self.counted(*one) for one in zip(all_, differ, strict=True)]

    def counted(self, rows: float, differing: float) -> Counts:
        return Counts(rows=rows * self.scale.rows, differing=differing * self.scale.differing)


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
    search = _Search(
        session=session,
        whole=Counts(rows=rows.baseline, differing=real),
        scale=Counts(rows=part.one_in, differing=differing),
        doing=doing,
    )
    if rows.unchanged < 0.02 * rows.baseline:
        return []
    found = [
        best for column in part.columns if not column.tainted and (best := _best(search, column)) is not None
    ]
    found.sort(key=lambda one: (-one.counts.within(search.whole), one.where))
    top = _pair(search, found[:PAIRED]) + found
    kept = [
        one for one in top if one.counts.within(search.whole) >= LEAST_SCORE and one.counts.sure(search.whole)
    ]
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


def _pair(search: _Search, found: Sequence[Found]) -> list[Found]:
    """Give the best of both slices of two columns together, if it is better than the best alone."""
    pairs = list(itertools.combinations(found, 2))
    conditions = [f"({one.where}) and ({other.where})" for one, other in pairs]
    best = [
        Found(slices=(*one.slices, *other.slices), where=where, counts=counts)
        for (one, other), where, counts in zip(pairs, conditions, search.counts(conditions), strict=True)
    ]
    best.sort(key=lambda one: (-one.counts.within(search.whole), one.where))
    better = found[0].counts.within(search.whole) + MORE if found else 0.0
    return [one for one in best[:1] if one.counts.within(search.whole) >= better]


def _best(search: _Search, column: Column) -> Found | None:
    """Give the best slice of one column; None where there are too many values, or but one."""
    name = parts.name(column)
    [(distinct,)] = search.session.rows(
        f"select approx_count_distinct({name}) from part_differing", doing=search.doing
    )
    measure = parts.measure(column, name)
    tried = []
    if distinct <= (_MANY_VALUES if measure is None else _FEW_VALUES):
        tried.append(_values(search, column, _cells(search, column)))
    if measure is not None:
        tried.append(_range(search, column, measure))
    found = [one for one in tried if one is not None]
    return max(found, key=lambda one: one.counts.within(search.whole), default=None)


def _cells(search: _Search, column: Column) -> list[Cell]:
    """Give the values that differing rows have, those with most of them first."""
    name = parts.name(column)
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


def _values(search: _Search, column: Column, cells: Sequence[Cell]) -> Found | None:
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


def _range(search: _Search, column: Column, measure: str) -> Found | None:
    """Give the best range between quantiles, drawn as close about its differing rows as they lie."""
    levels = [place / _BINS for place in range(1, _BINS)]
    [(found,)] = search.session.rows(
        f"select quantile_disc({measure}, {levels}) from part_baseline", doing=search.doing
    )
    edges = sorted(set(found or ()))
    if not edges:
        return None
    bounds = [None, *edges, None]
    bins = list(itertools.pairwise(bounds))
    counted = search.counts([_between(measure, low, high, closed=False) for low, high in bins])
    start, end = _most([counts.within(search.whole) for counts in counted])
    # Differences may begin or end within the bin beside the run.
    runs = {
        (max(start - more, 0), min(end + further, len(bins) - 1)) for more in (0, 1) for further in (0, 1)
    }
    found_in = [
        _drawn(search, column, measure, bins[first][0], bins[last][1]) for first, last in sorted(runs)
    ]
    return max(
        (one for one in found_in if one is not None),
        key=lambda one: one.counts.within(search.whole),
        default=None,
    )


def _drawn(
    search: _Search, column: Column, measure: str, low: float | None, high: float | None
) -> Found | None:
    """Give the rows from the least to the greatest differing one within bounds; open ends stay open."""
    if low is None and high is None:
        return None
    name = parts.name(column)
    asked = (
        f"min({measure}), max({measure}), {_shown(column, f'min({name})')}, {_shown(column, f'max({name})')}"
    )
    [(least, most, shown_least, shown_most)] = search.session.rows(
        f"select {asked} from part_differing where {_between(measure, low, high, closed=False)}",
        doing=search.doing,
    )
    if least is None:
        return None
    where = _between(measure, None if low is None else least, None if high is None else most, closed=True)
    [counts] = search.counts([where])
    said = Slice(
        column=column.name,
        low=None if low is None else json_value(shown_least),
        high=None if high is None else json_value(shown_most),
    )
    return Found(slices=(said,), where=where, counts=counts)


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
