"""Estimates of the number of production rows added, removed or changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sandbox.estimate.affected_units import compute_gamma_limits
from sandbox.estimate.result import IntervalEstimate
from sandbox.estimate.totals import estimate_total

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from sandbox.estimate.design import FloatArray, SamplingDesign


def estimate_row_count(design: SamplingDesign, counts: ArrayLike, *, most: int) -> IntervalEstimate:
    """Estimate the number of such rows in production, as their total over units.

    If too few units have any for a t interval, the limits are those of a weighted count, with ``y = Σ w_i t_i``,
    ``v = Σ w_i (w_i − 1) t_i²`` over incomplete strata, and ``W = max w_h ×`` ``most``. No limit is below the number of
    observed rows.

    Args:
        design: The draw.
        counts: Shape (n,); t_i, the unit's added (or removed, or changed) rows, >= 0.
        most: The most rows of any sampled unit in the output, on either side.

    Returns:
        In rows. If the sample has none: 0 without limits, because one unit may have any number.

    Raises:
        ValueError: A count is negative or not finite.

    Source: Fay & Feuer 1997, Statistics in Medicine 16(7).

    >>> from sandbox.estimate.design import SamplingDesign
    >>> design = SamplingDesign.from_arrays(population=[40], sampled=[4], probability=[0.1], stratum=[0] * 4)
    >>> estimate_row_count(design, [0, 2, 0, 0], most=3).low
    2.0
    >>> estimate_row_count(design, [0, 0, 0, 0], most=3)
    IntervalEstimate(status='bounded', estimate=0.0, low=None, high=None, unseen_change=None)
    """
    numbers = design.convert_values(counts)
    if not np.all(np.isfinite(numbers) & (numbers >= 0)):
        raise ValueError("rows per unit are whole numbers from 0")
    seen = float(numbers.sum())
    if not seen and not design.is_complete:
        return IntervalEstimate(status="bounded", estimate=0.0)
    result = estimate_total(design, numbers, counted=True)
    if result.estimate is None or design.is_complete:
        return result
    low, high = result.low, result.high
    if result.status != "estimated" or low is None or high is None:
        low, high = _compute_limits(design, numbers, max(most, float(numbers.max())))
    # No limit may contradict the observed rows, nor the estimate in a merged group with weights below 1.
    low, estimate, high = (max(value, seen) for value in (low, result.estimate, high))
    return IntervalEstimate(status="estimated", estimate=estimate, low=low, high=high)


def _compute_limits(design: SamplingDesign, numbers: FloatArray, most: float) -> tuple[float, float]:
    """Return gamma limits of a total of rows; rows in complete strata are counted exactly."""
    groups = design.groups
    weight, rows_ = groups.weight[groups.is_partial], numbers[groups.is_partial]
    count = float((weight * rows_).sum())
    variance = float((weight * np.maximum(weight - 1, 0) * rows_**2).sum())
    low, high = compute_gamma_limits(count, variance, float(groups.largest_weight[~groups.complete].max()) * most)
    exactly = float(numbers[~groups.is_partial].sum())
    return exactly + low, exactly + high
