"""How alike a sample is: the covariance of shares, exactness, false alarms and power, on designs with clusters."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.estimate.bin_totals import BinTotals
from sandbox.estimate.design import SamplingDesign
from sandbox.estimate.distribution_tests import adjust_p_values, compare_distributions, compare_total
from sandbox.estimate.totals import estimate_group_variances

STRATA = (4000, 900, 60, 3)
RATES = (0.05, 0.2, 1.0, 0.4)


class Production:
    """Units in strata; each has some rows, more for a few of them, and rows of a unit are alike."""

    def __init__(self, seed: int = 5) -> None:
        random = np.random.default_rng(seed)
        self.stratum = np.repeat(np.arange(len(STRATA)), STRATA)
        rows = random.geometric(0.3, len(self.stratum)) * np.where(random.random(len(self.stratum)) < 0.03, 8, 1)
        self.unit = np.repeat(np.arange(len(self.stratum)), rows)
        taste = random.normal(self.stratum, 1.0)
        self.values = taste[self.unit] + random.normal(0, 0.5, len(self.unit))
        self.edges = np.quantile(self.values, np.arange(1, 50) / 50)
        self.bins = np.searchsorted(self.edges, self.values)
        self.bins[random.random(len(self.unit)) < 0.02] = 50

    @property
    def counts(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.bincount(self.bins, minlength=51).astype(np.float64)

    @property
    def widths(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.diff([*self.edges, self.values.max()])

    def drawn(self, seed: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Give the units of a proper draw, in order."""
        chance = np.array(RATES)[self.stratum]
        return np.flatnonzero(np.random.default_rng(seed).random(len(chance)) < chance)

    def design(self, units: np.ndarray[tuple[int], np.dtype[np.int64]]) -> SamplingDesign:
        stratum = self.stratum[units]
        return SamplingDesign.from_arrays(
            population=STRATA, sampled=np.bincount(stratum, minlength=4), probability=RATES, stratum=stratum
        )

    def moments(self, units: np.ndarray[tuple[int], np.dtype[np.int64]], block: int = 10**6) -> BinTotals:
        number = np.full(len(self.stratum), -1)
        number[units] = np.arange(len(units))
        there = number[self.unit] >= 0
        flat = np.bincount(number[self.unit][there] * 51 + self.bins[there], minlength=len(units) * 51)
        counts = flat.reshape(len(units), 51).astype(np.float64)
        found = BinTotals(self.design(units), self.counts / self.counts.sum())
        for first in range(0, len(units), block):
            found.add(first, counts[first : first + block])
        return found


@pytest.fixture(scope="module")
def production() -> Production:
    return Production()


def test_the_covariance_of_bins_has_the_variances_that_totals_have_on_its_diagonal(
    production: Production,
) -> None:
    units = production.drawn(1)
    found = production.moments(units)
    design = production.design(units)
    for bin_ in (0, 7, 49, 50):
        rows = np.bincount(production.unit[production.bins == bin_], minlength=len(production.stratum))[units]
        assert found.covariance[bin_, bin_] == pytest.approx(
            estimate_group_variances(design, rows.astype(float)).sum(), rel=1e-9
        )
        assert found.totals[bin_] == pytest.approx(float(design.groups.weight @ rows), rel=1e-12)


def test_blocks_of_any_size_give_the_same_moments(production: Production) -> None:
    units = production.drawn(2)
    one, many = production.moments(units), production.moments(units, block=37)
    np.testing.assert_allclose(many.covariance, one.covariance, rtol=1e-9, atol=1e-6)
    np.testing.assert_array_equal(many.carriers, one.carriers)
    assert many.degrees_of_freedom == pytest.approx(one.degrees_of_freedom)


def test_the_whole_of_production_is_exactly_like_itself(production: Production) -> None:
    units = np.arange(len(production.stratum))
    design = SamplingDesign.from_arrays(
        population=STRATA, sampled=STRATA, probability=[1.0] * 4, stratum=production.stratum
    )
    number = np.bincount(production.unit * 51 + production.bins, minlength=len(units) * 51).reshape(-1, 51)
    moments = BinTotals(design, production.counts / production.counts.sum())
    moments.add(0, number.astype(np.float64))
    found = compare_distributions(moments, production.counts, widths=production.widths)
    assert found is not None
    assert found.ks is not None
    assert found.nulls is not None
    assert (found.ks.distance, found.ks.p, found.nulls.is_exact) == (0, 1, True)


def test_one_row_missing_from_a_whole_draw_could_not_have_been_drawn(production: Production) -> None:
    design = SamplingDesign.from_arrays(population=[50], sampled=[50], probability=[1.0], stratum=[0] * 50)
    counts = np.tile([1.0, 0.0, 0.0], (50, 1))
    moments = BinTotals(design, np.array([0.98, 0.02, 0.0]))
    moments.add(0, counts)
    found = compare_distributions(moments, np.array([49.0, 1.0, 0.0]), widths=None)
    assert found is not None
    assert found.tv is not None
    assert found.tv.distance == pytest.approx(0.02)
    assert found.tv.p == 0


def test_a_value_that_is_too_rare_to_be_drawn_is_no_surprise() -> None:
    design = SamplingDesign.from_arrays(population=[10_000], sampled=[100], probability=[0.01], stratum=[0] * 100)
    moments = BinTotals(design, np.array([0.9995, 0.0005, 0.0]))
    moments.add(0, np.tile([1.0, 0.0, 0.0], (100, 1)))
    found = compare_distributions(moments, np.array([9995.0, 5.0, 0.0]), widths=None)
    assert found is not None
    assert found.tv is not None
    assert found.tv.p > 0.5


def test_proper_draws_are_found_as_far_off_as_often_as_said(production: Production) -> None:
    found = [
        compare_distributions(
            production.moments(production.drawn(seed)), production.counts, widths=production.widths,
        )
        for seed in range(80)
    ]  # fmt: skip
    for p in (
        [one.ks.p for one in found if one and one.ks],
        [one.wasserstein.p for one in found if one and one.wasserstein],
        [one.nulls.p for one in found if one and one.nulls and one.nulls.p is not None],
    ):
        assert len(p) == 80
        assert 0 < np.mean(np.array(p) < 0.05) <= 0.14
        assert 0.3 <= np.mean(np.array(p) < 0.5) <= 0.7


def test_a_draw_that_leaves_out_the_busiest_units_is_found(production: Production) -> None:
    busy = np.bincount(production.unit, minlength=len(production.stratum))
    taste = np.bincount(production.unit, production.values, minlength=len(production.stratum)) / np.maximum(busy, 1)
    units = production.drawn(3)
    units = units[(taste[units] < 1.0) | (production.stratum[units] > 1)]
    found = compare_distributions(
        production.moments(units),
        production.counts,
        widths=production.widths,
    )
    assert found is not None
    assert found.ks is not None
    assert found.ks.p < 1e-4


def test_a_total_is_as_far_off_as_its_standard_error_says(production: Production) -> None:
    units = production.drawn(4)
    design = production.design(units)
    rows = np.bincount(production.unit, minlength=len(production.stratum)).astype(float)
    found = compare_total(design, rows[units], float(rows.sum()))
    assert found.error == pytest.approx(float(estimate_group_variances(design, rows[units]).sum()) ** 0.5)
    assert found.z == pytest.approx((found.sample - found.population) / found.error)
    assert found.p is not None
    assert found.p > 0.001


def test_a_total_that_few_units_carry_has_no_probability(production: Production) -> None:
    units = production.drawn(4)
    values = np.zeros(len(units))
    values[:5] = 1e6
    assert compare_total(production.design(units), values, 1.0).p is None


def test_the_number_of_units_is_exact() -> None:
    design = SamplingDesign.from_arrays(
        population=[400, 90], sampled=[40, 45], probability=[0.1, 0.5], stratum=[0] * 40 + [1] * 45
    )
    found = compare_total(design, np.ones(85), 490.0)
    assert found.is_exact
    assert not compare_total(design, np.ones(85), 491.0).is_exact
    assert compare_total(design, np.ones(85), 491.0).p == 0


def test_holm_keeps_the_order_and_never_lowers_a_probability() -> None:
    given = [0.2, 0.001, 0.04, 0.001, 1.0]
    adjusted = adjust_p_values(given)
    assert all(after >= before for before, after in zip(given, adjusted, strict=True))
    assert sorted(range(5), key=adjusted.__getitem__) == sorted(range(5), key=given.__getitem__)
    assert adjusted[1] == pytest.approx(0.005)
