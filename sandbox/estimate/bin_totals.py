"""How many rows fall into each bin, estimated for production, with the covariance of these estimates.

Units arrive in blocks, so that memory does not grow with their number.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sandbox.estimate.design import FloatArray, SamplingDesign

ROUNDING_SHARE = 1e-10
"""A variance below this share of what it was computed from is rounding."""

BATCH_ROWS = 64
"""Rows that are multiplied at a time."""


class BinTotals:
    """Sums over sampled units from which the totals of B bins and their covariance follow.

    A unit's ``v_i`` are its rows in each bin, its whole cluster at once. The covariance of ``Σ w_i v_i`` is
    ``Σ_g n_g/(n_g−1) Σ_i unseen_i w_i² (v_i − m_g)(v_i − m_g)'``, m_g the weighted mean: the formula of
    `sandbox.estimate.totals.estimate_group_variances` for vectors.

    Args:
        design: The draw.
        shares: Shape (B,); production's shares of the bins.
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
        self.carriers = np.zeros(bins, np.int64)

    def add(self, first: int, counts: FloatArray) -> None:
        """Add the units from number ``first`` on; units that are never added have no rows.

        Args:
            first: The place of the first one in the design's order.
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
        self.carriers += np.count_nonzero(counts[self._groups.is_partial[part]], axis=0)
        self._rows += float((self._spread[part] * rows).sum())
        self._clustered += float((self._spread[part] * rows**2).sum())

    @property
    def totals(self) -> FloatArray:
        """Shape (B,); production's rows in each bin, ``Σ w_i v_i``."""
        return np.asarray(self._weighted.sum(axis=0), np.float64)

    @property
    def covariance(self) -> FloatArray:
        """Shape (B, B); of `totals`. What is no more than rounding is 0."""
        weights = self._groups.sum_by_group(self._weight)[:, None]
        spreads = self._groups.sum_by_group(self._spread)[:, None]
        means = self._weighted / np.where(weights > 0, weights, 1.0)
        shifted = compute_cross_product(means, self._scaled)
        found = self._second - shifted - shifted.T + compute_cross_product(means, means * spreads)
        noise = np.diag(found) <= ROUNDING_SHARE * np.diag(self._second)
        found[noise, :] = 0.0
        found[:, noise] = 0.0
        return np.asarray(found, np.float64)

    @property
    def degrees_of_freedom(self) -> float:
        """How well the covariance is known, as degrees of freedom (see `estimate_degrees_of_freedom`)."""
        return estimate_degrees_of_freedom(*self._lengths)

    @property
    def null_degrees_of_freedom(self) -> float:
        """How well the last bin's variance is known, likewise."""
        return estimate_degrees_of_freedom(*self._nulls)

    @property
    def row_variance(self) -> float:
        """What a row of production adds to a total's variance at most, if the rows of a unit come all together.

        ``max_i unseen_i w_i`` times how many rows the unit of a row has on average.
        """
        partial = self._groups.is_partial
        step = float((self._spread[partial] / self._weight[partial]).max(initial=0.0))
        return step * self._clustered / self._rows if self._rows > 0 else 0.0


def compute_cross_product(rows: FloatArray, others: FloatArray) -> FloatArray:
    """Give ``rows' others``, summed over both's many rows, (n, B) and (n, B).

    A few rows at a time: for larger products BLAS wakes threads, which cost more than these sums where the machine has
    other work, and sum in an order that depends on their number.
    """
    whole = len(rows) // BATCH_ROWS * BATCH_ROWS
    few = rows[:whole].reshape(-1, BATCH_ROWS, rows.shape[1]).transpose(0, 2, 1)
    found = np.matmul(few, others[:whole].reshape(-1, BATCH_ROWS, others.shape[1])).sum(axis=0)
    return np.asarray(found + rows[whole:].T @ others[whole:], np.float64)


def estimate_degrees_of_freedom(squares: float, fourths: float) -> float:
    """Give how well a variance is known, as degrees of freedom: half of ``2 (Σ z²)² / Σ z⁴``.

    A few units far off make a variance as uncertain as few units in all would; counting units, as Satterthwaite does,
    holds for normal values only. Half, because a sample misses the farthest of them, and its Σ z⁴ with them.

    Args:
        squares: Σ z² over units.
        fourths: Σ z⁴.

    >>> estimate_degrees_of_freedom(100.0, 100.0)
    100.0
    """
    return float(squares) ** 2 / float(fourths) if fourths > 0 else math.inf


def _sum_powers(squares: FloatArray) -> FloatArray:
    return np.array([squares.sum(), (squares**2).sum()])
