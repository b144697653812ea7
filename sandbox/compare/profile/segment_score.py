"""A slice of the rows, and how well it holds the differences."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.compare.sql_types import render_count_sql

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.compare.relations import SampleRows
    from sandbox.engine.duckdb.session import Session
    from sandbox.manifest.diff import ColumnSlice

MIN_DEVIATIONS = 4.0  # deviations that the share of the differing rows has to lie above the share of all
_EXPRESSIONS_PER_QUERY = 60  # expressions in one query; a very wide one takes long to plan


@dataclass(frozen=True, kw_only=True)
class SliceCounts:
    """How many rows there are and how many of them differ, in all and in a slice; estimates where only a part is read."""

    rows: float
    differing: float

    def compute_score(self, whole: SliceCounts) -> float:
        """Youden's J of the slice with these counts."""
        others = max(whole.rows - whole.differing, 1e-9)
        return self.differing / whole.differing - max(self.rows - self.differing, 0.0) / others

    def is_significant(self, whole: SliceCounts) -> bool:
        """True where a slice of so many rows would hardly ever hold so many of the differing rows by chance."""
        expected = min(max(self.rows / whole.rows, 1e-9), 1.0)
        deviation = math.sqrt(expected * (1 - expected) / whole.differing)
        return self.differing / whole.differing - expected > MIN_DEVIATIONS * deviation


@dataclass(frozen=True, kw_only=True)
class ScoredSlice:
    """A slice: what is said of it, SQL that is true for its rows, and its counts."""

    slices: tuple[ColumnSlice, ...]
    condition: str
    counts: SliceCounts


@dataclass(frozen=True, kw_only=True)
class SliceSearch:
    """Sampled rows of the baseline and of those that differ, with how many rows one of each stands for."""

    session: Session
    sample: SampleRows
    differing: SampleRows
    whole: SliceCounts
    scale: SliceCounts
    doing: str

    def compute_score(self, found: ScoredSlice) -> float:
        """Return the score of a slice."""
        return found.counts.compute_score(self.whole)

    def choose_best(self, found: Sequence[ScoredSlice]) -> ScoredSlice | None:
        """Return the slice with the best score, the first of several; None where there is none."""
        return max(found, key=self.compute_score, default=None)

    def count_slices(self, conditions: Sequence[str]) -> list[SliceCounts]:
        """Count what is in slices."""
        counts = self.query_aggregates(self.sample, [render_count_sql(where) for where in conditions])
        weights = self.query_aggregates(
            self.differing, [f"coalesce(sum(case when {where} then w end), 0)" for where in conditions]
        )
        return [self.scale_counts(*one) for one in zip(counts, weights, strict=True)]

    def scale_counts(self, rows: float, differing: float) -> SliceCounts:
        """Return the estimate of all rows from those of the parts."""
        return SliceCounts(rows=rows * self.scale.rows, differing=differing * self.scale.differing)

    def query_aggregates(self, rows: SampleRows, aggregates: Sequence[str]) -> list[Any]:
        """Return aggregates of all of these rows, in as few queries as can be."""
        given: list[Any] = []
        for start in range(0, len(aggregates), _EXPRESSIONS_PER_QUERY):
            some = aggregates[start : start + _EXPRESSIONS_PER_QUERY]
            [figures] = self.session.fetch_rows(f"select {', '.join(some)} from {rows}", doing=self.doing)
            given += figures
        return given
