"""Allocation: targets are met, floors hold, and a larger target never takes a unit away."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from sandbox.sampler import allocation

POPULATIONS = st.lists(st.integers(1, 10**7), min_size=1, max_size=30)


def chosen(populations: list[int], least: list[float], target: float) -> list[float]:
    slopes = [1.0] * len(populations)
    return allocation.probabilities(slopes, least, allocation.scale_for(target, populations, slopes, least))


@given(populations=POPULATIONS, minimum=st.integers(0, 100), share=st.floats(0.001, 1.2))
def test_a_reachable_target_is_met(populations: list[int], minimum: int, share: float) -> None:
    least = allocation.floors(populations, minimum)
    target = share * sum(populations)
    found = chosen(populations, least, target)
    reached = math.fsum(n * p for n, p in zip(populations, found, strict=True))
    lowest = math.fsum(n * p for n, p in zip(populations, least, strict=True))
    assert math.isclose(reached, min(max(target, lowest), sum(populations)), rel_tol=1e-9)
    assert all(floor <= p <= 1 for floor, p in zip(least, found, strict=True))


@given(
    populations=POPULATIONS,
    minimum=st.integers(0, 100),
    targets=st.tuples(st.floats(1, 10**8), st.floats(1, 10**8)),
)
def test_a_larger_target_lowers_no_probability(
    populations: list[int], minimum: int, targets: tuple[float, float]
) -> None:
    least = allocation.floors(populations, minimum)
    smaller, larger = (chosen(populations, least, target) for target in sorted(targets))
    assert all(a <= b + 1e-12 for a, b in zip(smaller, larger, strict=True))
