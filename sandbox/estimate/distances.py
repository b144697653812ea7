"""Distances between two distributions over bins, and how often a proper draw gives at least as much."""

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
"""So few draws beyond what was found leave its probability too uncertain; more are made."""

SHARE_TOLERANCE = 1e-9
"""Shares that differ by less are equal but for rounding."""

FIRST_SEED, FURTHER_SEED = 20_261, 20_262
"""What the random numbers come from; any numbers do."""

MAX_BINS = 64
"""The most bins that a distribution has."""

RIDGE_SHARE = 1e-11
"""What is added to the variances, as a share of the largest."""

DRAW_BATCH_SIZE = 50
"""Draws that are made at a time; the numbers of draws are multiples of it."""

NORMAL_DEGREES = 1e6
"""Degrees of freedom from which t is normal."""


@dataclass(frozen=True, kw_only=True)
class DistanceTest:
    """A distance between two distributions, and how often a proper draw gives at least that."""

    distance: float
    p: float


@dataclass(frozen=True, kw_only=True)
class DistanceFunction:
    """A distance, as the largest of linear functions of the differences of B bins.

    Attributes:
        compute: Rows of differences, (n, B), to their distances, (n,).
        compute_deviation: From R with ``R R'`` the covariance of the differences, (B, k): a number that is at least the
            standard deviation of each of those functions.
    """

    compute: Callable[[FloatArray], FloatArray]
    compute_deviation: Callable[[FloatArray], float]


def build_ks_distance() -> DistanceFunction:
    """Give Kolmogorov and Smirnov's: the largest difference of the cumulated shares, at the bins' edges.

    >>> import numpy as np
    >>> build_ks_distance().compute(np.array([[0.25, -0.25]])).tolist()
    [0.25]
    """
    return DistanceFunction(
        compute=lambda rows: np.asarray(np.abs(np.cumsum(rows, axis=1)).max(axis=1), np.float64),
        compute_deviation=lambda root: float(_compute_row_norms(np.cumsum(root, axis=0)).max()),
    )


def build_tv_distance() -> DistanceFunction:
    """Give total variation: half the sum of the differences.

    >>> import numpy as np
    >>> build_tv_distance().compute(np.array([[0.25, -0.5, 0.25]])).tolist()
    [0.5]
    """
    return DistanceFunction(
        compute=lambda rows: np.asarray(np.abs(rows).sum(axis=1) / 2, np.float64),
        compute_deviation=lambda root: float(_compute_row_norms(root).sum()) / 2,
    )


def build_wasserstein_distance(widths: FloatArray) -> DistanceFunction:
    """Give Wasserstein's first distance: the area between the cumulated shares.

    Args:
        widths: Shape (B − 1,); how far apart the upper edges of neighbouring bins are.

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
    """The differences that proper draws would show: t-distributed around 0.

    They come from the same random numbers for every column, so that a comparison can be repeated.

    Attributes:
        covariance: Shape (B, B).
        degrees: Of freedom, with which it is known.
    """

    covariance: FloatArray
    degrees: float

    @functools.cached_property
    def covariance_root(self) -> FloatArray:
        """R with ``R R'`` the covariance, (B, B); (B, 0) where nothing varies."""
        covariance = (self.covariance + self.covariance.T) / 2
        largest = float(np.diag(covariance).max())
        if largest <= SHARE_TOLERANCE**2:
            return np.zeros((len(covariance), 0))
        # Shares sum to 1, so a covariance of them is singular, and by rounding a little less.
        ridge = largest * RIDGE_SHARE * np.eye(len(covariance))
        return np.asarray(np.linalg.cholesky(covariance + ridge), np.float64)

    @functools.cached_property
    def first_draws(self) -> FloatArray:
        """The first draws, (DRAWS, B)."""
        return self._draw_differences(FIRST_DRAW_COUNT, FIRST_SEED)

    def measure_distance(self, distance: DistanceFunction, difference: FloatArray) -> DistanceTest:
        """Give a distance and its probability.

        Args:
            distance: Which.
            difference: Shape (B,); the sample's shares less production's.
        """
        found = float(distance.compute(difference[None, :])[0])
        if float(np.abs(difference).sum()) <= SHARE_TOLERANCE:
            return DistanceTest(distance=0.0, p=1.0)
        if self.covariance_root.shape[1] == 0:
            return DistanceTest(distance=found, p=0.0)
        drawn = distance.compute(self.first_draws)
        beyond, draws = int((drawn >= found).sum()), FIRST_DRAW_COUNT
        if beyond < MIN_EXCEEDING_DRAWS:
            beyond += int((distance.compute(self._draw_differences(FURTHER_DRAW_COUNT, FURTHER_SEED)) >= found).sum())
            draws += FURTHER_DRAW_COUNT
        p = (1 + beyond) / (1 + draws)
        if beyond == 0:
            p = min(p, self._bound_tail_probability(distance, found - float(drawn.mean())))
        return DistanceTest(distance=found, p=p)

    def _draw_differences(self, count: int, seed: int) -> FloatArray:
        # A few at a time: see `moments.crossed`.
        normals = _draw_normals(count, seed)[:, : self.covariance_root.shape[1]].reshape(
            -1, DRAW_BATCH_SIZE, self.covariance_root.shape[1]
        )
        found = (normals @ self.covariance_root.T).reshape(count, -1)
        if self.degrees < NORMAL_DEGREES:
            chi = np.random.default_rng(-seed % 2**32).chisquare(self.degrees, count)
            found *= np.sqrt(self.degrees / chi)[:, None]
        return np.asarray(found, np.float64)

    def _bound_tail_probability(self, distance: DistanceFunction, excess: float) -> float:
        """Bound how often a distance exceeds its mean by so much, where no draw did.

        The largest of linear functions of a normal vector lies beyond its mean by t at most as often as
        ``exp(−t²/2σ²)``, σ the largest of their deviations; for t instead of normal vectors that is averaged over χ².

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
    """Give standard normal numbers, (count, WIDEST), always the same ones."""
    return np.random.default_rng(seed).standard_normal((count, MAX_BINS))


def _compute_row_norms(rows: FloatArray) -> FloatArray:
    return np.asarray(np.sqrt((rows**2).sum(axis=1)), np.float64)
