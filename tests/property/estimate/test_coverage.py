"""How often a 95 % interval holds the truth, over draws by the real rule at unequal rates.

`benchmarks/estimate/coverage.py` does the same at length; docs/estimates.md has its table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sandbox.engine.rule.prn import PRIME, compute_coefficients, compute_threshold
from sandbox.estimate.affected_units import estimate_affected_units
from sandbox.estimate.design import SamplingDesign, SizeMeasure
from sandbox.estimate.ratios import estimate_ratio, estimate_ratio_change
from sandbox.estimate.sizes import POWERS
from sandbox.estimate.totals import estimate_total, estimate_total_change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox.estimate.result import IntervalEstimate

Array = np.ndarray[Any, np.dtype[Any]]

POPULATION = np.array([6000, 2000, 300])
THRESHOLDS = np.array([compute_threshold(rate) for rate in (0.04, 0.1, 0.4)])
STRATUM = np.repeat(np.arange(3), POPULATION)
SIZE = int(POPULATION.sum())
KEYS = np.arange(1, SIZE + 1) * 4_321
DRAWS = 1200
"""The Monte-Carlo error of a coverage near 95 % is then 0.6 percentage points."""


def numbers(salt: str) -> Array:
    """Give the permanent random number of each key."""
    c0, c1, c2, c3, c4, c5 = compute_coefficients(salt, "customers")
    x = ((KEYS & PRIME) + ((KEYS >> 31) & PRIME) * c4 % PRIME + ((KEYS >> 62) & 3) * c5 % PRIME) % PRIME
    found: Array = ((((c3 * x + c2) % PRIME) * x + c1) % PRIME * x + c0) % PRIME
    return found


def draws(count: int = DRAWS) -> Iterator[tuple[Array, SamplingDesign]]:
    """Give which units are drawn, and the design, for one salt after the other."""
    for salt in range(count):
        drawn = numbers(f"salt {salt}") < THRESHOLDS[STRATUM]
        yield (
            drawn,
            SamplingDesign.from_arrays(
                population=POPULATION,
                sampled=np.bincount(STRATUM[drawn], minlength=3),
                probability=THRESHOLDS / PRIME,
                stratum=STRATUM[drawn],
                sizes=(SizeMeasure(name="before", moments=MOMENTS, unseen=np.zeros(0), sampled=BEFORE[drawn]),),
            ),
        )


@pytest.mark.parametrize("count", [1, 4, 30, 150, 900, 4000, 7400, SIZE - 25, SIZE - 2, SIZE])
def test_units_affected_are_held_at_every_count(count: int) -> None:
    place = np.random.default_rng(count).permutation(SIZE)
    held = []
    for drawn, design in draws():
        found = estimate_affected_units(design, place[drawn] < count)
        assert found.low is not None
        assert found.high is not None
        held.append(found.low <= count <= found.high)
    assert np.mean(held) >= 0.93


RNG = np.random.default_rng(7)
ROWS = 1 + RNG.poisson(2, SIZE)
OWNER = np.repeat(np.arange(SIZE), ROWS)
VALUES = RNG.gamma(1.5, 5.0, len(OWNER)) * (0.5 + RNG.random(SIZE))[OWNER]
BEFORE: Array = np.bincount(OWNER, VALUES).astype(np.float64)
MOMENTS: Array = np.stack([np.bincount(STRATUM, BEFORE**power) for power in POWERS], axis=1)
AFFECTED = RNG.random(SIZE) < 0.5
AFTER = np.where(AFFECTED, BEFORE * RNG.random(SIZE), BEFORE)


FIGURES: dict[str, tuple[float, Callable[[Array, SamplingDesign], IntervalEstimate]]] = {
    "total": (BEFORE.sum(), lambda i, design: estimate_total(design, BEFORE[i])),
    "ratio": (BEFORE.sum() / ROWS.sum(), lambda i, design: estimate_ratio(design, BEFORE[i], ROWS[i])),
    "change": (
        (AFTER - BEFORE).sum(),
        lambda i, design: estimate_total_change(design, BEFORE[i], AFTER[i], AFFECTED[i]),
    ),
    "change of a ratio": (
        (AFTER - BEFORE).sum() / ROWS.sum(),
        lambda i, design: estimate_ratio_change(design, (BEFORE[i], ROWS[i]), (AFTER[i], ROWS[i]), AFFECTED[i]),
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_that_many_units_carry_is_held_by_its_interval(name: str) -> None:
    truth, figure = FIGURES[name]
    held = []
    for drawn, design in draws():
        assert np.count_nonzero(AFFECTED[drawn]) >= 100
        found = figure(drawn, design)
        if found.status == "estimated":
            assert found.low is not None
            assert found.high is not None
            held.append(found.low <= truth <= found.high)
    assert len(held) >= 0.4 * DRAWS  # others have one limit, or none
    assert 0.93 <= np.mean(held) <= 0.97


@pytest.mark.parametrize("name", ["total", "change"])
def test_what_few_units_carry_has_one_limit(name: str) -> None:
    few = np.where(RNG.permutation(SIZE) < 80, BEFORE, 0.0)
    for drawn, design in draws(100):
        sides = (np.zeros(design.unit_count), few[drawn], few[drawn] > 0)
        found = estimate_total(design, few[drawn]) if name == "total" else estimate_total_change(design, *sides)
        assert np.count_nonzero(few[drawn]) < 30
        assert found.status in {"exact", "bounded", "lower_bound"}
        assert found.high is None or found.status == "exact"
