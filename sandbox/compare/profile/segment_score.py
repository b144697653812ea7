"""A slice of the rows, and how well it holds the differences."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.manifest.diff import Slice

SURE = 4.0  # deviations that the share of the differing rows has to lie above the share of all
_AT_ONCE = 60  # expressions in one query; a very wide one takes long to plan


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
class Found:
    """A slice: what is said of it, SQL that is true for its rows, and its counts."""

    slices: tuple[Slice, ...]
    where: str
    counts: Counts


@dataclass(frozen=True, kw_only=True)
class Search:
    """The parts in a session, with how many rows one row of each stands for."""

    session: Session
    whole: Counts
    scale: Counts
    doing: str

    def within(self, found: Found) -> float:
        """Give the score of a slice."""
        return found.counts.within(self.whole)

    def best(self, found: Sequence[Found]) -> Found | None:
        """Give the slice with the best score, the first of several; None where there is none."""
        return max(found, key=self.within, default=None)

    def counts(self, conditions: Sequence[str]) -> list[Counts]:
        """Count what is in slices."""
        rows = self.asked("part_baseline", [f"count(*) filter ({where})" for where in conditions])
        weights = self.asked(
            "part_differing", [f"coalesce(sum(w) filter ({where}), 0)" for where in conditions]
        )
        return [self.counted(*one) for one in zip(rows, weights, strict=True)]

    def counted(self, rows: float, differing: float) -> Counts:
        """Give the estimate of all rows from those of the parts."""
        return Counts(rows=rows * self.scale.rows, differing=differing * self.scale.differing)

    def asked(self, table: str, aggregates: Sequence[str]) -> list[Any]:
        """Give aggregates of all rows of a part, in as few queries as can be."""
        given: list[Any] = []
        for start in range(0, len(aggregates), _AT_ONCE):
            some = aggregates[start : start + _AT_ONCE]
            [figures] = self.session.rows(f"select {', '.join(some)} from {table}", doing=self.doing)
            given += figures
        return given
