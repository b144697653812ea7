"""Tests of one run's values against those of two other runs of the same kind.

Values may be drawn anew for each row, or once for a run. In the first case the two runs look alike, and a third one is
tested against both together. In the second they do not, and three runs are three observations: one figure of the third
is compared with the difference of the other two. Simulated in docs/design/0049-judging-nondeterministic-columns.md.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ALIKE = 0.2
"""Two runs look alike if their test has at least this p-value."""

MARGIN = 5.0
"""A third run is tested if it is so many times farther from two runs than these are from each other."""

DEPENDENT = 0.3
"""Rows with at least this rank correlation between two runs are no independent draws."""

MIN_EXPECTED = 5.0
"""Categories expected less often are counted together (Cochran 1954)."""

_MAX_TERMS = 100
_MIN_KS_STATISTIC = 0.2  # below, the series converges slowly and is 1 to six digits


def compute_ks_p_value(distance: float, first: float, second: float) -> float:
    """Return the p-value of Kolmogorov and Smirnov's distance of two samples of so many independent values.

    Source: Stephens 1970, JRSS B 32(1): the asymptotic series, with his correction for few values.

    >>> round(compute_ks_p_value(0.061, 1000, 1000), 3), compute_ks_p_value(0.0, 5, 5)
    (0.046, 1.0)
    """
    if not first or not second:
        return 1.0
    root = math.sqrt(first * second / (first + second))
    statistic = (root + 0.12 + 0.11 / root) * distance
    if statistic < _MIN_KS_STATISTIC:
        return 1.0
    terms = (math.copysign(math.exp(-2 * n * n * statistic * statistic), n % 2 - 0.5) for n in range(1, _MAX_TERMS))
    return min(max(2 * sum(terms), 0.0), 1.0)


def compute_category_p_value(first: Sequence[int], second: Sequence[int], *, dispersion: float = 1.0) -> float:
    """Return the p-value of the hypothesis that two samples have the same shares of categories.

    Pearson's statistic, divided by ``dispersion``, and Wilson and Hilferty's approximation of its distribution (1931,
    PNAS 17(12)).

    >>> round(compute_category_p_value([500, 500], [540, 460]), 2), compute_category_p_value([10, 0], [10, 0])
    (0.07, 1.0)
    """
    statistic, degrees = _measure_categories(first, second)
    if not degrees:
        return 1.0
    spread = 2 / (9 * degrees)
    normal = ((statistic / degrees / dispersion) ** (1 / 3) - (1 - spread)) / math.sqrt(spread)
    return math.erfc(normal / math.sqrt(2)) / 2


def estimate_dispersion(first: Sequence[int], second: Sequence[int]) -> float:
    """Return by how much shares of categories vary between two samples, as a multiple of what draws of rows give.

    >>> estimate_dispersion([500, 500], [500, 500]), estimate_dispersion([100, 0], [0, 100])
    (1.0, 200.0)
    """
    statistic, degrees = _measure_categories(first, second)
    return max(1.0, statistic / degrees) if degrees else 1.0


def _measure_categories(first: Sequence[int], second: Sequence[int]) -> tuple[float, int]:
    """Return Pearson's statistic and its degrees of freedom; rare categories are counted together."""
    totals = sum(first), sum(second)
    if not all(totals):
        return 0.0, 0
    common = min(totals) / sum(totals)
    kept = [pair for pair in zip(first, second, strict=True) if sum(pair) * common >= MIN_EXPECTED]
    others = [total - sum(pair[side] for pair in kept) for side, total in enumerate(totals)]
    cells = [*kept, *([(others[0], others[1])] if sum(others) else [])]
    statistic = sum(
        (pair[side] - sum(pair) * total / sum(totals)) ** 2 / (sum(pair) * total / sum(totals))
        for pair in cells
        for side, total in enumerate(totals)
    )
    return statistic, len(cells) - 1


def compute_run_p_value(first: float, second: float, third: float) -> float:
    """Return the p-value of the hypothesis that a figure of a third run is drawn like that of two others.

    The interval that two normal values predict for a third one: Student's t with one degree of freedom. It is 1 where the
    two are equal, because then nothing is known of how the figure varies.

    >>> compute_run_p_value(1.0, 2.0, 2.5), compute_run_p_value(1.0, 1.0, 9.0)
    (0.454..., 1.0)
    """
    apart, moved = abs(first - second), abs(third - (first + second) / 2)
    if not apart or not moved or math.isnan(moved):
        return 1.0
    return 2 / math.pi * math.atan(math.sqrt(3) / 2 * apart / moved)


def combine_p_values(probabilities: Sequence[float]) -> float:
    """Return one p-value for several tests of one column (Bonferroni).

    >>> combine_p_values([0.5, 0.01])
    0.02
    """
    return min(1.0, len(probabilities) * min(probabilities))
