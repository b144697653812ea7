"""Estimated production rows per bin, with their covariance.

Units are added in blocks, so memory does not grow with their number.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sandbox.estimate.design import FloatArray, SamplingDesign

ROUNDING_SHARE = 1e-10
"""A variance below this share of its terms is rounding error."""

MIN_UNSEEN_SHARE = 0.25
"""A stratum of which less was left out is nearly complete."""

BATCH_ROWS = 64
"""Rows per matrix product."""


class BinTotals:
    """Sums over sampled units, for the totals of B bins and their covariance.

    ``v_i`` are a unit's rows in each bin, for its whole cluster. The covariance of ``Σ w_i v_i`` is
    ``Σ_g n_g/(n_g−1) Σ_i unseen_i w_i² (v_i − m_g)(v_i − m_g)'``, m_g the weighted mean: the formula of
    `sandbox.estimate.totals.estimate_group_variances` for vectors.

    Args:
        design: The draw.
        shares: Shape (B,); production's shares of the bins.

    Attributes:
        carriers: Shape (B,); the number of units with rows in a bin, those of nearly complete strata aside: they say
            nothing of the units that were not drawn elsewhere.
    """

    def __init__(self, design: SamplingDesign, shares: FloatArray) -> None:
        bins = len(shares)
        self._shares = shares
        groups = design.groups
        factor = groups.sampled / np.maximum(groups.sampled - 1, 1)
        self._groups = groups
        self._weight = groups.weight
        self._spread = factor[groups.group] * groups.finite_population_correction * groups.weight**2
        self._weighted = np.zeros((len(groups.population), bins))
        self._scaled = np.zeros((len(groups.population), bins))
        self._second = np.zeros((bins, bins))
        self._lengths = self._nulls = np.zeros(2)
        self._rows = self._clustered = 0.0
        self._is_telling = groups.finite_population_correction >= MIN_UNSEEN_SHARE
        self.carriers = np.zeros(bins, np.int64)

    def add(self, first: int, counts: FloatArray) -> None:
        """Add the units from number ``first`` on; units never added have no rows.

        Args:
            first: The index of the first one in the design's order.
            counts: Shape (m, B); their rows in each bin.
        """
        part = slice(first, first + len(counts))
        group = self._groups.group[part]
        order = np.argsort(group, kind="stable")
        starts = np.flatnonzero(np.diff(group[order], prepend=-1))
        names = group[order][starts]
        scaled = counts * self._spread[part, None]
        self._weighted[names] += np.add.reduceat((counts * self._weight[part, None])[order], starts)
        self._scaled[names] += np.add.reduceat(scaled[order], starts)
        self._second += compute_cross_product(counts, scaled)
        rows = counts.sum(axis=1)
        off = (counts - rows[:, None] * self._shares) ** 2 * self._spread[part, None]
        self._lengths = self._lengths + _sum_powers(off.sum(axis=1))
        self._nulls = self._nulls + _sum_powers(off[:, -1])
        self.carriers += np.count_nonzero(counts[self._is_telling[part]], axis=0)
        self._rows += float((self._spread[part] * rows).sum())
        self._clustered += float((self._spread[part] * rows**2).sum())

    @property
    def totals(self) -> FloatArray:
        """Shape (B,); production's rows in each bin, ``Σ w_i v_i``."""
        return np.asarray(self._weighted.sum(axis=0), np.float64)

    @property
    def covariance(self) -> FloatArray:
        """Shape (B, B); covariance of `totals`. Rounding errors are set to 0."""
        weights = self._groups.sum_by_group(self._weight)[:, None]
        spreads = self._groups.sum_by_group(self._spread)[:, None]
        means = self._weighted / np.where(weights > 0, weights, 1.0)
        shifted = compute_cross_product(means, self._scaled)
        covariance = self._second - shifted - shifted.T + compute_cross_product(means, means * spreads)
        noise = np.diag(covariance) <= ROUNDING_SHARE * np.diag(self._second)
        covariance[noise, :] = 0.0
        covariance[:, noise] = 0.0
        return np.asarray(covariance, np.float64)

    @property
    def degrees_of_freedom(self) -> float:
        """Degrees of freedom of the covariance (see `estimate_degrees_of_freedom`)."""
        return estimate_degrees_of_freedom(*self._lengths)

    @property
    def null_degrees_of_freedom(self) -> float:
        """Degrees of freedom of the last bin's variance."""
        return estimate_degrees_of_freedom(*self._nulls)

    @property
    def row_variance(self) -> float:
        """Maximum variance added to a total by one production row, if all rows of its unit occur together.

        ``max_i unseen_i w_i`` times the mean number of rows in the unit of a row.
        """
        partial = self._groups.is_partial
        step = float((self._spread[partial] / self._weight[partial]).max(initial=0.0))
        return step * self._clustered / self._rows if self._rows > 0 else 0.0


def compute_cross_product(rows: FloatArray, others: FloatArray) -> FloatArray:
    """Return ``rows' others``, summed over many rows of both, (n, B) and (n, B).

    It multiplies a few rows at a time. For larger products BLAS starts threads: they cost more than these sums on a
    busy machine, and the order of summation depends on their number.
    """
    whole = len(rows) // BATCH_ROWS * BATCH_ROWS
    few = rows[:whole].reshape(-1, BATCH_ROWS, rows.shape[1]).transpose(0, 2, 1)
    total = np.matmul(few, others[:whole].reshape(-1, BATCH_ROWS, others.shape[1])).sum(axis=0)
    return np.asarray(total + rows[whole:].T @ others[whole:], np.float64)


def estimate_degrees_of_freedom(squares: float, fourths: float) -> float:
    """Return the degrees of freedom of a variance from Σ z² and Σ z⁴ over units: half of ``2 (Σ z²)² / Σ z⁴``.

    A few outlying units make a variance as uncertain as a small number of units would. Counting units, as Satterthwaite
    does, is valid for normal values only. Half, because a sample misses the largest values, and their part of Σ z⁴.

    >>> estimate_degrees_of_freedom(100.0, 100.0)
    100.0
    """
    return float(squares) ** 2 / float(fourths) if fourths > 0 else math.inf


def _sum_powers(squares: FloatArray) -> FloatArray:
    return np.array([squares.sum(), (squares**2).sum()])
