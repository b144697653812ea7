"""Weighted quantiles and Woodruff's interval."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sandbox.estimate.design import SamplingDesign
from sandbox.estimate.quantiles import estimate_quantile
from sandbox.estimate.result import NOT_ESTIMATED


def one(units: int, population: int) -> SamplingDesign:
    return SamplingDesign.from_arrays(
        population=[population], sampled=[units], probability=[units / population], stratum=[0] * units
    )


def test_a_median_and_its_interval_by_hand() -> None:
    # One row a unit, 1..400 in any order: share error √(0.9 · (¼ · 400/399) / 400), t(399) = 1.965927.
    values = np.random.default_rng(1).permutation(np.arange(1.0, 401))
    found = estimate_quantile(one(400, 4000), values, np.arange(400), 0.5)
    half = 1.965927 * math.sqrt(0.9 * 0.25 / 399)
    assert found.status == "estimated"
    assert found.estimate == 200
    assert found.low == math.ceil(400 * (0.5 - half))
    assert found.high == math.ceil(400 * (0.5 + half))


def test_weights_move_a_quantile() -> None:
    design = SamplingDesign.from_arrays(
        population=[40, 400], sampled=[40, 40], probability=[1.0, 0.1], stratum=[0] * 40 + [1] * 40
    )
    values = np.arange(80.0)
    assert estimate_quantile(design, values, np.arange(80), 0.5).estimate == 57


def test_rows_of_one_unit_are_no_independent_evidence() -> None:
    values = np.arange(1.0, 101)
    alone = estimate_quantile(one(100, 10**6), values, np.arange(100), 0.5)
    repeated = estimate_quantile(one(100, 10**6), np.repeat(values, 50), np.repeat(np.arange(100), 50), 0.5)
    assert alone == repeated


def test_a_limit_beyond_the_curve_is_none() -> None:
    found = estimate_quantile(one(100, 10_000), np.arange(100.0), np.arange(100), 0.99)
    assert found.status == "bounded"
    assert found.high is None
    assert found.low is not None


def test_few_units_give_no_interval_and_a_complete_sample_an_exact_value() -> None:
    few = estimate_quantile(one(29, 290), np.arange(29.0), np.arange(29), 0.5)
    assert (few.status, few.low) == ("bounded", None)
    assert estimate_quantile(one(4, 4), [1.0, 2, 3, 4], np.arange(4), 0.5).low == 2


def test_no_rows_or_no_numbers_give_nothing() -> None:
    assert estimate_quantile(one(40, 400), [], [], 0.5) == NOT_ESTIMATED
    assert estimate_quantile(one(40, 400), [math.nan], [0], 0.5) == NOT_ESTIMATED


@pytest.mark.parametrize(("values", "unit", "share"), [([1.0], [0, 1], 0.5), ([1.0], [40], 0.5), ([1.0], [0], 1.0)])
def test_what_makes_no_sense_is_refused(values: list[float], unit: list[int], share: float) -> None:
    with pytest.raises(ValueError, match=r"shape|share"):
        estimate_quantile(one(40, 400), values, unit, share)
