"""Allocate units to strata: inclusion probabilities from a rate or a number, with a floor for small strata.

Pure. Formulas: docs/design/sampling-specification.md, section 8.
"""

from __future__ import annotations

import bisect
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def compute_floors(populations: Sequence[int], minimum: int) -> list[float]:
    """Compute each stratum's least inclusion probability.

    It keeps the probability of fewer than ``minimum`` sampled units below 1 in 700; slightly larger strata are taken
    whole. A minimum of 0 disables the floors.

    >>> compute_floors([20, 10_000], 30)[0]
    1.0
    """
    if minimum == 0:
        return [0.0] * len(populations)
    safe = minimum + 4.5 + 3 * math.sqrt(minimum + 2.25)
    return [1.0 if population <= safe else safe / population for population in populations]


def compute_probabilities(slopes: Sequence[float], least: Sequence[float], scale: float) -> list[float]:
    """Compute ``min(1, max(floor, scale · slope))`` of each stratum.

    A slope is a_h / N_h: 1 for proportional allocation, 1 / √N_h for power, S_h for Neyman.
    """
    return [min(1.0, max(floor, scale * slope)) for slope, floor in zip(slopes, least, strict=True)]


def solve_scale(target: float, costs: Sequence[float], slopes: Sequence[float], least: Sequence[float]) -> float:
    """Solve ``Σ cost · min(1, max(floor, λ · slope)) = target`` for λ, exactly.

    The sum is piecewise linear and increasing in λ, with breakpoints where a stratum leaves its floor or is complete.

    Args:
        target: The sample's cost (units: their number).
        costs: Each complete stratum's cost (units: its population), > 0.
        slopes: Each stratum's increase of probability with λ, >= 0; with 0 it stays at its floor.
        least: The floors, in [0, 1].

    Returns:
        λ; 0.0 if the floors alone reach the target, infinity if all strata together do not.

    >>> solve_scale(50, [100, 100], [1, 1], [0, 0.4])
    0.1
    """

    def compute_cost(scale: float) -> float:
        return math.fsum(c * p for c, p in zip(costs, compute_probabilities(slopes, least, scale), strict=True))

    if compute_cost(0.0) >= target:
        return 0.0
    if math.fsum(c if s else c * f for c, s, f in zip(costs, slopes, least, strict=True)) <= target:
        return math.inf
    points = sorted({f / s for f, s in zip(least, slopes, strict=True) if s} | {1 / s for s in slopes if s} | {0.0})
    # At the last point rounding can leave the sum below the target.
    index = min(bisect.bisect_left(points, target, key=compute_cost), len(points) - 1)
    low, high = points[index - 1], points[index]
    strata = list(zip(costs, slopes, least, strict=True))
    is_rising = [s > 0 and f / s <= low and high <= 1 / s for _, s, f in strata]
    rising = [(c, s) for (c, s, _), rises in zip(strata, is_rising, strict=True) if rises]
    resting = [c * min(1.0, max(f, low * s)) for (c, s, f), rises in zip(strata, is_rising, strict=True) if not rises]
    if not rising:
        return high
    solution = (target - math.fsum(resting)) / math.fsum(c * s for c, s in rising)
    return min(max(solution, low), high)  # rounding must not reduce λ for a larger target
