"""Totals over all units, their changes, and the t interval shared with ratios."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sandbox.estimate.distributions import compute_t_quantile
from sandbox.estimate.result import NOT_ESTIMATED, IntervalEstimate, build_exact_estimate
from sandbox.estimate.sizes import fit_sizes

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from sandbox.estimate.design import FloatArray, SamplingDesign

MIN_EFFECTIVE_UNITS = 20.0
"""The least K (see `sandbox.estimate.sizes.fit_sizes`) for an interval."""

MIN_CHANGED_UNITS = 50
"""The least number of sampled units that carry a figure with an interval, outside complete strata."""

MIN_ONE_SIDED_UNITS = 8
"""The least number of them for one limit, if all change in one direction."""


@dataclass(frozen=True, kw_only=True)
class ErrorEstimate:
    """A standard error and the degrees of freedom of its estimate, infinite for an error of 0."""

    error: float
    degrees: float


def estimate_group_variances(design: SamplingDesign, values: FloatArray) -> FloatArray:
    """Estimate the variance of a total, per group.

    ``v_h = N_h² (1 − n_h/N_h) s_h² / n_h``; in a merged group ``n/(n−1) · Σ (1 − π_i)(w_i e_i)²``, e_i the deviation
    from the weighted mean.

    Args:
        design: The draw.
        values: Shape (n,), finite, with squares within the range of doubles.

    Returns:
        Shape (G,); 0 for complete groups, and for a lone unit, which cannot support an interval.

    Source: Cochran 1977, 5.3; Särndal, Swensson & Wretman 1992, 3.7; Lavallée 2007 (sums over clusters).
    """
    groups = design.groups
    weights = groups.sum_by_group(groups.weight)
    means = groups.sum_by_group(groups.weight * values) / np.where(weights > 0, weights, 1.0)
    squares = groups.finite_population_correction * (groups.weight * (values - means[groups.group])) ** 2
    factor = groups.sampled / np.maximum(groups.sampled - 1, 1)
    return factor * groups.sum_by_group(squares)


def estimate_standard_error(design: SamplingDesign, values: FloatArray) -> ErrorEstimate:
    """Estimate the standard error of a total, ``√Σ v_h``, and Satterthwaite's degrees of freedom.

    ``(Σ v_h)² / Σ (v_h²/(n_h − 1))`` over incomplete groups. Values of shape (n,), finite.

    Source: Satterthwaite 1946, Biometrics Bulletin 2(6); Cochran 1977, 5.4.
    """
    scale = find_power_of_two(values)
    parts = estimate_group_variances(design, values / scale)
    variance = float(parts.sum())
    if variance == 0:
        return ErrorEstimate(error=0.0, degrees=math.inf)
    shares = parts / variance
    used = shares > 0
    degrees = 1 / float((shares[used] ** 2 / (design.groups.sampled[used] - 1)).sum())
    return ErrorEstimate(error=math.sqrt(variance) * scale, degrees=degrees)


@dataclass(frozen=True, kw_only=True, eq=False)
class IntervalEvidence:
    """What decides how much of an interval the sample supports.

    Attributes:
        carrier: Shape (n,); values that vary as the figure's estimate does, 0 for units without a part in it.
        moved: Shape (n,); how far each sampled unit moves the figure by itself.
        counted: Whether the carrier counts rows or units.
        is_one_sided: Whether one limit may stand alone, if all units move the figure in one direction.
    """

    carrier: FloatArray
    moved: FloatArray
    counted: bool = False
    is_one_sided: bool = True


def build_t_interval(
    design: SamplingDesign, estimate: float, residuals: FloatArray, evidence: IntervalEvidence
) -> IntervalEstimate:
    """Return an estimate with as much of its 95 % t interval as the sample supports.

    With K of `sandbox.estimate.sizes.fit_sizes` and the m units outside complete strata that move the figure:

    - no sampled unit moves it: "exact",
    - K ≥ 20 and m ≥ 50: "estimated", with both limits,
    - else 8 sampled units or more, all in one direction: "lower_bound", the limit nearer 0,
    - else "bounded", without limits.

    Args:
        design: The draw.
        estimate: The figure.
        residuals: Shape (n,); values whose weighted total varies as the estimate does.
        evidence: What the status is judged by.

    Source: docs/estimates.md, "Statuses".
    """
    if not np.any(evidence.moved):
        return build_exact_estimate(estimate)
    changed = int(np.count_nonzero(evidence.moved[design.groups.is_partial]))
    fit = fit_sizes(design, evidence.carrier, counted=evidence.counted)
    result = estimate_standard_error(design, residuals)
    half = compute_t_quantile(0.975, result.degrees) * result.error
    if changed >= MIN_CHANGED_UNITS and fit.effective_units >= MIN_EFFECTIVE_UNITS:
        low, high = estimate - half, estimate + half
        return IntervalEstimate(
            status="estimated", estimate=estimate, low=low, high=high, unseen_change=fit.unseen_change
        )
    return _build_lower_bound(estimate, half if changed >= MIN_ONE_SIDED_UNITS else math.inf, evidence)


def _build_lower_bound(estimate: float, half: float, evidence: IntervalEvidence) -> IntervalEstimate:
    """Return the limit nearer 0 if every unit moves the figure in one direction, else no limit.

    The limit is never nearer to 0 than what the sampled units alone amount to.
    """
    moved = evidence.moved
    if not evidence.is_one_sided or np.count_nonzero(moved) < MIN_ONE_SIDED_UNITS:
        return IntervalEstimate(status="bounded", estimate=estimate)
    seen = math.fsum(moved)
    if np.all(moved >= 0):
        return IntervalEstimate(status="lower_bound", estimate=estimate, low=max(estimate - half, min(seen, estimate)))
    if np.all(moved <= 0):
        return IntervalEstimate(status="lower_bound", estimate=estimate, high=min(estimate + half, max(seen, estimate)))
    return IntervalEstimate(status="bounded", estimate=estimate)


def estimate_total(design: SamplingDesign, values: ArrayLike, *, counted: bool = False) -> IntervalEstimate:
    """Estimate a total over all units of production, ``Ŷ = Σ_h (N_h/n_h) Σ_i t_i``.

    A total is the change from nothing, so its interval needs the same condition as a change.

    Args:
        design: The draw.
        values: Shape (n,); t_i, the sum over all rows of the unit; any unit u.
        counted: Whether t_i is a number of rows.

    Returns:
        In u. Not estimated if a value is not finite, or some production units are represented by no sampled unit.

    Source: Horvitz & Thompson 1952; Cochran 1977, 5.3.

    >>> from sandbox.estimate.design import SamplingDesign
    >>> design = SamplingDesign.from_arrays(population=[400], sampled=[40], probability=[0.1], stratum=[0] * 40)
    >>> estimate_total(design, [1.0, 3.0] * 20).estimate
    800.0
    """
    numbers = design.convert_values(values)
    if design.has_unrepresented_units or not np.all(np.isfinite(numbers)):
        return NOT_ESTIMATED
    scale = find_power_of_two(numbers)
    shares = numbers / scale
    estimate = math.fsum(design.groups.weight * shares)
    if design.is_complete:
        return _scale_estimate(build_exact_estimate(estimate), scale)
    evidence = IntervalEvidence(carrier=shares, moved=shares, counted=counted)
    return _scale_estimate(build_t_interval(design, estimate, shares, evidence), scale)


def estimate_total_change(
    design: SamplingDesign, baseline: ArrayLike, candidate: ArrayLike, affected: ArrayLike, *, counted: bool = False
) -> IntervalEstimate:
    """Estimate the change of a total, candidate − baseline.

    Args:
        design: The draw.
        baseline: Shape (n,); the unit's sum, 0 if it is absent; any unit u.
        candidate: The same for the candidate.
        affected: Shape (n,), bool; unaffected units count as exact zeros, so that neither noise nor the order of a sum
            makes a change.
        counted: As for `estimate_total`.

    Returns:
        In u, otherwise as `estimate_total`; exactly 0 if no value changed.

    >>> from sandbox.estimate.design import SamplingDesign
    >>> design = SamplingDesign.from_arrays(population=[400], sampled=[4], probability=[0.01], stratum=[0] * 4)
    >>> estimate_total_change(design, [1, 1, 1, 1], [1, 3, 1, 1], [False, True, False, False]).status
    'bounded'
    """
    return estimate_total(design, compute_differences(design, baseline, candidate, affected), counted=counted)


def compute_differences(
    design: SamplingDesign, baseline: ArrayLike, candidate: ArrayLike, affected: ArrayLike
) -> FloatArray:
    """Return ``d_i = candidate_i − baseline_i``, shape (n,), exactly 0 for unaffected units."""
    before, after = design.convert_values(baseline), design.convert_values(candidate)
    touched = design.convert_values(affected) != 0
    finite = np.isfinite(before) & np.isfinite(after)
    with np.errstate(over="ignore"):  # an infinite change is not estimated
        moved = np.subtract(after, before, out=np.zeros(design.unit_count), where=touched & finite)
    return np.where(touched & ~finite, np.nan, moved)


def find_power_of_two(values: FloatArray) -> float:
    """Return the largest power of two not above the largest absolute value; 1 if all are 0.

    Squares of very large or small values leave the range of doubles; those of values divided by this do not. Division
    by a power of two is exact.

    >>> import numpy as np
    >>> find_power_of_two(np.array([3.0, -5.0]))
    4.0
    """
    largest = float(np.abs(values).max(initial=0.0))
    return math.ldexp(1.0, math.frexp(largest)[1] - 1) if largest else 1.0


def _scale_estimate(result: IntervalEstimate, scale: float) -> IntervalEstimate:
    """Return a result in the unit of the values; not estimated beyond the range of doubles."""
    estimate, low, high, unseen = (
        None if part is None else part * scale
        for part in (result.estimate, result.low, result.high, result.unseen_change)
    )
    if not all(part is None or math.isfinite(part) for part in (estimate, low, high, unseen)):
        return NOT_ESTIMATED
    return IntervalEstimate(status=result.status, estimate=estimate, low=low, high=high, unseen_change=unseen)
