"""Quantiles of Student's t and of the gamma distribution, to about ten digits, without a dependency.

Incomplete gamma and beta functions: series and continued fractions (Lentz) as in Abramowitz & Stegun 1964, 6.5.29,
6.5.31 and 26.5.8.
"""

from __future__ import annotations

import itertools
import math
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_EPSILON = 1e-15
_TINY = 1e-300
_LARGE_SHAPE = 1e6  # above it, Wilson and Hilferty's approximation is as good as the series
_LARGE_DEGREES = 1e3


def compute_t_quantile(probability: float, degrees: float) -> float:
    """Return a quantile of Student's t distribution.

    Args:
        probability: In [0.5, 1).
        degrees: Degrees of freedom, >= 1; may be fractional.

    Source: Abramowitz & Stegun 1964, 26.5.27, and the expansion 26.7.5 above 1,000 degrees.

    >>> round(compute_t_quantile(0.975, 10), 6)
    2.228139
    """
    z = NormalDist().inv_cdf(probability)
    approximate = (
        z
        + (z**3 + z) / (4 * degrees)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * degrees**3)
    )
    if degrees > _LARGE_DEGREES:
        return approximate
    scale = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2) - 0.5 * math.log(degrees * math.pi)

    def compute_probability(t: float) -> float:
        return 1 - compute_regularized_beta(degrees / (degrees + t * t), degrees / 2, 0.5) / 2

    def compute_density(t: float) -> float:
        return math.exp(scale - (degrees + 1) / 2 * math.log1p(t * t / degrees))

    return _invert_distribution(
        compute_probability, compute_density, probability, approximate, high=1 / (1 - probability) + 1
    )


def compute_gamma_quantile(probability: float, shape: float) -> float:
    """Return a quantile of the gamma distribution of scale 1.

    Args:
        probability: In (0, 1).
        shape: > 0.

    Source: Abramowitz & Stegun 1964, 6.5; start: Wilson & Hilferty 1931, PNAS 17(12).

    >>> round(compute_gamma_quantile(0.975, 1), 6) == round(-math.log(0.025), 6)
    True
    """
    z = NormalDist().inv_cdf(probability)
    approximate = shape * max(1 - 1 / (9 * shape) + z / (3 * math.sqrt(shape)), 0.0) ** 3
    if shape > _LARGE_SHAPE:
        return approximate
    if shape < 1 or approximate == 0:
        approximate = math.exp((math.log(probability) + math.lgamma(shape + 1)) / shape)

    def compute_density(x: float) -> float:
        return math.exp((shape - 1) * math.log(max(x, _TINY)) - x - math.lgamma(shape))

    return _invert_distribution(
        lambda x: _compute_regularized_gamma(shape, x),
        compute_density,
        probability,
        approximate,
        high=shape + 40 * math.sqrt(shape) + 800,
    )


def _invert_distribution(
    below: Callable[[float], float],
    density: Callable[[float], float],
    probability: float,
    start: float,
    *,
    high: float,
) -> float:
    """Invert a distribution function over [0, high]: Newton steps, or bisection if a step would leave the bracket."""
    low, x = 0.0, min(start, high)
    for _ in range(200):
        excess = below(x) - probability
        low, high = (low, x) if excess > 0 else (x, high)
        slope = density(x)
        step = x - excess / slope if slope > 0 else math.inf
        new = step if low <= step <= high else (low + high) / 2
        if abs(new - x) <= 1e-13 * x:
            return new
        x = new
    return x


def _compute_regularized_gamma(shape: float, x: float) -> float:
    """Return the regularised lower incomplete gamma function P(shape, x)."""
    if x <= 0:
        return 0.0
    front = math.exp(shape * math.log(x) - x - math.lgamma(shape))
    if x >= shape + 1:
        pairs = ((k * (shape - k), x + 2 * k + 1 - shape) for k in itertools.count(1))
        return 1 - front / _evaluate_continued_fraction(x + 1 - shape, pairs)
    term = total = 1 / shape
    at = shape
    while term > total * _EPSILON:
        at += 1
        term *= x / at
        total += term
    return front * total


def compute_regularized_beta(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b)."""
    if x >= 1:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - compute_regularized_beta(1 - x, b, a)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))

    def compute_numerator(j: int) -> float:
        m = j // 2
        if j % 2:
            return -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        return m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))

    return front / (a * _evaluate_continued_fraction(1.0, ((compute_numerator(j), 1.0) for j in itertools.count(1))))


def _evaluate_continued_fraction(first: float, pairs: Iterable[tuple[float, float]]) -> float:
    """Return ``b0 + a1/(b1 + a2/(b2 + …))`` of the pairs (a, b), by Lentz's method."""
    value = c = first or _TINY
    d = 0.0
    for a, b in pairs:
        d = 1 / ((b + a * d) or _TINY)
        c = (b + a / c) or _TINY
        value *= c * d
        if abs(c * d - 1) < _EPSILON:
            break
    return value
