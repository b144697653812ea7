"""Distances between two distributions over bins, and their p-values under a proper draw."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.estimate.design import FloatArray

FIRST_DRAW_COUNT = 1_000
FURTHER_DRAW_COUNT = 20_000
MIN_EXCEEDING_DRAWS = 10
"""With fewer draws beyond the observed distance its p-value is too uncertain, and more are drawn."""

SHARE_TOLERANCE = 1e-9
"""Shares that differ by less are equal up to rounding."""

FIRST_SEED, FURTHER_SEED = 20_261, 20_262
"""Seeds of the random numbers; arbitrary."""

MAX_BINS = 64
"""The maximum number of bins."""

RIDGE_SHARE = 1e-11
"""Added to the variances, as a share of the largest."""

DRAW_BATCH_SIZE = 50
"""Draws per batch; divides the numbers of draws."""

NORMAL_DEGREES = 1e6
"""Degrees of freedom from which t is normal."""


@dataclass(frozen=True, kw_only=True)
class DistanceTest:
    """A distance between two distributions, and the probability of at least this distance under a proper draw."""

    distance: float
    p: float


@dataclass(frozen=True, kw_only=True)
class DistanceFunction:
    """A distance, as the largest of linear functions of the differences of B bins.

    Attributes:
        compute: Rows of differences, (n, B), to their distances, (n,).
        compute_deviation: From R with ``R R'`` the covariance of the differences, (B, k): an upper bound of the
            standard deviation of each of those functions.
    """

    compute: Callable[[FloatArray], FloatArray]
    compute_deviation: Callable[[FloatArray], float]


def build_ks_distance() -> DistanceFunction:
    """Return the Kolmogorov–Smirnov distance: the largest difference of the cumulative shares, at the bins' edges.

    >>> import numpy as np
    >>> build_ks_distance().compute(np.array([[0.25, -0.25]])).tolist()
    [0.25]
    """
    return DistanceFunction(
        compute=lambda rows: np.asarray(np.abs(np.cumsum(rows, axis=1)).max(axis=1), np.float64),
        compute_deviation=lambda root: float(_compute_row_norms(np.cumsum(root, axis=0)).max()),
    )


def build_tv_distance() -> DistanceFunction:
    """Return total variation: half the sum of the absolute differences.

    >>> import numpy as np
    >>> build_tv_distance().compute(np.array([[0.25, -0.5, 0.25]])).tolist()
    [0.5]
    """
    return DistanceFunction(
        compute=lambda rows: np.asarray(np.abs(rows).sum(axis=1) / 2, np.float64),
        compute_deviation=lambda root: float(_compute_row_norms(root).sum()) / 2,
    )


def build_wasserstein_distance(widths: FloatArray) -> DistanceFunction:
    """Return the first Wasserstein distance: the area between the cumulative shares.

    Args:
        widths: Shape (B − 1,); the distance between the upper edges of neighbouring bins.

    >>> import numpy as np
    >>> build_wasserstein_distance(np.array([10.0])).compute(np.array([[0.25, -0.25]])).tolist()
    [2.5]
    """
    return DistanceFunction(
        compute=lambda rows: np.asarray(np.abs(np.cumsum(rows, axis=1)[:, :-1]) @ widths, np.float64),
        compute_deviation=lambda root: float(_compute_row_norms(np.cumsum(root, axis=0)[:-1]) @ widths),
    )


@dataclass(frozen=True, kw_only=True)
class SimulatedDraws:
    """Simulated differences of proper draws: t-distributed around 0.

    The random numbers are the same for every column, so a comparison is reproducible.

    Attributes:
        covariance: Shape (B, B).
        degrees: Degrees of freedom of the covariance.
    """

    covariance: FloatArray
    degrees: float

    @functools.cached_property
    def covariance_root(self) -> FloatArray:
        """R with ``R R'`` the covariance, (B, B); (B, 0) for a zero covariance."""
        covariance = (self.covariance + self.covariance.T) / 2
        largest = float(np.diag(covariance).max())
        if largest <= SHARE_TOLERANCE**2:
            return np.zeros((len(covariance), 0))
        # Shares sum to 1, so their covariance is singular, and slightly indefinite by rounding.
        ridge = largest * RIDGE_SHARE * np.eye(len(covariance))
        return np.asarray(np.linalg.cholesky(covariance + ridge), np.float64)

    @functools.cached_property
    def first_draws(self) -> FloatArray:
        """The first draws, (DRAWS, B)."""
        return self._draw_differences(FIRST_DRAW_COUNT, FIRST_SEED)

    def measure_distance(self, distance: DistanceFunction, difference: FloatArray) -> DistanceTest:
        """Return a distance and its p-value for the sample's shares minus production's, shape (B,)."""
        seen = float(distance.compute(difference[None, :])[0])
        if float(np.abs(difference).sum()) <= SHARE_TOLERANCE:
            return DistanceTest(distance=0.0, p=1.0)
        if self.covariance_root.shape[1] == 0:
            return DistanceTest(distance=seen, p=0.0)
        drawn = distance.compute(self.first_draws)
        beyond, draws = int((drawn >= seen).sum()), FIRST_DRAW_COUNT
        if beyond < MIN_EXCEEDING_DRAWS:
            beyond += int((distance.compute(self._draw_differences(FURTHER_DRAW_COUNT, FURTHER_SEED)) >= seen).sum())
            draws += FURTHER_DRAW_COUNT
        p = (1 + beyond) / (1 + draws)
        if beyond == 0:
            p = min(p, self._bound_tail_probability(distance, seen - float(drawn.mean())))
        return DistanceTest(distance=seen, p=p)

    def _draw_differences(self, count: int, seed: int) -> FloatArray:
        # In batches: see `sandbox.estimate.bin_totals.compute_cross_product`.
        normals = _draw_normals(count, seed)[:, : self.covariance_root.shape[1]].reshape(
            -1, DRAW_BATCH_SIZE, self.covariance_root.shape[1]
        )
        differences = (normals @ self.covariance_root.T).reshape(count, -1)
        if self.degrees < NORMAL_DEGREES:
            chi = np.random.default_rng(-seed % 2**32).chisquare(self.degrees, count)
            differences *= np.sqrt(self.degrees / chi)[:, None]
        return np.asarray(differences, np.float64)

    def _bound_tail_probability(self, distance: DistanceFunction, excess: float) -> float:
        """Bound the probability that a distance exceeds its mean by ``excess``, if no draw did.

        The largest of linear functions of a normal vector exceeds its mean by t with probability at most
        ``exp(−t²/2σ²)``, σ the largest of their deviations; for t instead of normal vectors this is averaged over χ².

        Source: Borell 1975; Tsirelson, Ibragimov & Sudakov 1976; Adler & Taylor 2007, theorem 2.1.1.
        """
        deviation = distance.compute_deviation(self.covariance_root)
        if excess <= 0 or deviation <= 0:
            return 1.0 if excess <= 0 else 0.0
        square = (excess / deviation) ** 2
        if self.degrees >= NORMAL_DEGREES:
            return math.exp(-square / 2)
        # E[exp(−s·χ²/(2 degrees))] over χ² with these degrees.
        return math.exp(-self.degrees / 2 * math.log1p(square / self.degrees))


@functools.cache
def _draw_normals(count: int, seed: int) -> FloatArray:
    """Return standard normal numbers, (count, MAX_BINS), always the same ones."""
    return np.random.default_rng(seed).standard_normal((count, MAX_BINS))


def _compute_row_norms(rows: FloatArray) -> FloatArray:
    return np.asarray(np.sqrt((rows**2).sum(axis=1)), np.float64)
