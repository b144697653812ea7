"""How alike the weighted sample and production are in one column, and how surprising that is for a proper draw.

Simulated on designs with children: docs/design.md, "Is the sample like production".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sandbox.estimate.bin_totals import kurtic
from sandbox.estimate.distances import Draws, Measured, ks, tv, wasserstein
from sandbox.estimate.totals import ENOUGH, effective_units, power, spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.estimate.bin_totals import Moments
    from sandbox.estimate.design import Design, Numbers

ALPHA = 0.05
"""How often a proper draw may be called notable."""

EQUAL = 1e-9
"""Two figures that differ by a smaller share of their size are equal but for rounding."""


THIN = 10
"""A bin that fewer sampled units carry does not show its own variance."""


@dataclass(frozen=True, kw_only=True)
class Deviation:
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
    def exact(self) -> bool:
        """Whether no draw could have given another figure, and it is the right one."""
        return self.error == 0 and self.p == 1


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """One column's distribution.

    Attributes:
        nulls: The share of rows without a value; None where there are none on both sides.
        population, sample: The shares of the bins among rows with a value, as many as there are bins; None where a
            side has no such row.
        ks: Kolmogorov and Smirnov's distance at the bins' edges; of ordered bins.
        wasserstein: Wasserstein's first distance, in the column's unit; of ordered bins.
        tv: Total variation, half the sum of the differences; of bins without an order.
    """

    nulls: Deviation | None
    population: tuple[float, ...] | None = None
    sample: tuple[float, ...] | None = None
    ks: Measured | None = None
    wasserstein: Measured | None = None
    tv: Measured | None = None

    @property
    def p(self) -> list[float]:
        """The probabilities that are tests; Wasserstein's is told, and says much the same as KS's."""
        found = [one.p for one in (self.nulls, self.ks, self.tv) if one is not None and one.p is not None]
        return [float(one) for one in found]


def likeness(moments: Moments, counts: Numbers, *, widths: Numbers | None) -> Likeness | None:
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
    covariance = _of_shares(moments, truth, found, estimated)
    nulls = _nulls(truth, found, covariance, moments.null_degrees)
    if truth[-1] >= 1 - EQUAL or found[-1] >= 1 - EQUAL:
        return Likeness(nulls=nulls)
    population, sample = truth[:-1] / (1 - truth[-1]), found[:-1] / (1 - found[-1])
    step = np.column_stack([np.eye(len(sample)), sample]) / (1 - found[-1])
    draws = Draws(covariance=step @ covariance @ step.T, degrees=moments.degrees)
    difference = sample - population
    if widths is None:
        return Likeness(
            nulls=nulls,
            population=tuple(population.tolist()),
            sample=tuple(sample.tolist()),
            tv=draws.measured(tv(), difference),
        )
    return Likeness(
        nulls=nulls,
        population=tuple(population.tolist()),
        sample=tuple(sample.tolist()),
        ks=draws.measured(ks(), difference),
        wasserstein=draws.measured(wasserstein(widths), difference),
    )


def total_deviation(design: Design, values: Numbers, truth: float) -> Deviation:
    """Compare a total.

    Under κ = 30 effective units nothing is said of how surprising it is: a few units carry it.

    Args:
        design: The draw.
        values: Shape (n,), finite; each unit's sum.
        truth: Production's total.
    """
    estimate = math.fsum(design.groups.weight * values)
    size = max(abs(truth), math.fsum(design.groups.weight * np.abs(values)))
    found = spread(design, values)
    scale = power(values)
    error = found.error if found.error > EQUAL * scale * float(design.groups.weight.max(initial=1.0)) else 0.0
    kappa, _ = effective_units(design, values)
    z: float | None
    p: float | None
    if abs(estimate - truth) <= EQUAL * size:
        z, p = (None if error == 0 else 0.0), 1.0
    elif error == 0:
        enough = design.complete or kappa >= ENOUGH
        z, p = None, 0.0 if enough else None
    else:
        z = (estimate - truth) / error
        p = two_sided(z, min(found.degrees, _degrees(design, values / scale))) if kappa >= ENOUGH else None
    return Deviation(population=truth, sample=estimate, error=error, z=z, p=p)


def _degrees(design: Design, values: Numbers) -> float:
    groups = design.groups
    weights = groups.sums(groups.weight)
    means = groups.sums(groups.weight * values) / np.where(weights > 0, weights, 1.0)
    squares = groups.unseen * (groups.weight * (values - means[groups.group])) ** 2
    return kurtic(float(squares.sum()), float((squares**2).sum()))


def two_sided(z: float, degrees: float = math.inf) -> float:
    """Give how often Student's t lies at least as far from 0, to about three digits.

    Source: Wallace 1959, Annals of Mathematical Statistics 30(4).

    >>> round(two_sided(1.96), 3), round(two_sided(2.228, 10), 3)
    (0.05, 0.05)
    """
    if math.isfinite(degrees):
        z = math.sqrt(degrees * math.log1p(z * z / degrees)) * (8 * degrees + 1) / (8 * degrees + 3)
    return math.erfc(abs(z) / math.sqrt(2))


def holm(probabilities: Sequence[float]) -> list[float]:
    """Adjust probabilities so that any below α is notable at α for all of them together.

    Source: Holm 1979, Scandinavian Journal of Statistics 6(2).

    >>> holm([0.01, 0.4, 0.03])
    [0.03, 0.4, 0.06]
    """
    adjusted = [1.0] * len(probabilities)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(probabilities)), key=probabilities.__getitem__)):
        highest = max(highest, min(1.0, (len(probabilities) - rank) * probabilities[index]))
        adjusted[index] = highest
    return adjusted


def _of_shares(moments: Moments, truth: Numbers, found: Numbers, rows: float) -> Numbers:
    """Give the covariance of the bins' shares, (B, B).

    A bin that few sampled units carry does not show its own variance: with none it would be 0, and any difference
    impossible. It has at least the variance that its rows in production would give it if those of a unit came together.
    """
    linear = np.eye(len(found)) - np.outer(np.ones(len(found)), found)
    covariance = linear.T @ moments.covariance @ linear / rows**2
    least = truth * (1 - truth) * moments.row_variance / rows
    thin = moments.carriers < THIN
    lacking = np.where(thin, np.maximum(least - np.diag(covariance), 0.0), 0.0)
    return np.asarray(covariance + np.diag(lacking), np.float64)


def _nulls(truth: Numbers, found: Numbers, covariance: Numbers, degrees: float) -> Deviation | None:
    population, sample = float(truth[-1]), float(found[-1])
    if population == 0 and sample == 0:
        return None
    error = math.sqrt(max(0.0, float(covariance[-1, -1])))
    if abs(sample - population) <= EQUAL:
        z, p = (None if error == 0 else 0.0), 1.0
    elif error <= EQUAL:
        error, z, p = 0.0, None, 0.0
    else:
        z = (sample - population) / error
        p = two_sided(z, degrees)
    return Deviation(population=population, sample=sample, error=error, z=z, p=p)
