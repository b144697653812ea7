"""Quantiles against those of scipy 1.17.1 (``stats.t.ppf``, ``special.gammaincinv``)."""

from __future__ import annotations

import pytest

from sandbox.estimate.distributions import compute_gamma_quantile, compute_t_quantile


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [
        (1, 12.706204736174694),
        (1.5, 6.016663104427929),
        (7.7, 2.3217367528308643),
        (100, 1.9839715185235518),
        (999, 1.9623414611334493),
        (1001, 1.9623367052808798),
        (1e6, 1.959966356814107),
        (float("inf"), 1.959963984540054),
    ],
)
def test_students_t(degrees: float, expected: float) -> None:
    assert compute_t_quantile(0.975, degrees) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize(
    ("shape", "low", "high"),
    [
        (0.5, 0.0004910345585876278, 2.511943093657444),
        (1, 0.025317807984289876, 3.6888794541139354),
        (3.7, 0.9408724643775055, 8.312977261150271),
        (29.9, 20.15882450264807, 41.5308714079056),
        (1234.5, 1166.5877703648403, 1304.3064251562787),
        (1.1e6, 1097945.3197477572, 1102056.5745579996),
    ],
)
def test_gamma(shape: float, low: float, high: float) -> None:
    assert compute_gamma_quantile(0.025, shape) == pytest.approx(low, rel=1e-10)
    assert compute_gamma_quantile(0.975, shape) == pytest.approx(high, rel=1e-10)
