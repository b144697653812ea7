"""How many units of production a change affects."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from sandbox.estimate.distributions import gamma_quantile
from sandbox.estimate.result import NOT_ESTIMATED, Result, exact
from sandbox.estimate.totals import variances

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from sandbox.estimate.design import Design, Flags, Numbers


def gamma_limits(count: float, variance: float, largest: float) -> tuple[float, float]:
    """Give 95 % limits of a weighted count.

    ``l = Γ⁻¹(.025; shape y²/v, scale v/y)`` (0 if y = 0),
    ``u = Γ⁻¹(.975; shape (y+W)²/(v+W²), scale (v+W²)/(y+W))``.

    Args:
        count: y, >= 0.
        variance: v, >= 0.
        largest: W, what one more would add at most, > 0.

    Source: Fay & Feuer 1997, Statistics in Medicine 16(7).

    >>> [round(limit, 3) for limit in gamma_limits(0.0, 0.0, 1.0)]
    [0.0, 3.689]
    """
    low = count
    if count > 0 and variance > 0:
        low = gamma_quantile(0.025, count**2 / variance) * variance / count
    more, spread = count + largest, variance + largest**2
    return low, gamma_quantile(0.975, more**2 / spread) * spread / more


def units_affected(design: Design, affected: ArrayLike) -> Result:
    """Estimate how many units of production are affected, with limits that hold at every count.

    Complete strata are counted exactly. In the others, affected units are counted where at most half of the sampled
    ones are (side A), unaffected ones elsewhere (side B); each side has gamma limits, which are put together as
    ``low = K̂ − √((y_A − l_A)² + (u_B − y_B)²)`` and ``high = K̂ + √((u_A − y_A)² + (y_B − l_B)²)``, within what the
    sample proves.

    Args:
        design: The draw.
        affected: Shape (n,), bool; a unit with any added, removed or changed row.

    Returns:
        In units. Where no sampled unit is affected: 0, "bounded", with a one-sided 95 % upper limit.

    Source: Fay & Feuer 1997; Zou & Donner 2008, Statistics in Medicine 27(10).

    >>> from sandbox.estimate.design import Design
    >>> design = Design.of(population=[1000], sampled=[100], probability=[0.1], stratum=[0] * 100)
    >>> units_affected(design, [True] * 5 + [False] * 95).estimate
    50.0
    >>> units_affected(design, [False] * 100)
    Result(status='bounded', estimate=0.0, low=0.0, high=28.0)
    """
    flags = design.values(affected) != 0
    seen = float(np.count_nonzero(flags))
    if design.complete:
        return exact(seen)
    if not seen:
        return Result(status="bounded", estimate=0.0, low=0.0, high=none_affected(design))
    if design.blind:
        return NOT_ESTIMATED
    return _two_sided(design, flags)


def none_affected(design: Design) -> float:
    """Give the one-sided 95 % upper limit of affected units where none of the sample is.

    ``min(⌈ln .05 / ln(1 − f)⌉ − 1, Σ (N_h − n_h))``, f the smallest n_h/N_h of strata that are not complete. In a
    merged group 1/w stands for n_h/N_h, also of the strata without a sampled unit.

    Returns:
        In units; 0 where every stratum is complete.
    """
    unseen = float((design.population - design.sampled).sum())
    if design.complete or design.blind:
        return unseen
    largest = float(design.groups.largest[~design.groups.complete].max())
    if largest <= 1:
        return 0.0
    return min(math.ceil(math.log(0.05) / math.log1p(-1 / largest)) - 1.0, unseen)


def _two_sided(design: Design, flags: Flags) -> Result:
    """Give the estimate and its limits where some sampled unit is affected and some stratum is not complete."""
    groups = design.groups
    mostly = groups.sums(flags.astype(np.float64)) > groups.sampled / 2
    counted = (flags != mostly[groups.group]) & groups.partial
    found = float(np.count_nonzero(flags & ~groups.partial))
    y_a, low_a, high_a = _side(design, counted.astype(np.float64), ~mostly & ~groups.complete)
    y_b, low_b, high_b = _side(design, counted.astype(np.float64), mostly & ~groups.complete)
    estimate = found + y_a + float(groups.population[mostly & ~groups.complete].sum()) - y_b
    least = float(np.count_nonzero(flags))
    most = float(design.population.sum()) - float(np.count_nonzero(~flags))
    low = estimate - math.hypot(y_a - low_a, high_b - y_b)
    high = estimate + math.hypot(high_a - y_a, y_b - low_b)
    low, estimate, high = (min(max(value, least), most) for value in (low, estimate, high))
    return Result(status="estimated", estimate=estimate, low=low, high=high)


def _side(design: Design, counted: Numbers, chosen: Flags) -> tuple[float, float, float]:
    """Give y and its limits over the chosen groups; three zeros where there is none."""
    if not chosen.any():
        return 0.0, 0.0, 0.0
    groups = design.groups
    count = float(groups.sums(groups.weight * counted)[chosen].sum())
    variance = float(variances(design, counted)[chosen].sum())
    return count, *gamma_limits(count, variance, float(groups.largest[chosen].max()))
