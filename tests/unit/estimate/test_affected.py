"""Units affected and rows: limits by hand, both sides, none, all, and clipping."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sandbox.estimate.affected_units import compute_gamma_limits, estimate_affected_units
from sandbox.estimate.design import SamplingDesign
from sandbox.estimate.distributions import compute_gamma_quantile
from sandbox.estimate.result import NOT_ESTIMATED, IntervalEstimate
from sandbox.estimate.row_counts import estimate_row_count


def one(units: int, population: int) -> SamplingDesign:
    return SamplingDesign.from_arrays(
        population=[population], sampled=[units], probability=[units / population], stratum=[0] * units
    )


def flags(count: int, units: int) -> np.ndarray:
    return np.arange(units) < count


def test_a_poisson_count_has_the_classical_limits() -> None:
    # With v = y and W = 1 these are Garwood's (1936): 10 gives 4.795 to 18.390.
    assert compute_gamma_limits(10, 10, 1) == pytest.approx((4.795389, 18.390356), rel=1e-6)


def test_side_a_by_hand() -> None:
    found = estimate_affected_units(one(100, 1000), flags(5, 100))
    y, v, w = 50.0, 1000**2 * 0.9 * 0.05 * 0.95 / 99, 10.0
    low = compute_gamma_quantile(0.025, y * y / v) * v / y
    high = compute_gamma_quantile(0.975, (y + w) ** 2 / (v + w * w)) * (v + w * w) / (y + w)
    assert found.status == "estimated"
    assert (found.estimate, found.low, found.high) == pytest.approx((y, low, high))


def test_more_than_half_is_counted_from_the_other_side() -> None:
    few, most = (
        estimate_affected_units(one(100, 1000), flags(5, 100)),
        estimate_affected_units(one(100, 1000), flags(95, 100)),
    )
    assert few.low is not None
    assert few.high is not None
    assert (most.estimate, most.low, most.high) == pytest.approx((950, 1000 - few.high, 1000 - few.low))


def test_sides_and_complete_strata_are_put_together() -> None:
    design = SamplingDesign.from_arrays(
        population=[10, 1000, 500],
        sampled=[10, 100, 100],
        probability=[1.0, 0.1, 0.2],
        stratum=[0] * 10 + [1] * 100 + [2] * 100,
    )
    affected = np.concatenate([flags(4, 10), flags(5, 100), flags(90, 100)])
    found = estimate_affected_units(design, affected)
    a = estimate_affected_units(one(100, 1000), flags(5, 100))
    b = estimate_affected_units(one(100, 500), flags(90, 100))
    assert None not in {a.low, a.high, b.low, b.high}
    assert found.estimate == pytest.approx(4 + 50 + 450)
    assert found.low == pytest.approx(504 - math.hypot(50 - (a.low or 0), 450 - (b.low or 0)))
    assert found.high == pytest.approx(504 + math.hypot((a.high or 0) - 50, (b.high or 0) - 450))


def test_limits_stay_within_what_the_sample_proves() -> None:
    found = estimate_affected_units(one(9, 10), flags(1, 9))
    assert found.low == 1
    assert found.high == 2
    everything = estimate_affected_units(one(40, 400), np.ones(40, bool))
    assert (everything.estimate, everything.high) == (400, 400)
    assert everything.low is not None
    assert 40 <= everything.low < 400


def test_all_units_seen_is_an_exact_count() -> None:
    assert estimate_affected_units(one(5, 5), flags(2, 5)) == IntervalEstimate(
        status="exact", estimate=2, low=2, high=2
    )
    assert estimate_affected_units(one(5, 5), flags(0, 5)) == IntervalEstimate(
        status="exact", estimate=0, low=0, high=0
    )


def test_none_affected_has_a_one_sided_limit() -> None:
    # ln 0.05 / ln 0.9 = 28.43
    assert estimate_affected_units(one(100, 1000), flags(0, 100)).high == 28
    assert estimate_affected_units(one(99, 100), flags(0, 99)).high == 0
    assert estimate_affected_units(one(50, 60), flags(0, 50)).high == 1


def test_none_affected_minds_the_stratum_that_was_drawn_from_least() -> None:
    design = SamplingDesign.from_arrays(
        population=[300, 1000], sampled=[150, 10], probability=[0.5, 0.01], stratum=[0] * 150 + [1] * 10
    )
    assert estimate_affected_units(design, np.zeros(160, bool)).high == 298


def test_a_stratum_without_sampled_units_counts_with_its_weight() -> None:
    design = SamplingDesign.from_arrays(
        population=[30, 2000], sampled=[0, 40], probability=[0.01, 0.02], stratum=[1] * 40
    )
    largest = 100 * 2030 / (40 * 50)
    expected = math.ceil(math.log(0.05) / math.log1p(-1 / largest)) - 1
    assert estimate_affected_units(design, np.zeros(40, bool)).high == expected


def test_without_any_unit_everything_may_be_affected() -> None:
    design = SamplingDesign.from_arrays(population=[5, 2], sampled=[0, 2], probability=[0.1, 1.0], stratum=[1, 1])
    assert estimate_affected_units(design, [False, False]) == IntervalEstimate(
        status="estimated", estimate=0, low=0, high=5
    )
    assert estimate_affected_units(design, [False, True]) == NOT_ESTIMATED


def test_few_rows_have_gamma_limits() -> None:
    counts = np.zeros(100)
    counts[:3] = [2, 1, 4]
    found = estimate_row_count(one(100, 1000), counts, most=6)
    y, v, w = 70.0, 10 * 9 * (4 + 1 + 16), 60.0
    high = compute_gamma_quantile(0.975, (y + w) ** 2 / (v + w * w)) * (v + w * w) / (y + w)
    assert found.status == "estimated"
    assert found.estimate == 70
    assert found.low == pytest.approx(max(7, compute_gamma_quantile(0.025, y * y / v) * v / y))
    assert found.high == pytest.approx(high)


def test_rows_in_complete_strata_are_counted_exactly() -> None:
    design = SamplingDesign.from_arrays(
        population=[10, 1000], sampled=[10, 100], probability=[1.0, 0.1], stratum=[0] * 10 + [1] * 100
    )
    found = estimate_row_count(design, np.where(np.arange(110) < 10, 7, 0), most=7)
    assert (found.estimate, found.low) == (70, 70)
    assert found.high == pytest.approx(70 - 70 * math.log(0.025))


def test_many_rows_have_a_t_interval() -> None:
    found = estimate_row_count(one(100, 1000), np.tile([1, 2], 50), most=2)
    assert found.status == "estimated"
    assert found.estimate == pytest.approx(1500)


def test_no_rows_have_no_upper_limit_unless_every_unit_was_seen() -> None:
    assert estimate_row_count(one(4, 40), np.zeros(4), most=9) == IntervalEstimate(status="bounded", estimate=0)
    assert estimate_row_count(one(4, 4), np.zeros(4), most=9) == IntervalEstimate(
        status="exact", estimate=0, low=0, high=0
    )
    assert estimate_row_count(one(4, 4), [1, 0, 0, 2], most=9) == IntervalEstimate(
        status="exact", estimate=3, low=3, high=3
    )


@pytest.mark.parametrize("count", [-1.0, math.nan])
def test_rows_that_cannot_be_counts_are_refused(count: float) -> None:
    with pytest.raises(ValueError, match="whole numbers"):
        estimate_row_count(one(2, 20), [1.0, count], most=1)


def test_rows_of_units_that_nothing_stands_for_are_not_estimated() -> None:
    design = SamplingDesign.from_arrays(population=[5, 2], sampled=[0, 2], probability=[0.1, 1.0], stratum=[1, 1])
    assert estimate_row_count(design, [1, 1], most=1) == NOT_ESTIMATED
