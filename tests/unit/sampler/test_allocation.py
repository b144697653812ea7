"""Allocation: floors, probabilities and the solution for a target."""

from __future__ import annotations

import math

import pytest

from sandbox.sampler.plan import allocation


def test_small_strata_come_whole_and_the_floor_is_safe() -> None:
    m_star = 30 + 4.5 + 3 * math.sqrt(32.25)
    least = allocation.compute_floors([1, 51, 52, 1_000_000], 30)
    assert least == [1.0, 1.0, m_star / 52, m_star / 1_000_000]


def test_a_minimum_of_zero_asks_for_nothing() -> None:
    assert allocation.compute_floors([1, 1000], 0) == [0.0, 0.0]


def test_a_rate_is_raised_to_the_floor_and_cut_at_one() -> None:
    assert allocation.compute_probabilities([1.0, 1.0, 1.0], [0.0, 0.5, 1.0], 0.1) == [0.1, 0.5, 1.0]


@pytest.mark.parametrize("target", [60.0, 100.0, 250.0, 999.0])
def test_a_target_is_met_exactly(target: float) -> None:
    populations, least = [10.0, 90.0, 900.0], [1.0, 0.5, 0.001]
    scale = allocation.solve_scale(target, populations, [1.0] * 3, least)
    reached = sum(
        n * p for n, p in zip(populations, allocation.compute_probabilities([1.0] * 3, least, scale), strict=True)
    )
    assert reached == pytest.approx(target, rel=1e-12)


def test_a_target_below_the_floors_gives_the_floors() -> None:
    assert allocation.solve_scale(5, [10, 90], [1, 1], [1.0, 0.1]) == 0.0


def test_a_target_above_everything_gives_everything() -> None:
    assert math.isinf(allocation.solve_scale(101, [10, 90], [1, 1], [0, 0]))
    assert math.isinf(allocation.solve_scale(100, [10, 90], [1, 1], [0, 0]))


def test_ten_thousand_strata_are_solved_quickly_and_exactly() -> None:
    populations = [float(n) for n in range(1, 10_001)]
    least = allocation.compute_floors([int(n) for n in populations], 30)
    scale = allocation.solve_scale(2_000_000, populations, [1.0] * len(populations), least)
    chosen = allocation.compute_probabilities([1.0] * len(populations), least, scale)
    assert sum(n * p for n, p in zip(populations, chosen, strict=True)) == pytest.approx(2_000_000)
