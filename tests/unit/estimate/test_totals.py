"""Totals, ratios and their changes: against figures by hand and by samplics 0.6.1."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from sandbox.estimate.design import SamplingDesign, SizeMeasure
from sandbox.estimate.ratios import estimate_ratio, estimate_ratio_change
from sandbox.estimate.result import NOT_ESTIMATED, IntervalEstimate
from sandbox.estimate.totals import estimate_standard_error, estimate_total, estimate_total_change

Y = np.array([12.5, 7.25, 30.0, 0.0, 18.75, 4.5, 9.0, 22.0, 3.5, 41.0, 16.0, 8.0])
X = np.array([3.0, 2, 6, 1, 4, 1, 2, 5, 1, 9, 4, 2])
THREE = SamplingDesign.from_arrays(
    population=[50, 12, 90],
    sampled=[5, 4, 3],
    probability=[0.1, 0.3, 0.03],
    stratum=[0] * 5 + [1] * 4 + [2] * 3,
)


def one(units: int, population: int, sizes: np.ndarray[Any, Any] | None = None) -> SamplingDesign:
    """Give a draw of one stratum, whose units have these sizes in the sample and, in proportion, in the population."""
    x = np.ones(units) if sizes is None else sizes
    moments = [[float((x**power).sum()) * population / units for power in (1, 2, 3, 4)]]
    measure = SizeMeasure(name="x", moments=np.array(moments), unseen=np.sort(x)[-10:], sampled=x)
    return SamplingDesign.from_arrays(
        population=[population],
        sampled=[units],
        probability=[units / population],
        stratum=[0] * units,
        sizes=(measure,),
    )


def test_a_stratified_total_agrees_with_samplics() -> None:
    # TaylorEstimator(PopParam.total), weights N_h/n_h, fpc 1 − n_h/N_h.
    assert estimate_total(THREE, Y).estimate == pytest.approx(2752.0, rel=1e-12)
    assert estimate_standard_error(THREE, Y).error == pytest.approx(913.172799912481, rel=1e-12)


def test_a_stratified_ratio_agrees_with_samplics() -> None:
    # TaylorEstimator(PopParam.ratio), likewise.
    found = estimate_ratio(THREE, Y, X).estimate
    assert found == pytest.approx(4.320251177394034, rel=1e-12)
    residuals = (Y - found * X) / 637.0
    assert float((THREE.groups.weight * X).sum()) == 637.0
    assert estimate_standard_error(THREE, residuals).error == pytest.approx(0.17876552745806504, rel=1e-12)


def test_variance_and_degrees_agree_with_exact_fractions() -> None:
    parts = []
    for stratum, (population, sampled) in enumerate([(50, 5), (12, 4), (90, 3)]):
        values = [Fraction(float(y)) for y in Y[THREE.stratum == stratum]]
        mean = sum(values, Fraction(0)) / sampled
        square = sum(((y - mean) ** 2 for y in values), Fraction(0)) / (sampled - 1)
        parts.append((population**2 * (1 - Fraction(sampled, population)) * square / sampled, sampled - 1))
    variance = sum((v for v, _ in parts), Fraction(0))
    degrees = variance**2 / sum((v**2 / d for v, d in parts), Fraction(0))
    found = estimate_standard_error(THREE, Y)
    assert found.error == pytest.approx(math.sqrt(variance), rel=1e-12)
    assert found.degrees == pytest.approx(float(degrees), rel=1e-12)


def test_a_total_by_hand() -> None:
    # 40 of 400, twenty 1s and twenty 3s: Ŷ = 800, s² = 40/39, V = 400² · 0.9 · s² / 40, t(39) = 2.0226909.
    half = 2.022690920036762 * math.sqrt(400**2 * 0.9 * (40 / 39) / 40)
    found = estimate_total(one(40, 400), [1.0, 3.0] * 20)
    # 40 units are fewer than 50, and all have one sign: the limit nearer 0.
    assert (found.status, found.estimate, found.high) == ("lower_bound", 800, None)
    assert found.low == pytest.approx(800 - half, rel=1e-10)
    assert estimate_total(one(60, 600), [1.0, 3.0] * 30).status == "estimated"


def test_the_variance_of_a_merged_group_by_hand() -> None:
    design = SamplingDesign.from_arrays(
        population=[8, 40], sampled=[1, 4], probability=[0.1, 0.2], stratum=[0, 1, 1, 1, 1]
    )
    w, y = np.array([16.0, 8, 8, 8, 8]), np.array([1.0, 2, 3, 4, 10])
    assert design.groups.weight.tolist() == pytest.approx(w)
    e = y - (w * y).sum() / 48
    expected = 5 / 4 * ((1 - np.array([0.1, 0.2, 0.2, 0.2, 0.2])) * (w * e) ** 2).sum()
    found = estimate_standard_error(design, y)
    assert found.error == pytest.approx(math.sqrt(expected), rel=1e-12)
    assert found.degrees == pytest.approx(4)


def test_a_change_counts_only_affected_units() -> None:
    baseline, candidate = np.ones(60), np.full(60, 1.5)
    candidate[59] = 99.0
    touched = np.arange(60) < 55
    found = estimate_total_change(one(60, 600), baseline, candidate, touched)
    assert found.status == "estimated"
    assert found.estimate == pytest.approx(10 * 0.5 * 55)


@pytest.mark.parametrize(
    ("units", "sign", "status"),
    [(50, 1, "estimated"), (49, 1, "lower_bound"), (49, -1, "lower_bound"), (8, 1, "lower_bound"), (7, 1, "bounded")],
)
def test_the_number_of_changed_units_decides_the_status(units: int, sign: int, status: str) -> None:
    found = estimate_total(one(100, 1000), np.where(np.arange(100) < units, 2.0 * sign, 0.0))
    assert found.status == status
    assert found.estimate == 20 * units * sign
    assert (found.low is not None, found.high is not None) == {
        "estimated": (True, True),
        "lower_bound": (sign > 0, sign < 0),
        "bounded": (False, False),
    }[status]


def test_a_lower_bound_is_never_nearer_to_zero_than_the_sampled_units() -> None:
    # The t limit of nine units among which one is a thousand times larger reaches below 0.
    values = np.where(np.arange(100) < 9, 1.0, 0.0)
    values[0] = 1000.0
    found = estimate_total(one(100, 1000), values)
    assert (found.status, found.low) == ("lower_bound", 1008.0)


def test_changes_in_both_directions_have_no_single_limit() -> None:
    values = np.where(np.arange(100) < 40, 1.0, 0.0)
    values[0] = -1.0
    assert estimate_total(one(100, 1000), values) == IntervalEstimate(status="bounded", estimate=380.0)


def test_an_amount_without_a_recorded_size_has_no_interval_but_counts_have() -> None:
    design = SamplingDesign.from_arrays(population=[1000], sampled=[100], probability=[0.1], stratum=[0] * 100)
    values = np.where(np.arange(100) < 80, 1.0, 0.0)
    assert estimate_total(design, values).status == "lower_bound"
    assert estimate_total(design, values, counted=True).status == "estimated"


def test_a_heavy_tail_of_the_population_takes_the_interval_away() -> None:
    x = np.ones(100)
    design = one(100, 1000, x)
    heavy = SizeMeasure(
        name="x", moments=np.array([[1e3 + 1e4, 1e3 + 1e8, 1e3 + 1e12, 1e3 + 1e16]]), unseen=np.array([1e4]), sampled=x
    )
    tailed = SamplingDesign.from_arrays(
        population=[1000], sampled=[100], probability=[0.1], stratum=[0] * 100, sizes=(heavy,)
    )
    values = np.where(np.arange(100) < 60, 1.0, 0.0)
    assert estimate_total(design, values).status == "estimated"
    found = estimate_total(tailed, values)
    # One unit of 10,000 was not drawn; every sampled unit is as regular as before.
    assert (found.status, found.estimate) == ("lower_bound", 600.0)


def test_the_largest_units_not_drawn_are_told_beside_the_interval() -> None:
    x = np.arange(1.0, 101.0)
    found = estimate_total(one(100, 1000, x), 0.5 * x)
    assert found.status == "estimated"
    assert found.unseen_change == pytest.approx(0.5 * x[-10:].sum())


def test_changes_in_complete_strata_alone_are_a_lower_bound() -> None:
    design = SamplingDesign.from_arrays(
        population=[40, 400], sampled=[40, 40], probability=[1.0, 0.1], stratum=[0] * 40 + [1] * 40
    )
    assert estimate_total(design, [1.0] * 40 + [0.0] * 40) == IntervalEstimate(
        status="lower_bound", estimate=40.0, low=40.0
    )


def test_no_change_is_exactly_zero() -> None:
    zero = IntervalEstimate(status="exact", estimate=0.0, low=0.0, high=0.0)
    assert estimate_total_change(one(40, 400), np.ones(40), np.ones(40), np.ones(40, bool)) == zero


def test_a_complete_sample_gives_exact_figures() -> None:
    design = SamplingDesign.from_arrays(
        population=[3, 2], sampled=[3, 2], probability=[1.0, 0.9], stratum=[0, 0, 0, 1, 1]
    )
    assert estimate_total(design, [1, 2, 3, 4, 5.5]) == IntervalEstimate(
        status="exact", estimate=15.5, low=15.5, high=15.5
    )
    assert estimate_ratio(design, [1, 2, 3, 4, 5], [1, 1, 1, 1, 2]).estimate == 2.5
    assert estimate_ratio(design, [1, 2, 3, 4, 5], [1, 1, 1, 1, 2]).status == "exact"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_not_estimated(value: float) -> None:
    values = np.ones(40)
    values[3] = value
    assert estimate_total(one(40, 400), values) == NOT_ESTIMATED
    assert estimate_ratio(one(40, 400), values, np.ones(40)) == NOT_ESTIMATED
    assert estimate_total_change(one(40, 400), np.ones(40), values, np.ones(40, bool)) == NOT_ESTIMATED
    assert estimate_total_change(one(40, 400), values, values, np.zeros(40, bool)).estimate == 0


def test_figures_beyond_the_range_of_doubles_are_not_estimated() -> None:
    assert estimate_total(one(40, 400), np.full(40, 1e308)) == NOT_ESTIMATED
    assert (
        estimate_total_change(one(40, 400), np.full(40, -1.7e308), np.full(40, 1.7e308), np.ones(40)) == NOT_ESTIMATED
    )
    assert estimate_ratio(one(40, 400), np.full(40, 1e300), np.full(40, 1e-300)) == NOT_ESTIMATED


def test_units_that_nothing_stands_for_leave_nothing_to_estimate() -> None:
    design = SamplingDesign.from_arrays(population=[5, 2], sampled=[0, 2], probability=[0.1, 1.0], stratum=[1, 1])
    assert estimate_total(design, [1, 1]) == NOT_ESTIMATED
    assert estimate_ratio(design, [1, 1], [1, 1]) == NOT_ESTIMATED


def test_a_ratio_to_nothing_is_not_estimated() -> None:
    assert estimate_ratio(one(40, 400), np.ones(40), np.zeros(40)) == NOT_ESTIMATED


def test_a_constant_ratio_has_no_width_if_units_are_enough() -> None:
    found = estimate_ratio(one(60, 600), 3 * np.arange(1, 61), np.arange(1, 61))
    assert (found.status, found.low, found.high) == ("estimated", found.estimate, found.estimate)
    assert found.estimate == pytest.approx(3)
    assert estimate_ratio(one(40, 400), 3 * np.arange(1, 41), np.arange(1, 41)).status == "bounded"


def test_a_ratio_whose_denominator_is_uncertain_has_no_single_limit() -> None:
    design, x = one(100, 1000), np.ones(100)
    few = np.where(np.arange(100) < 20, 1.0, 0.0)
    assert estimate_ratio(design, few, x).status == "lower_bound"
    assert estimate_ratio(design, few, few * 2 + (np.arange(100) == 30)).status == "bounded"


def test_the_change_of_a_ratio_by_hand() -> None:
    design, x = one(100, 1000), np.ones(100)
    moved = np.where(np.arange(100) < 50, 1.0, 0.0)
    found = estimate_ratio_change(design, (x, x), (x + moved, x), np.arange(100) < 50)
    # Denominators are the same, so it is the mean change: 0.5, s² = 25/99, error √(0.9 s²/100), t(99) = 1.984217.
    half = 1.984216951 * math.sqrt(0.9 * 25 / 99 / 100)
    assert found.estimate == pytest.approx(0.5)
    assert found.high == pytest.approx(0.5 + half, rel=1e-8)


def test_few_affected_units_give_the_change_of_a_ratio_no_interval() -> None:
    x, touched = np.ones(1000), np.arange(1000) < 20
    found = estimate_ratio_change(one(1000, 10_000), (x, x), (x + touched, x), touched)
    assert found.status == "bounded"
    assert found.estimate == pytest.approx(0.02)
    assert found.low is None


def test_no_change_of_a_ratio_is_zero() -> None:
    x = np.arange(1, 41)
    found = estimate_ratio_change(one(40, 400), (x, x), (2 * x, x), np.zeros(40, bool))
    assert found == IntervalEstimate(status="exact", estimate=0.0, low=0.0, high=0.0)
