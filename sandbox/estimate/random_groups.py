"""Totals of an output whose rows name no unit, from runs on random groups of the sampled units.

Classes hold units of one rate. The units of a class are dealt into groups at random, and a run on each group gives the
group's total. The estimate is ``Σ_c w_c X_c`` with ``w_c = N_c/n_c``, and its variance
``Σ_c w_c² (1 − n_c/N_c) · G_c/(G_c − 1) · Σ_g (X_g − n_g X_c/n_c)²``; Student's t with Satterthwaite's degrees of freedom.

Source: Wolter 2007, Introduction to Variance Estimation, ch. 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sandbox.estimate.distributions import compute_t_quantile
from sandbox.estimate.result import NOT_ESTIMATED, IntervalEstimate, build_exact_estimate
from sandbox.estimate.totals import MIN_EFFECTIVE_UNITS

if TYPE_CHECKING:
    from sandbox.estimate.design import FloatArray, IntArray, SamplingDesign

MIN_NONZERO_SHARE = 0.75
"""Part of all groups in which a total must not be 0."""

RESIDUAL_TOLERANCE = 1e-12
"""A residual below this share of its terms is rounding."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RandomGroups:
    """G groups of sampled units in C classes.

    Attributes:
        population: Shape (C,); N_c.
        sampled: Shape (G,); n_g.
        of_class: Shape (G,); each group's class.
    """

    population: IntArray
    sampled: IntArray
    of_class: IntArray

    @property
    def count(self) -> int:
        """How many groups there are."""
        return len(self.sampled)

    def sum_classes(self, values: FloatArray | IntArray) -> FloatArray:
        """Sum figures of the groups, shape (G,), per class, shape (C,)."""
        return np.bincount(self.of_class, values, minlength=len(self.population)).astype(np.float64)

    def estimate(self, values: FloatArray) -> float:
        """Return ``Σ_c w_c X_c``."""
        return math.fsum(self.population / self.sum_classes(self.sampled) * self.sum_classes(values))

    def estimate_half_width(self, values: FloatArray, *, is_cell: bool = False) -> float:
        """Return half the width of the 95 % interval of `estimate`; for a cell with half the degrees of freedom.

        In a cell most units have nothing and a few have much, so its variance is less certain than that of a total of
        all units.
        """
        sampled = self.sum_classes(self.sampled)
        groups = np.bincount(self.of_class, minlength=len(self.population))
        means = self.sum_classes(values) / sampled
        spread = self.sum_classes((values - self.sampled * means[self.of_class]) ** 2)
        freedom = np.maximum(groups - 1, 1)
        weight = self.population / sampled
        variances = weight**2 * (1 - sampled / self.population) * groups / freedom * spread
        total = float(variances.sum())
        if total <= 0:
            return 0.0
        degrees = total**2 / float((variances**2 / freedom).sum())
        return compute_t_quantile(0.975, max(degrees / 2, 1.0) if is_cell else degrees) * math.sqrt(total)


def estimate_group_total(groups: RandomGroups, values: FloatArray, *, is_cell: bool = False) -> IntervalEstimate:
    """Estimate a total from each group's total.

    Args:
        groups: The groups.
        values: Shape (G,), finite; X_g.
        is_cell: Whether it is the total of one cell of an output.

    Returns:
        Exact if all are 0; without limits if a quarter of them are, since a few units are then all there is to see.

    >>> import numpy as np
    >>> groups = RandomGroups(population=np.array([60]), sampled=np.full(6, 5), of_class=np.zeros(6, np.int64))
    >>> estimate_group_total(groups, np.arange(6.0)).estimate
    30.0
    """
    if not np.any(values):
        return build_exact_estimate(0.0)
    estimate = groups.estimate(values)
    if not _are_mostly_nonzero(values):
        return IntervalEstimate(status="bounded", estimate=estimate)
    half = groups.estimate_half_width(values, is_cell=is_cell)
    return IntervalEstimate(status="estimated", estimate=estimate, low=estimate - half, high=estimate + half)


def estimate_group_ratio(
    groups: RandomGroups, numerator: FloatArray, denominator: FloatArray, *, is_cell: bool = False
) -> IntervalEstimate:
    """Estimate a ratio of two totals by the totals of the residuals ``(y_g − R̂ x_g)/X̂``.

    Args:
        groups: The groups.
        numerator: Shape (G,); y_g.
        denominator: Shape (G,); x_g.
        is_cell: Whether it is of one cell of an output.
    """
    total = groups.estimate(denominator)
    if total == 0:
        return NOT_ESTIMATED
    if not np.any(numerator):
        return build_exact_estimate(0.0)
    ratio = groups.estimate(numerator) / total
    if not (_are_mostly_nonzero(numerator) and _are_mostly_nonzero(denominator)):
        return IntervalEstimate(status="bounded", estimate=ratio)
    residuals = numerator - ratio * denominator
    rounding = RESIDUAL_TOLERANCE * (np.abs(numerator) + np.abs(ratio * denominator))
    residuals = np.where(np.abs(residuals) <= rounding, 0.0, residuals)
    half = groups.estimate_half_width(residuals, is_cell=is_cell) / abs(total)
    return IntervalEstimate(status="estimated", estimate=ratio, low=ratio - half, high=ratio + half)


def has_light_tails(design: SamplingDesign) -> bool:
    """Return whether every recorded size has K ≥ 20 as a whole (see `sandbox.estimate.sizes.fit_sizes`).

    Which size an output's column follows is not known, so all of them must do. Without recorded sizes nothing is known.
    """
    partial = design.sampled < design.population
    rate = design.sampled[partial] / design.population[partial]
    if not np.any(partial):
        return True
    if not design.sizes or np.any(rate == 0):
        return False
    odds = (1 - rate) / rate
    inside = partial[design.stratum]
    for size in design.sizes:
        squares, fourths = size.moments[partial, 1], size.moments[partial, 3]
        share = np.count_nonzero(size.sampled[inside]) / max(int(np.count_nonzero(inside)), 1)
        below = float((odds**3 * fourths).sum())
        if below > 0 and float((odds * squares).sum()) ** 2 / below * share < MIN_EFFECTIVE_UNITS:
            return False
    return True


def _are_mostly_nonzero(values: FloatArray) -> bool:
    return bool(np.count_nonzero(values) >= MIN_NONZERO_SHARE * len(values))
