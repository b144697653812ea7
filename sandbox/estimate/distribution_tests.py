"""How alike the weighted sample and production are in one column, and how surprising that is for a proper draw.

Simulated on designs with children: docs/design.md, "Is the sample like production".
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
from sandbox.estimate.totals import (
    MIN_EFFECTIVE_UNITS,
    compute_effective_units,
    estimate_standard_error,
    find_power_of_two,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.estimate.bin_totals import BinTotals
    from sandbox.estimate.design import FloatArray, SamplingDesign

ALPHA = 0.05
"""How often a proper draw may be called notable."""

RELATIVE_TOLERANCE = 1e-9
"""Two figures that differ by a smaller share of their size are equal but for rounding."""


MIN_BIN_UNITS = 10
"""A bin that fewer sampled units carry does not show its own variance."""


@dataclass(frozen=True, kw_only=True)
class FigureDeviation:
    """A figure of the sample, weighted, against production's.

    Attributes:
        population: Production's.
        sample: The sample's.
        error: Its standard error.
        z: ``(sample − population) / error``; None where the error is 0.
        p: How often a proper draw lies at least as far off; None where too few units carry the figure to say.
    """

    population: float
    sample: float
    error: float
    z: float | None
    p: float | None

    @property
    def is_exact(self) -> bool:
        """Whether no draw could have given another figure, and it is the right one."""
        return self.error == 0 and self.p == 1


@dataclass(frozen=True, kw_only=True)
class DistributionComparison:
    """One column's distribution.

    Attributes:
        nulls: The share of rows without a value; None where there are none on both sides.
        population, sample: The shares of the bins among rows with a value, as many as there are bins; None where a
            side has no such row.
        ks: Kolmogorov and Smirnov's distance at the bins' edges; of ordered bins.
        wasserstein: Wasserstein's first distance, in the column's unit; of ordered bins.
        tv: Total variation, half the sum of the differences; of bins without an order.
    """

    nulls: FigureDeviation | None
    population: tuple[float, ...] | None = None
    sample: tuple[float, ...] | None = None
    ks: DistanceTest | None = None
    wasserstein: DistanceTest | None = None
    tv: DistanceTest | None = None

    @property
    def p_values(self) -> list[float]:
        """The probabilities that are tests; Wasserstein's is told, and says much the same as KS's."""
        found = [one.p for one in (self.nulls, self.ks, self.tv) if one is not None and one.p is not None]
        return [float(one) for one in found]


def compare_distributions(
    moments: BinTotals, counts: FloatArray, *, widths: FloatArray | None
) -> DistributionComparison | None:
    """Compare a column's distribution.

    The null distribution of a distance is that of ``Σ_i N(0,1) · z_i``, ``z_i = w_i (v_i − P̂ · rows_i) / X̂`` centred
    in its stratum: a normal vector with the covariance ``Σ_i z_i z_i'``, which is drawn from directly.

    Args:
        moments: Of the sample; the last bin is NULL.
        counts: Shape (B,); production's rows in the same bins.
        widths: Shape (B − 2,); for ordered bins, how far apart the edge of each bin but the last and the next one's lie.
            None where the bins have no order.

    Returns:
        None where either side has no row.

    Source: multiplier bootstrap: van der Vaart & Wellner 1996, 2.9; clusters: Lavallée 2007.
    """
    totals, rows = moments.totals, float(counts.sum())
    estimated = float(totals.sum())
    if rows <= 0 or estimated <= 0:
        return None
    truth, found = counts / rows, totals / estimated
    covariance = _compute_share_covariance(moments, truth, found, estimated)
    nulls = _compare_null_shares(truth, found, covariance, moments.null_degrees_of_freedom)
    if truth[-1] >= 1 - RELATIVE_TOLERANCE or found[-1] >= 1 - RELATIVE_TOLERANCE:
        return DistributionComparison(nulls=nulls)
    population, sample = truth[:-1] / (1 - truth[-1]), found[:-1] / (1 - found[-1])
    step = np.column_stack([np.eye(len(sample)), sample]) / (1 - found[-1])
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

    Under κ = 30 effective units nothing is said of how surprising it is: a few units carry it.

    Args:
        design: The draw.
        values: Shape (n,), finite; each unit's sum.
        truth: Production's total.
    """
    estimate = math.fsum(design.groups.weight * values)
    size = max(abs(truth), math.fsum(design.groups.weight * np.abs(values)))
    found = estimate_standard_error(design, values)
    scale = find_power_of_two(values)
    error = (
        found.error if found.error > RELATIVE_TOLERANCE * scale * float(design.groups.weight.max(initial=1.0)) else 0.0
    )
    kappa, _ = compute_effective_units(design, values)
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
            compute_two_sided_p_value(z, min(found.degrees, _compute_degrees_of_freedom(design, values / scale)))
            if kappa >= MIN_EFFECTIVE_UNITS
            else None
        )
    return FigureDeviation(population=truth, sample=estimate, error=error, z=z, p=p)


def _compute_degrees_of_freedom(design: SamplingDesign, values: FloatArray) -> float:
    groups = design.groups
    weights = groups.sum_by_group(groups.weight)
    means = groups.sum_by_group(groups.weight * values) / np.where(weights > 0, weights, 1.0)
    squares = groups.finite_population_correction * (groups.weight * (values - means[groups.group])) ** 2
    return estimate_degrees_of_freedom(float(squares.sum()), float((squares**2).sum()))


def compute_two_sided_p_value(z: float, degrees: float = math.inf) -> float:
    """Give how often Student's t lies at least as far from 0, to about three digits.

    Source: Wallace 1959, Annals of Mathematical Statistics 30(4).

    >>> round(compute_two_sided_p_value(1.96), 3), round(compute_two_sided_p_value(2.228, 10), 3)
    (0.05, 0.05)
    """
    if math.isfinite(degrees):
        z = math.sqrt(degrees * math.log1p(z * z / degrees)) * (8 * degrees + 1) / (8 * degrees + 3)
    return math.erfc(abs(z) / math.sqrt(2))


def adjust_p_values(probabilities: Sequence[float]) -> list[float]:
    """Adjust probabilities so that any below α is notable at α for all of them together.

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


def _compute_share_covariance(moments: BinTotals, truth: FloatArray, found: FloatArray, rows: float) -> FloatArray:
    """Give the covariance of the bins' shares, (B, B).

    A bin that few sampled units carry does not show its own variance: with none it would be 0, and any difference
    impossible. It has at least the variance that its rows in production would give it if those of a unit came together.
    """
    linear = np.eye(len(found)) - np.outer(np.ones(len(found)), found)
    covariance = linear.T @ moments.covariance @ linear / rows**2
    least = truth * (1 - truth) * moments.row_variance / rows
    thin = moments.carriers < MIN_BIN_UNITS
    lacking = np.where(thin, np.maximum(least - np.diag(covariance), 0.0), 0.0)
    return np.asarray(covariance + np.diag(lacking), np.float64)


def _compare_null_shares(
    truth: FloatArray, found: FloatArray, covariance: FloatArray, degrees: float
) -> FigureDeviation | None:
    population, sample = float(truth[-1]), float(found[-1])
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
