"""Exact intervals of proportions."""

from __future__ import annotations

from sandbox.estimate.distributions import compute_regularized_beta

_STEPS = 60


def compute_proportion_interval(successes: int, trials: int, *, alpha: float = 0.05) -> tuple[float, float]:
    """Return the limits of a proportion that hold it with probability of at least 1 − ``alpha``.

    Source: Clopper & Pearson 1934.

    >>> low, high = compute_proportion_interval(57, 60)
    >>> round(low, 4), round(high, 4)
    (0.8608, 0.9896)
    >>> compute_proportion_interval(0, 0)
    (0.0, 1.0)
    """
    low = 0.0 if not successes else _find_quantile(alpha / 2, successes, trials - successes + 1)
    high = 1.0 if successes == trials else _find_quantile(1 - alpha / 2, successes + 1, trials - successes)
    return low, high


def _find_quantile(p: float, a: float, b: float) -> float:
    """Return the quantile of a beta distribution, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if compute_regularized_beta(middle, a, b) < p else (low, middle)
    return (low + high) / 2
