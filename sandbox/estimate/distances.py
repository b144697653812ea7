"""Distances between two distributions over bins, and how often a proper draw gives at least as much."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.estimate.design import Numbers

DRAWS = 1_000
MORE_DRAWS = 20_000
FEW = 10
"""So few draws beyond what was found leave its probability too uncertain; more are made."""

EQUAL = 1e-9
"""Shares that differ by less are equal but for rounding."""

FIRST, FURTHER = 20_261, 20_262
"""What the random numbers come from; any numbers do."""

WIDEST = 64
"""The most bins that a distribution has."""

RIDGE = 1e-11
"""What is added to the variances, as a share of the largest."""

TOGETHER = 50
"""Draws that are made at a time; the numbers of draws are multiples of it."""

NORMAL = 1e6
"""Degrees of freedom from which t is normal."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A distance between two distributions, and how often a proper draw gives at least that."""

    distance: float
    p: float


@dataclass(frozen=True, kw_only=True)
class Distance:
    """A distance, as the largest of linear functions of the differences of B bins.

    Attributes:
        of: Rows of differences, (n, B), to their distances, (n,).
        deviation: From R with ``R R'`` the covariance of the differences, (B, k): a number that is at least the
            standard deviation of each of those functions.
    """

    of: Callable[[Numbers], Numbers]
    deviation: Callable[[Numbers], float]


def ks() -> Distance:
    """Give Kolmogorov and Smirnov's: the largest difference of the cumulated shares, at the bins' edges.

    >>> import numpy as np
    >>> ks().of(np.array([[0.25, -0.25]])).tolist()
    [0.25]
    """
    return Distance(
        of=lambda rows: np.asarray(np.abs(np.cumsum(rows, axis=1)).max(axis=1), np.float64),
        deviation=lambda root: float(_lengths(np.cumsum(root, axis=0)).max()),
    )


def tv() -> Distance:
    """Give total variation: half the sum of the differences.

    >>> import numpy as np
    >>> tv().of(np.array([[0.25, -0.5, 0.25]])).tolist()
    [0.5]
    """
    return Distance(
        of=lambda rows: np.asarray(np.abs(rows).sum(axis=1) / 2, np.float64),
        deviation=lambda root: float(_lengths(root).sum()) / 2,
    )


def wasserstein(widths: Numbers) -> Distance:
    """Give Wasserstein's first distance: the area between the cumulated shares.

    Args:
        widths: Shape (B − 1,); how far apart the upper edges of neighbouring bins are.

    >>> import numpy as np
    >>> wasserstein(np.array([10.0])).of(np.array([[0.25, -0.25]])).tolist()
    [2.5]
    """
    return Distance(
        of=lambda rows: np.asarray(np.abs(np.cumsum(rows, axis=1)[:, :-1]) @ widths, np.float64),
        deviation=lambda root: float(_lengths(np.cumsum(root, axis=0)[:-1]) @ widths),
    )


@dataclass(frozen=True, kw_only=True)
class Draws:
    """The differences that proper draws would show: t-distributed around 0.

    They come from the same random numbers for every column, so that a comparison can be repeated.

    Attributes:
        covariance: Shape (B, B).
        degrees: Of freedom, with which it is known.
    """

    covariance: Numbers
    degrees: float

    @functools.cached_property
    def root(self) -> Numbers:
        """R with ``R R'`` the covariance, (B, B); (B, 0) where nothing varies."""
        covariance = (self.covariance + self.covariance.T) / 2
        largest = float(np.diag(covariance).max())
        if largest <= EQUAL**2:
            return np.zeros((len(covariance), 0))
        # Shares sum to 1, so a covariance of them is singular, and by rounding a little less.
        ridge = largest * RIDGE * np.eye(len(covariance))
        return np.asarray(np.linalg.cholesky(covariance + ridge), np.float64)

    @functools.cached_property
    def few(self) -> Numbers:
        """The first draws, (DRAWS, B)."""
        return self._drawn(DRAWS, FIRST)

    def measured(self, distance: Distance, difference: Numbers) -> Measured:
        """Give a distance and its probability.

        Args:
            distance: Which.
            difference: Shape (B,); the sample's shares less production's.
        """
        found = float(distance.of(difference[None, :])[0])
        if float(np.abs(difference).sum()) <= EQUAL:
            return Measured(distance=0.0, p=1.0)
        if self.root.shape[1] == 0:
            return Measured(distance=found, p=0.0)
        drawn = distance.of(self.few)
        beyond, draws = int((drawn >= found).sum()), DRAWS
        if beyond < FEW:
            beyond += int((distance.of(self._drawn(MORE_DRAWS, FURTHER)) >= found).sum())
            draws += MORE_DRAWS
        p = (1 + beyond) / (1 + draws)
        if beyond == 0:
            p = min(p, self._tail(distance, found - float(drawn.mean())))
        return Measured(distance=found, p=p)

    def _drawn(self, count: int, seed: int) -> Numbers:
        # A few at a time: see `moments.crossed`.
        normals = _normals(count, seed)[:, : self.root.shape[1]].reshape(-1, TOGETHER, self.root.shape[1])
        found = (normals @ self.root.T).reshape(count, -1)
        if self.degrees < NORMAL:
            chi = np.random.default_rng(-seed % 2**32).chisquare(self.degrees, count)
            found *= np.sqrt(self.degrees / chi)[:, None]
        return np.asarray(found, np.float64)

    def _tail(self, distance: Distance, excess: float) -> float:
        """Bound how often a distance exceeds its mean by so much, where no draw did.

        The largest of linear functions of a normal vector lies beyond its mean by t at most as often as
        ``exp(−t²/2σ²)``, σ the largest of their deviations; for t instead of normal vectors that is averaged over χ².

        Source: Borell 1975; Tsirelson, Ibragimov & Sudakov 1976; Adler & Taylor 2007, theorem 2.1.1.
        """
        deviation = distance.deviation(self.root)
        if excess <= 0 or deviation <= 0:
            return 1.0 if excess <= 0 else 0.0
        square = (excess / deviation) ** 2
        if self.degrees >= NORMAL:
            return math.exp(-square / 2)
        # E[exp(−s·χ²/(2 degrees))] over χ² with these degrees.
        return math.exp(-self.degrees / 2 * math.log1p(square / self.degrees))


@functools.cache
def _normals(count: int, seed: int) -> Numbers:
    """Give standard normal numbers, (count, WIDEST), always the same ones."""
    return np.random.default_rng(seed).standard_normal((count, WIDEST))


def _lengths(rows: Numbers) -> Numbers:
    return np.asarray(np.sqrt((rows**2).sum(axis=1)), np.float64)
