"""Tests of the weighted sample's distribution in one column against production's.

Simulated on designs with children: docs/design/0011-comparison-of-sample-and-production.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sandbox.estimate.bin_totals import estimate_degrees_of_freedom
from sandbox.estimate.distances import (
    DistanceTest,
    SimulatedDraws,
    build_ks_distance,
    build_tv_distance,
    build_wasserstein_distance,
)
from sandbox.estimate.totals import estimate_standard_error, find_power_of_two

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.estimate.bin_totals import BinTotals
    from sandbox.estimate.design import FloatArray, SamplingDesign

ALPHA = 0.05
"""The rate of false alarms for proper draws."""

RELATIVE_TOLERANCE = 1e-9
"""Figures with a smaller relative difference are equal up to rounding."""

MIN_EFFECTIVE_UNITS = 30.0
"""With fewer effective units a total has no p-value."""

MIN_BIN_UNITS = 10
"""With fewer sampled units a bin's own variance is not reliable."""


@dataclass(frozen=True, kw_only=True)
class FigureDeviation:
    """A weighted figure of the sample against production's.

    Attributes:
        population: Production's figure.
        sample: The sample's figure.
        error: Its standard error.
        z: ``(sample − population) / error``; None if the error is 0.
        p: The probability of at least this deviation under a proper draw; None with too few effective units.
    """

    population: float
    sample: float
    error: float
    z: float | None
    p: float | None

    @property
    def is_exact(self) -> bool:
        """Whether the figure is correct and no draw could have changed it."""
        return self.error == 0 and self.p == 1


@dataclass(frozen=True, kw_only=True)
class DistributionComparison:
    """One column's distribution.

    Attributes:
        nulls: The share of NULLs; None if there are none on either side.
        population, sample: The shares of the bins among rows with a value, one per bin; None if a side has no such row.
        ks: The Kolmogorov–Smirnov distance at the bins' edges; for ordered bins.
        wasserstein: The first Wasserstein distance, in the column's unit; for ordered bins.
        tv: Total variation, half the sum of the absolute differences; for unordered bins.
    """

    nulls: FigureDeviation | None
    population: tuple[float, ...] | None = None
    sample: tuple[float, ...] | None = None
    ks: DistanceTest | None = None
    wasserstein: DistanceTest | None = None
    tv: DistanceTest | None = None

    @property
    def p_values(self) -> list[float]:
        """P-values used as tests; Wasserstein's is only reported, because it largely repeats KS's."""
        tests = (self.nulls, self.ks, self.tv)
        return [float(test.p) for test in tests if test is not None and test.p is not None]


def compare_distributions(
    moments: BinTotals, counts: FloatArray, *, widths: FloatArray | None
) -> DistributionComparison | None:
    """Compare a column's distribution.

    Under the null hypothesis a distance is distributed as that of ``Σ_i N(0,1) · z_i``,
    ``z_i = w_i (v_i − P̂ · rows_i) / X̂`` centred in its stratum: a normal vector with the covariance ``Σ_i z_i z_i'``,
    sampled directly.

    Args:
        moments: Totals of the sample; the last bin is NULL.
        counts: Shape (B,); production's rows in the same bins.
        widths: Shape (B − 2,); for ordered bins, the distance from the edge of each bin but the last to the next edge.
            None for unordered bins.

    Returns:
        None if either side has no row.

    Source: multiplier bootstrap: van der Vaart & Wellner 1996, 2.9; clusters: Lavallée 2007.
    """
    totals, rows = moments.totals, float(counts.sum())
    estimated = float(totals.sum())
    if rows <= 0 or estimated <= 0:
        return None
    truth, estimated_shares = counts / rows, totals / estimated
    covariance = _compute_share_covariance(moments, truth, estimated_shares, estimated)
    nulls = _compare_null_shares(truth, estimated_shares, covariance, moments.null_degrees_of_freedom)
    if truth[-1] >= 1 - RELATIVE_TOLERANCE or estimated_shares[-1] >= 1 - RELATIVE_TOLERANCE:
        return DistributionComparison(nulls=nulls)
    population, sample = truth[:-1] / (1 - truth[-1]), estimated_shares[:-1] / (1 - estimated_shares[-1])
    step = np.column_stack([np.eye(len(sample)), sample]) / (1 - estimated_shares[-1])
    draws = SimulatedDraws(covariance=step @ covariance @ step.T, degrees=moments.degrees_of_freedom)
    difference = sample - population
    if widths is None:
        return DistributionComparison(
            nulls=nulls,
            population=tuple(population.tolist()),
            sample=tuple(sample.tolist()),
            tv=draws.measure_distance(build_tv_distance(), difference),
        )
    return DistributionComparison(
        nulls=nulls,
        population=tuple(population.tolist()),
        sample=tuple(sample.tolist()),
        ks=draws.measure_distance(build_ks_distance(), difference),
        wasserstein=draws.measure_distance(build_wasserstein_distance(widths), difference),
    )


def compare_total(design: SamplingDesign, values: FloatArray, truth: float) -> FigureDeviation:
    """Compare a total.

    With fewer than κ = 30 effective units there is no p-value: a few units determine the total.

    Args:
        design: The draw.
        values: Shape (n,), finite; each unit's sum.
        truth: Production's total.
    """
    estimate = math.fsum(design.groups.weight * values)
    size = max(abs(truth), math.fsum(design.groups.weight * np.abs(values)))
    result = estimate_standard_error(design, values)
    scale = find_power_of_two(values)
    error = (
        result.error
        if result.error > RELATIVE_TOLERANCE * scale * float(design.groups.weight.max(initial=1.0))
        else 0.0
    )
    kappa = compute_effective_units(design, values)
    z: float | None
    p: float | None
    if abs(estimate - truth) <= RELATIVE_TOLERANCE * size:
        z, p = (None if error == 0 else 0.0), 1.0
    elif error == 0:
        enough = design.is_complete or kappa >= MIN_EFFECTIVE_UNITS
        z, p = None, 0.0 if enough else None
    else:
        z = (estimate - truth) / error
        p = (
            compute_two_sided_p_value(z, min(result.degrees, _compute_degrees_of_freedom(design, values / scale)))
            if kappa >= MIN_EFFECTIVE_UNITS
            else None
        )
    return FigureDeviation(population=truth, sample=estimate, error=error, z=z, p=p)


def compute_effective_units(design: SamplingDesign, values: FloatArray) -> float:
    """Return κ, the effective number of units behind a total: ``(Σ|c|)²/Σ c²`` over incomplete strata, ``c_i = w_i d_i``.

    Returns:
        0 if there is no such unit.
    """
    groups = design.groups
    parts = np.abs(groups.weight * values)[groups.is_partial]
    largest = float(parts.max(initial=0.0))
    if largest == 0:
        return 0.0
    parts = parts / largest
    return float(parts.sum()) ** 2 / float((parts**2).sum())


def _compute_degrees_of_freedom(design: SamplingDesign, values: FloatArray) -> float:
    groups = design.groups
    weights = groups.sum_by_group(groups.weight)
    means = groups.sum_by_group(groups.weight * values) / np.where(weights > 0, weights, 1.0)
    squares = groups.finite_population_correction * (groups.weight * (values - means[groups.group])) ** 2
    return estimate_degrees_of_freedom(float(squares.sum()), float((squares**2).sum()))


def compute_two_sided_p_value(z: float, degrees: float = math.inf) -> float:
    """Return the two-sided p-value of Student's t, to about three digits.

    Source: Wallace 1959, Annals of Mathematical Statistics 30(4).

    >>> round(compute_two_sided_p_value(1.96), 3), round(compute_two_sided_p_value(2.228, 10), 3)
    (0.05, 0.05)
    """
    if math.isfinite(degrees):
        z = math.sqrt(degrees * math.log1p(z * z / degrees)) * (8 * degrees + 1) / (8 * degrees + 3)
    return math.erfc(abs(z) / math.sqrt(2))


def adjust_p_values(probabilities: Sequence[float]) -> list[float]:
    """Adjust p-values so that any below α is notable at family-wise level α.

    Source: Holm 1979, Scandinavian Journal of Statistics 6(2).

    >>> adjust_p_values([0.01, 0.4, 0.03])
    [0.03, 0.4, 0.06]
    """
    adjusted = [1.0] * len(probabilities)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(probabilities)), key=probabilities.__getitem__)):
        highest = max(highest, min(1.0, (len(probabilities) - rank) * probabilities[index]))
        adjusted[index] = highest
    return adjusted


def _compute_share_covariance(moments: BinTotals, truth: FloatArray, shares: FloatArray, rows: float) -> FloatArray:
    """Return the covariance of the bins' shares, (B, B).

    The variance of a bin with few sampled units is not reliable: with none it would be 0, and any difference
    impossible. Its lower bound is the variance implied by its production rows if those of a unit occurred together.
    """
    linear = np.eye(len(shares)) - np.outer(np.ones(len(shares)), shares)
    covariance = linear.T @ moments.covariance @ linear / rows**2
    least = truth * (1 - truth) * moments.row_variance / rows
    thin = moments.carriers < MIN_BIN_UNITS
    lacking = np.where(thin, np.maximum(least - np.diag(covariance), 0.0), 0.0)
    return np.asarray(covariance + np.diag(lacking), np.float64)


def _compare_null_shares(
    truth: FloatArray, shares: FloatArray, covariance: FloatArray, degrees: float
) -> FigureDeviation | None:
    population, sample = float(truth[-1]), float(shares[-1])
    if population == 0 and sample == 0:
        return None
    error = math.sqrt(max(0.0, float(covariance[-1, -1])))
    if abs(sample - population) <= RELATIVE_TOLERANCE:
        z, p = (None if error == 0 else 0.0), 1.0
    elif error <= RELATIVE_TOLERANCE:
        error, z, p = 0.0, None, 0.0
    else:
        z = (sample - population) / error
        p = compute_two_sided_p_value(z, degrees)
    return FigureDeviation(population=population, sample=sample, error=error, z=z, p=p)
