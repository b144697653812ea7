"""Means and ratios of totals, and their changes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sandbox.estimate.result import NOT_ESTIMATED, IntervalEstimate, build_exact_estimate
from sandbox.estimate.totals import (
    MIN_CHANGED_UNITS,
    IntervalEvidence,
    build_t_interval,
    compute_differences,
    estimate_total,
    find_power_of_two,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from sandbox.estimate.design import FloatArray, SamplingDesign

RESIDUAL_TOLERANCE = 1e-12
"""A residual below this share of its terms is rounding."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _LinearizedRatio:
    """One ratio: R̂, X̂, and the residuals e_i of shape (n,); 0 where only rounding is left of one."""

    value: float
    total: float
    residuals: FloatArray


def estimate_ratio(
    design: SamplingDesign, numerator: ArrayLike, denominator: ArrayLike, *, counted: bool = False
) -> IntervalEstimate:
    """Estimate a ratio of two totals, ``R̂ = Ŷ/X̂``; with the unit's rows as denominator a mean over rows.

    The interval is that of a total of ``e_i = (y_i − R̂ x_i)/X̂``, and these residuals must support it. If every unit
    has the same ratio, the interval has no width.

    Args:
        design: The draw.
        numerator: Shape (n,); y_i, the unit's sum; any unit u.
        denominator: Shape (n,); x_i, the unit's sum; any unit v.
        counted: Whether both are numbers of rows.

    Returns:
        In u/v. Not estimated if a value is not finite, X̂ is 0, the ratio leaves the range of doubles, or some
        production units are represented by no sampled unit.

    Source: Hájek 1971; Särndal, Swensson & Wretman 1992, 5.6.

    >>> from sandbox.estimate.design import SamplingDesign
    >>> design = SamplingDesign.from_arrays(population=[400], sampled=[40], probability=[0.1], stratum=[0] * 40)
    >>> estimate_ratio(design, [1.0, 3.0] * 20, [1, 1] * 20).estimate
    2.0
    """
    y, x = design.convert_values(numerator), design.convert_values(denominator)
    ratio = _linearize_ratio(design, y, x)
    if ratio is None:
        return NOT_ESTIMATED
    if design.is_complete or not np.any(y):
        return build_exact_estimate(ratio.value)
    if not np.any(ratio.residuals[design.groups.is_partial]):
        return _build_constant_ratio(design, ratio.value, y)
    evidence = IntervalEvidence(
        carrier=ratio.residuals,
        moved=y / find_power_of_two(y) / (ratio.total / find_power_of_two(y)),
        counted=counted,
        is_one_sided=estimate_total(design, x, counted=counted).status == "estimated",
    )
    return build_t_interval(design, ratio.value, ratio.residuals, evidence)


def _build_constant_ratio(design: SamplingDesign, value: float, numerator: FloatArray) -> IntervalEstimate:
    """Return a ratio that is the same for every unit outside complete strata: without width, if units are enough."""
    if np.count_nonzero(numerator[design.groups.is_partial]) < MIN_CHANGED_UNITS:
        return IntervalEstimate(status="bounded", estimate=value)
    return IntervalEstimate(status="estimated", estimate=value, low=value, high=value)


def estimate_ratio_change(
    design: SamplingDesign,
    baseline: tuple[ArrayLike, ArrayLike],
    candidate: tuple[ArrayLike, ArrayLike],
    affected: ArrayLike,
    *,
    counted: bool = False,
) -> IntervalEstimate:
    """Estimate the change of a ratio, candidate − baseline, by the difference of the two sides' residuals.

    Args:
        design: The draw.
        baseline: Numerator and denominator, as for `estimate_ratio`.
        candidate: The same for the candidate.
        affected: Shape (n,), bool; unaffected units count with their baseline on both sides. The affected units must
            support the interval: residuals of the others change slightly as well, and would hide how few they are.
        counted: As for `estimate_ratio`.

    Returns:
        As `estimate_ratio`; exactly 0 if no value changed.

    >>> from sandbox.estimate.design import SamplingDesign
    >>> design = SamplingDesign.from_arrays(population=[4], sampled=[4], probability=[1.0], stratum=[0] * 4)
    >>> ones = [1, 1, 1, 1]
    >>> estimate_ratio_change(design, (ones, ones), ([1, 3, 1, 1], ones), [False, True, False, False]).estimate
    0.5
    """
    moved = [compute_differences(design, *pair, affected) for pair in zip(baseline, candidate, strict=True)]
    before = [design.convert_values(part) for part in baseline]
    changed = design.convert_values(affected) != 0
    after = [
        np.where(changed, design.convert_values(part), old_values)
        for part, old_values in zip(candidate, before, strict=True)
    ]
    old, new = _linearize_ratio(design, *before), _linearize_ratio(design, *after)
    if old is None or new is None or not math.isfinite(new.value - old.value):
        return NOT_ESTIMATED
    estimate, residuals = new.value - old.value, new.residuals - old.residuals
    touched = (moved[0] != 0) | (moved[1] != 0)
    if design.is_complete or not np.any(touched):
        return build_exact_estimate(estimate)
    carrier = np.where(touched, residuals, 0.0)
    evidence = IntervalEvidence(carrier=carrier, moved=carrier, counted=counted, is_one_sided=False)
    return build_t_interval(design, estimate, residuals, evidence)


def _linearize_ratio(design: SamplingDesign, y: FloatArray, x: FloatArray) -> _LinearizedRatio | None:
    """Return a ratio and its residuals; None if it is undefined."""
    if design.has_unrepresented_units or not np.all(np.isfinite(y) & np.isfinite(x)):
        return None
    weight = design.groups.weight
    scale_y, scale_x = find_power_of_two(y), find_power_of_two(x)
    shares_y, shares_x = y / scale_y, x / scale_x
    below = math.fsum(weight * shares_x)
    if below == 0:
        return None
    value = math.fsum(weight * shares_y) / below
    scale = scale_y / scale_x
    with np.errstate(over="ignore", invalid="ignore"):
        residuals = shares_y - value * shares_x
        rounding = RESIDUAL_TOLERANCE * (np.abs(shares_y) + np.abs(value * shares_x))
        residuals = np.where(np.abs(residuals) <= rounding, 0.0, residuals) / below * scale
    if not (math.isfinite(value * scale) and np.all(np.isfinite(residuals))):
        return None
    return _LinearizedRatio(value=value * scale, total=below * scale_x, residuals=residuals)
