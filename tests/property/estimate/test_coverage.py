"""How often a 95 % interval holds the truth, over simulated draws at unequal rates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sandbox.estimate.affected import units_affected
from sandbox.estimate.design import Design
from sandbox.estimate.totals import change

POPULATION = np.array([6000, 2000, 300])
SAMPLED = np.array([150, 200, 120])
DRAWS = 1200
"""The Monte-Carlo error of a coverage near 95 % is then 0.6 percentage points."""

DESIGN = Design.of(
    population=POPULATION,
    sampled=SAMPLED,
    probability=SAMPLED / POPULATION,
    stratum=np.repeat(np.arange(3), SAMPLED),
)
Values = np.ndarray[Any, np.dtype[np.float64]]


def first(counts: Values) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Mark as many units of each stratum; their order within it does not matter."""
    return np.concatenate([np.arange(n) < x for n, x in zip(SAMPLED, counts, strict=True)])


@pytest.mark.parametrize(
    "affected",
    [(3, 0, 0), (20, 5, 1), (0, 60, 20), (300, 0, 10), (600, 500, 250), (5700, 100, 0), (5990, 1999, 299)],
)
def test_units_affected_are_covered_at_every_count(affected: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(20261122)
    truth = np.array(affected)
    drawn = rng.hypergeometric(truth, POPULATION - truth, SAMPLED, size=(DRAWS, 3))
    found = [units_affected(DESIGN, first(counts)) for counts in drawn]
    held = [f.low <= truth.sum() <= f.high for f in found if f.low is not None and f.high is not None]
    assert len(held) == DRAWS
    assert np.mean(held) >= 0.93


@pytest.mark.parametrize("shape", ["normal", "skewed"])
def test_the_change_of_a_total_is_covered(shape: str) -> None:
    rng = np.random.default_rng(7)
    changes = [
        (rng.normal(5, 3, n) if shape == "normal" else rng.gamma(1.0, 5.0, n)) * (rng.random(n) < 0.4)
        for n in POPULATION
    ]
    truth = sum(float(stratum.sum()) for stratum in changes)
    held, zeros = [], np.zeros(DESIGN.units)
    for _ in range(DRAWS):
        d = np.concatenate(
            [rng.choice(c, n, replace=False, shuffle=False) for c, n in zip(changes, SAMPLED, strict=True)]
        )
        assert np.count_nonzero(d) >= 100
        found = change(DESIGN, zeros, d, d != 0)
        assert found.low is not None
        assert found.high is not None
        held.append(found.low <= truth <= found.high)
    assert 0.93 <= np.mean(held) <= 0.97
