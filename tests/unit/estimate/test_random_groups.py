"""Random groups: dealt at one rate in each class, and intervals that hold the truth as often as they say."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.compare.units.cell_totals import CellTotals, count_unequal_cells
from sandbox.estimate.design import SamplingDesign, SizeMeasure
from sandbox.estimate.random_groups import (
    RandomGroups,
    estimate_group_ratio,
    estimate_group_total,
    has_light_tails,
)
from sandbox.sampler.random_groups import MAX_CLASSES, assign_groups

RATES = [0.02, 0.021, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 1.0]


def build_design(rates: list[float], population: int = 1_000) -> SamplingDesign:
    counts = [population] * len(rates)
    sampled = [round(population * rate) for rate in rates]
    stratum = np.repeat(np.arange(len(rates)), sampled)
    return SamplingDesign.from_arrays(population=counts, sampled=sampled, probability=rates, stratum=stratum)


def test_units_of_a_class_have_one_rate_and_certain_ones_a_group_of_their_own() -> None:
    design = build_design(RATES)
    rng = np.random.default_rng(1)
    found = assign_groups(design, thinning=rng.random(design.unit_count), order=rng.random(design.unit_count))
    assert found is not None
    groups = found.groups
    assert len(groups.population) == MAX_CLASSES
    assert groups.population.sum() == design.population.sum()
    assert groups.sampled[-1] == 1_000
    assert np.count_nonzero(groups.of_class == len(groups.population) - 1) == 1
    assert groups.sampled.sum() + np.count_nonzero(found.of_unit < 0) == design.unit_count
    for number in range(len(groups.population) - 1):
        inside = np.isin(found.of_unit, np.flatnonzero(groups.of_class == number))
        strata = np.unique(design.stratum[inside])
        kept = [np.count_nonzero(inside & (design.stratum == h)) / 1_000 for h in strata]
        least = float(design.probability[strata].min())
        assert kept == pytest.approx([least] * len(strata), abs=5 * np.sqrt(least / 1_000))


def test_too_few_units_have_no_groups() -> None:
    design = build_design([0.001])
    assert assign_groups(design, thinning=np.zeros(1), order=np.zeros(1)) is None
    missing = SamplingDesign.from_arrays(population=[9, 90], sampled=[0, 30], probability=[0.1, 0.3], stratum=[1] * 30)
    assert assign_groups(missing, thinning=np.zeros(30), order=np.zeros(30)) is None


def test_intervals_hold_the_truth_and_a_constant_ratio_has_no_width() -> None:
    rng = np.random.default_rng(5)
    x = rng.gamma(2.0, 10.0, 4_000)
    stratum = np.repeat([0, 1], 2_000)
    held = 0
    for _ in range(400):
        drawn = np.concatenate([rng.choice(2_000, 200, replace=False), 2_000 + rng.choice(2_000, 600, replace=False)])
        design = SamplingDesign.from_arrays(
            population=[2_000, 2_000], sampled=[200, 600], probability=[0.1, 0.3], stratum=stratum[drawn]
        )
        found = assign_groups(design, thinning=rng.random(800), order=rng.random(800))
        assert found is not None
        sums = np.bincount(found.of_unit, x[drawn], found.groups.count).astype(np.float64)
        result = estimate_group_total(found.groups, sums)
        assert result.low is not None
        assert result.high is not None
        held += result.low <= x.sum() <= result.high
        relative = estimate_group_ratio(found.groups, 0.25 * sums, sums)
        assert (relative.low, relative.high) == (0.25, 0.25)
    assert 0.92 <= held / 400 <= 0.98


def test_a_total_of_few_groups_has_no_limits_and_none_is_exact() -> None:
    groups = RandomGroups(population=np.array([600]), sampled=np.full(6, 10), of_class=np.zeros(6, np.int64))
    assert estimate_group_total(groups, np.zeros(6)).status == "exact"
    few = estimate_group_total(groups, np.array([1.0, 2, 3, 4, 0, 0]))
    assert (few.status, few.estimate, few.low) == ("bounded", 100.0, None)
    assert estimate_group_ratio(groups, np.ones(6), np.zeros(6, np.float64)).status == "not_estimated"


@pytest.mark.parametrize(("x", "light"), [(np.ones(1_000), True), (np.r_[np.ones(995), np.full(5, 1e4)], False)])
def test_a_few_large_units_leave_no_totals(x: np.ndarray, *, light: bool) -> None:
    moments = np.array([[(x**p).sum() for p in (1, 2, 3, 4)]])
    size = SizeMeasure(name="items.price", moments=moments, unseen=np.sort(x)[-10:], sampled=x[:100])
    design = SamplingDesign.from_arrays(
        population=[1_000], sampled=[100], probability=[0.1], stratum=[0] * 100, sizes=(size,)
    )
    assert has_light_tails(design) is light


def test_sums_add_up_within_rounding_and_nothing_more() -> None:
    whole = CellTotals(types={"n": "BIGINT", "x": "DOUBLE"}, sums={("a",): [3, 0.3], ("b",): [5, 1.0]})
    parts = [
        (1.0, CellTotals(types=whole.types, sums={("a",): [1, 0.1], ("b",): [5, 1.0]})),
        (2.0, CellTotals(types=whole.types, sums={("a",): [1, 0.1]})),
    ]
    assert count_unequal_cells("n", whole, parts) == (0, 2)
    assert count_unequal_cells("x", whole, parts) == (0, 2)
    more = [*parts, (1.0, CellTotals(types=whole.types, sums={("c",): [1, 1e-6]}))]
    assert count_unequal_cells("n", whole, more) == (1, 3)
    assert count_unequal_cells("x", whole, more) == (1, 3)
    assert count_unequal_cells("x", whole, parts[:1])[0] == 1
