"""Estimates of the number of production units affected by a change."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from sandbox.estimate.distributions import compute_gamma_quantile
from sandbox.estimate.result import NOT_ESTIMATED, IntervalEstimate, build_exact_estimate
from sandbox.estimate.totals import estimate_group_variances

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from sandbox.estimate.design import BoolArray, FloatArray, SamplingDesign


def compute_gamma_limits(count: float, variance: float, largest: float) -> tuple[float, float]:
    """Return 95 % limits of a weighted count.

    ``l = Γ⁻¹(.025; shape y²/v, scale v/y)`` (0 if y = 0), ``u = Γ⁻¹(.975; shape (y+W)²/(v+W²), scale (v+W²)/(y+W))``.

    Args:
        count: y, >= 0.
        variance: v, >= 0.
        largest: W, the most that one more unit would add, > 0.

    Source: Fay & Feuer 1997, Statistics in Medicine 16(7).

    >>> [round(limit, 3) for limit in compute_gamma_limits(0.0, 0.0, 1.0)]
    [0.0, 3.689]
    """
    low = count
    if count > 0 and variance > 0:
        low = compute_gamma_quantile(0.025, count**2 / variance) * variance / count
    more, spread = count + largest, variance + largest**2
    return low, compute_gamma_quantile(0.975, more**2 / spread) * spread / more


def estimate_affected_units(design: SamplingDesign, affected: ArrayLike) -> IntervalEstimate:
    """Estimate the number of affected production units, with limits valid at every count.

    Complete strata are counted exactly. In the others, affected units are counted if at most half of the sampled ones
    are (side A), unaffected ones otherwise (side B). Each side has gamma limits, combined as
    ``low = K̂ − √((y_A − l_A)² + (u_B − y_B)²)`` and ``high = K̂ + √((u_A − y_A)² + (y_B − l_B)²)``, within the bounds
    proved by the sample.

    Args:
        design: The draw.
        affected: Shape (n,), bool; a unit with any added, removed or changed row.

    Returns:
        In units. If no sampled unit is affected: 0, with a one-sided 95 % upper limit.

    Source: Fay & Feuer 1997; Zou & Donner 2008, Statistics in Medicine 27(10).

    >>> from sandbox.estimate.design import SamplingDesign
    >>> design = SamplingDesign.from_arrays(population=[1000], sampled=[100], probability=[0.1], stratum=[0] * 100)
    >>> estimate_affected_units(design, [True] * 5 + [False] * 95).estimate
    50.0
    >>> estimate_affected_units(design, [False] * 100)
    IntervalEstimate(status='estimated', estimate=0.0, low=0.0, high=28.0, unseen_change=None)
    """
    flags = design.convert_values(affected) != 0
    seen = float(np.count_nonzero(flags))
    if design.is_complete:
        return build_exact_estimate(seen)
    if not seen:
        return IntervalEstimate(status="estimated", estimate=0.0, low=0.0, high=compute_zero_count_limit(design))
    if design.has_unrepresented_units:
        return NOT_ESTIMATED
    return _estimate_two_sided(design, flags)


def compute_zero_count_limit(design: SamplingDesign) -> float:
    """Return the one-sided 95 % upper limit of affected units if none is affected in the sample.

    ``min(⌈ln .05 / ln(1 − f)⌉ − 1, Σ (N_h − n_h))``, f the smallest n_h/N_h of incomplete strata. In a merged group 1/w
    replaces n_h/N_h, also for strata without a sampled unit.

    Returns:
        In units; 0 if every stratum is complete.
    """
    unseen = float((design.population - design.sampled).sum())
    if design.is_complete or design.has_unrepresented_units:
        return unseen
    largest = float(design.groups.largest_weight[~design.groups.complete].max())
    if largest <= 1:
        return 0.0
    return min(math.ceil(math.log(0.05) / math.log1p(-1 / largest)) - 1.0, unseen)


def _estimate_two_sided(design: SamplingDesign, flags: BoolArray) -> IntervalEstimate:
    """Return the estimate and its limits for a partial sample with affected units."""
    groups = design.groups
    mostly = groups.sum_by_group(flags.astype(np.float64)) > groups.sampled / 2
    counted = (flags != mostly[groups.group]) & groups.is_partial
    exact_count = float(np.count_nonzero(flags & ~groups.is_partial))
    y_a, low_a, high_a = _estimate_side(design, counted.astype(np.float64), ~mostly & ~groups.complete)
    y_b, low_b, high_b = _estimate_side(design, counted.astype(np.float64), mostly & ~groups.complete)
    estimate = exact_count + y_a + float(groups.population[mostly & ~groups.complete].sum()) - y_b
    least = float(np.count_nonzero(flags))
    most = float(design.population.sum()) - float(np.count_nonzero(~flags))
    low = estimate - math.hypot(y_a - low_a, high_b - y_b)
    high = estimate + math.hypot(high_a - y_a, y_b - low_b)
    low, estimate, high = (min(max(value, least), most) for value in (low, estimate, high))
    return IntervalEstimate(status="estimated", estimate=estimate, low=low, high=high)


def _estimate_side(design: SamplingDesign, counted: FloatArray, chosen: BoolArray) -> tuple[float, float, float]:
    """Return y and its limits over the chosen groups; three zeros if there are none."""
    if not chosen.any():
        return 0.0, 0.0, 0.0
    groups = design.groups
    count = float(groups.sum_by_group(groups.weight * counted)[chosen].sum())
    variance = float(estimate_group_variances(design, counted)[chosen].sum())
    return count, *compute_gamma_limits(count, variance, float(groups.largest_weight[chosen].max()))
