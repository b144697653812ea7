"""Quantiles over all production rows of one side; the change of a quantile is not estimated."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from sandbox.estimate.distributions import compute_t_quantile
from sandbox.estimate.result import NOT_ESTIMATED, IntervalEstimate, build_exact_estimate
from sandbox.estimate.totals import MIN_EFFECTIVE_UNITS, compute_effective_units, estimate_standard_error

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from sandbox.estimate.design import BoolArray, FloatArray, IntArray, SamplingDesign


def estimate_quantile(design: SamplingDesign, values: ArrayLike, unit: ArrayLike, share: float) -> IntervalEstimate:
    """Estimate a quantile, the smallest value with a weighted share of rows at or below it of at least ``share``.

    Woodruff's interval: the share's own interval, with rows summed within their unit, mapped through the same curve.

    Args:
        design: The draw.
        values: Shape (m,); one per row, m rows; any unit u.
        unit: Shape (m,); the index of the row's unit, in [0, n).
        share: In (0, 1).

    Returns:
        In u. A limit is None if the curve does not reach it. Not estimated without rows, with a non-finite value, or if
        some production units are represented by no sampled unit.

    Raises:
        ValueError: values and unit differ in length, a unit is not in the design, or share is not in (0, 1).

    Source: Woodruff 1952, JASA 47(260); Särndal, Swensson & Wretman 1992, 5.11.

    >>> from sandbox.estimate.design import SamplingDesign
    >>> design = SamplingDesign.from_arrays(population=[3], sampled=[3], probability=[1.0], stratum=[0] * 3)
    >>> estimate_quantile(design, [5.0, 1.0, 9.0], [0, 1, 2], 0.5).estimate
    5.0
    """
    numbers, owner = np.asarray(values, np.float64), np.asarray(unit, np.int64)
    if numbers.ndim != 1 or numbers.shape != owner.shape:
        raise ValueError(f"values of shape {numbers.shape}, but units of shape {owner.shape}")
    if not 0 < share < 1 or np.any((owner < 0) | (owner >= design.unit_count)):
        raise ValueError(f"share {share} is not in (0, 1), or a row's unit is not there")
    if design.has_unrepresented_units or not len(numbers) or not np.all(np.isfinite(numbers)):
        return NOT_ESTIMATED
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    curve = np.cumsum(design.groups.weight[owner[order]])
    curve /= curve[-1]
    estimate = float(ordered[_find_curve_index(curve, share)])
    if design.is_complete:
        return build_exact_estimate(estimate)
    return _estimate_woodruff_interval(design, numbers <= estimate, owner, share, (ordered, curve), estimate)


def _estimate_woodruff_interval(
    design: SamplingDesign,
    below: BoolArray,
    owner: IntArray,
    share: float,
    ecdf: tuple[FloatArray, FloatArray],
    estimate: float,
) -> IntervalEstimate:
    ordered, curve = ecdf
    rows = np.bincount(owner, minlength=design.unit_count).astype(np.float64)
    reached = np.bincount(owner, below, minlength=design.unit_count)
    weight = design.groups.weight
    whole = math.fsum(weight * rows)
    kappa, _ = compute_effective_units(design, rows)
    if kappa < MIN_EFFECTIVE_UNITS:
        return IntervalEstimate(status="bounded", estimate=estimate)
    result = estimate_standard_error(design, (reached - math.fsum(weight * reached) / whole * rows) / whole)
    half = compute_t_quantile(0.975, result.degrees) * result.error
    low = float(ordered[_find_curve_index(curve, share - half)]) if share - half > 0 else None
    high = float(ordered[_find_curve_index(curve, share + half)]) if share + half < 1 else None
    bounded = low is None or high is None
    return IntervalEstimate(status="bounded" if bounded else "estimated", estimate=estimate, low=low, high=high)


def _find_curve_index(curve: FloatArray, share: float) -> int:
    """Return the first index at which the curve reaches a share, up to rounding."""
    return min(int(np.searchsorted(curve, share - 1e-12)), len(curve) - 1)
