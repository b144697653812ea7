"""Allocation: targets are met, floors hold, and a larger target never takes a unit away."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.config.sections.sample import DrawSection
from sandbox.engine.rule import prn
from sandbox.sampler.plan import allocation
from sandbox.sampler.plan.plan import PlannedStratum, UnitPlan
from sandbox.sampler.plan.target_size import SampleTarget, build_target, choose_probabilities

POPULATIONS = st.lists(st.integers(1, 10**7), min_size=1, max_size=30)
MINIMUM = st.integers(0, 100)
RULES = ["proportional", "power", "neyman:x"]


def rising(rule: str, populations: list[int], spreads: list[float]) -> list[float]:
    """Give a_h / N_h as the specification has it."""
    return {
        "proportional": [1.0] * len(populations),
        "power": [math.sqrt(n) / n for n in populations],
        "neyman:x": spreads,
    }[rule]


def drawn(data: st.DataObject) -> tuple[list[int], list[float]]:
    populations = data.draw(POPULATIONS)
    size = len(populations)
    spread = st.floats(1e-9, 1e9)
    return populations, data.draw(st.lists(spread, min_size=size, max_size=size))


def unit(populations: list[int]) -> UnitPlan:
    strata = [PlannedStratum(labels=(), population=n, probability=1.0, threshold=prn.PRIME) for n in populations]
    return UnitPlan(
        table="t",
        key=("id",),
        coefficients=prn.compute_coefficients("", "t"),
        columns=(),
        strata=tuple(strata),
        null_keys=0,
    )


def section(**fields: Any) -> DrawSection:
    return DrawSection.model_validate(fields)


@pytest.mark.parametrize("rule", RULES)
@given(data=st.data(), minimum=MINIMUM, share=st.floats(0.001, 1.2))
def test_a_reachable_target_is_met_and_floors_hold(rule: str, data: st.DataObject, minimum: int, share: float) -> None:
    populations, spreads = drawn(data)
    slopes, least = rising(rule, populations, spreads), allocation.compute_floors(populations, minimum)
    target = share * sum(populations)
    scale = allocation.solve_scale(target, populations, slopes, least)
    found = allocation.compute_probabilities(slopes, least, scale)
    reached = math.fsum(n * p for n, p in zip(populations, found, strict=True))
    lowest = math.fsum(n * p for n, p in zip(populations, least, strict=True))
    assert math.isclose(reached, min(max(target, lowest), sum(populations)), rel_tol=1e-9)
    assert all(floor <= p <= 1 for floor, p in zip(least, found, strict=True))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("target", ["rate", "units"])
@given(data=st.data(), minimum=MINIMUM, shares=st.tuples(st.floats(1e-6, 1), st.floats(1e-6, 1)))
def test_a_larger_target_lowers_no_threshold(
    rule: str, target: str, data: st.DataObject, minimum: int, shares: tuple[float, float]
) -> None:
    populations, spreads = drawn(data)
    plan, slopes = unit(populations), rising(rule, populations, spreads)

    def thresholds(share: float) -> list[int]:
        amount = share if target == "rate" else max(1, round(share * sum(populations)))
        draw = section(**{target: amount}, allocation=rule, min_per_stratum=minimum)
        chosen, _ = choose_probabilities(draw, plan, build_target(draw, plan, None), slopes)
        return [prn.compute_threshold(one) for one in chosen]

    smaller, larger = (thresholds(share) for share in sorted(shares))
    assert all(a <= b for a, b in zip(smaller, larger, strict=True))


@given(
    data=st.data(),
    minimum=MINIMUM,
    sizes=st.tuples(st.integers(1, 10**12), st.integers(1, 10**12)),
    referenced=st.floats(0, 1e9),
)
def test_a_size_is_reached_by_the_cheaper_way_to_reckon_and_nests(
    data: st.DataObject, minimum: int, sizes: tuple[int, int], referenced: float
) -> None:
    populations, own = drawn(data)
    plan, slopes = unit(populations), [1.0] * len(populations)
    wholly = [n * c for n, c in zip(populations, own, strict=True)]
    singly = [1.5 * cost for cost in wholly]
    least = allocation.compute_floors(populations, minimum)

    def chosen(size: float) -> list[float]:
        draw = section(size=int(size), min_per_stratum=minimum)
        ask = SampleTarget(name="size", budgets=[(size, singly), (size - referenced, wholly)], unit="bytes")
        return choose_probabilities(draw, plan, ask, slopes)[0]

    def cost(found: list[float]) -> float:
        ways = [(0.0, singly), (referenced, wholly)]
        return min(fixed + math.fsum(c * p for c, p in zip(way, found, strict=True)) for fixed, way in ways)

    smaller, larger = sorted(sizes)
    found = chosen(larger)
    assert all(
        prn.compute_threshold(a) <= prn.compute_threshold(b) for a, b in zip(chosen(smaller), found, strict=True)
    )
    most = cost([1.0] * len(populations))
    assert math.isclose(cost(found), min(max(larger, cost(least)), most), rel_tol=1e-6)
