"""Plan how often units of the second half-sample are copied. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MIN_UNITS = 20_000
"""Units that the enlarged half-sample has at least, where production has as many."""

SAMPLE_FACTOR = 3
"""Units that it has where that is more, in units of the sample."""

COPIED_SHARE = 0.1
MIN_COPIED_UNITS = 8
FIRST_SHARE = 0.8
"""Part of all copies that one unit has: means, deviations and quantiles move far."""

MAX_RELATIVE_ROWS = 10
"""Units with more rows, in units of the mean, are not copied: few of them would cost more than all others."""


@dataclass(frozen=True, kw_only=True)
class UnitCounts:
    """Counts of one unit table.

    Attributes:
        population: Units of production.
        sampled: Units of the sample.
        half: Units of the second half-sample.
        copied_rows: Rows of each of the units to copy, in all tables; the first unit has most copies.
    """

    population: int
    sampled: int
    half: int
    copied_rows: tuple[int, ...]

    @property
    def target(self) -> int:
        """The number of units of the enlarged half-sample, unless it takes too many rows."""
        return min(self.population, max(SAMPLE_FACTOR * self.sampled, MIN_UNITS))

    @property
    def wanted_copies(self) -> int:
        """The number of copies for that."""
        return max(self.target - self.half, 0) if self.copied_rows else 0

    def divide_copies(self, copies: int) -> tuple[int, int, int]:
        """Divide copies among the units to copy.

        Returns:
            The copies of the first unit, those of each other one, and how many of these have one more.
        """
        others = len(self.copied_rows) - 1
        if others < 1:
            return copies, 0, 0
        first = math.ceil(copies * FIRST_SHARE)
        return first, *divmod(copies - first, others)

    def count_copied_rows(self, copies: int) -> int:
        """Count the rows of that many copies."""
        if not self.copied_rows:
            return 0
        first, each, more = self.divide_copies(copies)
        others = self.copied_rows[1:]
        return first * self.copied_rows[0] + each * sum(others) + sum(others[:more])


def count_copied_units(half: int) -> int:
    """Return how many units of a half-sample are copied: a tenth, of few units more, but never more than half."""
    return min(max(math.ceil(half * COPIED_SHARE), MIN_COPIED_UNITS), half // 2)


def plan_copies(units: Mapping[str, UnitCounts], *, sample_rows: int, half_rows: int, most_rows: int) -> dict[str, int]:
    """Return the number of copies of each unit table's units.

    The rows of the enlarged half-sample are limited too: in units of the sample to what its units are, or three, and by
    ``most_rows``. Beyond that, the same share of every unit table's copies is made.

    Args:
        units: The counts of each unit table.
        sample_rows: Rows of the sample.
        half_rows: Rows of the second half-sample.
        most_rows: The largest number of rows that fits into memory; the sample's own rows are always allowed.
    """
    factors = [counts.target / counts.sampled for counts in units.values() if counts.sampled]
    factor = max(SAMPLE_FACTOR, *factors)
    room = min(int(factor * sample_rows), max(most_rows, sample_rows)) - half_rows
    wanted = sum(counts.count_copied_rows(counts.wanted_copies) for counts in units.values())
    share = min(1.0, max(room, 0) / wanted) if wanted else 0.0
    return {name: int(counts.wanted_copies * share) for name, counts in units.items()}
