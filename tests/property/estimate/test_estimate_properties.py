"""What holds for every draw and all values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.estimate.affected_units import estimate_affected_units
from sandbox.estimate.design import SamplingDesign
from sandbox.estimate.ratios import estimate_ratio, estimate_ratio_change
from sandbox.estimate.row_counts import estimate_row_count
from sandbox.estimate.totals import estimate_total, estimate_total_change

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.estimate.result import IntervalEstimate


@dataclass(frozen=True, kw_only=True)
class Case:
    """A draw and what its units hold."""

    design: SamplingDesign
    baseline: np.ndarray[Any, np.dtype[np.float64]]
    candidate: np.ndarray[Any, np.dtype[np.float64]]
    affected: np.ndarray[Any, np.dtype[np.bool_]]
    rows: np.ndarray[Any, np.dtype[np.int64]]

    def permuted(self, order: np.ndarray[Any, np.dtype[np.int64]]) -> Case:
        design = self.design
        return Case(
            design=SamplingDesign(
                population=design.population,
                sampled=design.sampled,
                probability=design.probability,
                stratum=design.stratum[order],
            ),
            baseline=self.baseline[order],
            candidate=self.candidate[order],
            affected=self.affected[order],
            rows=self.rows[order],
        )

    def scaled(self, by: float) -> Case:
        return Case(
            design=self.design,
            baseline=self.baseline * by,
            candidate=self.candidate * by,
            affected=self.affected,
            rows=self.rows,
        )


@st.composite
def cases(draw: st.DrawFn, *, complete: bool = False) -> Case:
    strata = draw(
        st.lists(
            st.tuples(st.integers(0, 60), st.integers(0, 200), st.floats(0.001, 0.999)),
            min_size=1,
            max_size=6,
        )
    )
    sampled = np.array([n for n, _, _ in strata])
    population = sampled + (0 if complete else np.array([more for _, more, _ in strata]))
    stratum = np.repeat(np.arange(len(strata)), sampled)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    units = len(stratum)
    affected = rng.random(units) < draw(st.sampled_from([0.0, 0.03, 0.5, 0.97, 1.0]))
    scale = draw(st.sampled_from([0.0, 0.25, 1e6]))
    baseline = rng.integers(-50, 50, units).astype(np.float64) * scale
    candidate = baseline + rng.integers(-9, 9, units) * affected
    return Case(
        design=SamplingDesign.from_arrays(
            population=population, sampled=sampled, probability=[p for _, _, p in strata], stratum=stratum
        ),
        baseline=baseline,
        candidate=candidate,
        affected=affected,
        rows=rng.integers(1, 5, units),
    )


FIGURES: dict[str, Callable[[Case], IntervalEstimate]] = {
    "total": lambda c: estimate_total(c.design, c.candidate),
    "change": lambda c: estimate_total_change(c.design, c.baseline, c.candidate, c.affected),
    "ratio": lambda c: estimate_ratio(c.design, c.candidate, c.rows),
    "change of ratio": lambda c: estimate_ratio_change(
        c.design, (c.baseline, c.rows), (c.candidate, c.rows + c.affected), c.affected
    ),
    "affected": lambda c: estimate_affected_units(c.design, c.affected),
    "rows": lambda c: estimate_row_count(c.design, c.rows * c.affected, most=5),
}


def numbers(result: IntervalEstimate) -> list[float | None]:
    return [result.estimate, result.low, result.high]


def agree(one: IntervalEstimate, other: IntervalEstimate, *, scale: float = 1.0, near: float = 0.0) -> None:
    assert one.status == other.status
    for a, b in zip(numbers(one), numbers(other), strict=True):
        assert (a is None) == (b is None)
        if a is not None and b is not None:
            assert a * scale == pytest.approx(b, rel=1e-9, abs=near)


@given(case=cases(), name=st.sampled_from(sorted(FIGURES)))
@settings(max_examples=300)
def test_an_estimate_lies_between_its_limits(case: Case, name: str) -> None:
    found = FIGURES[name](case)
    values = [value for value in (found.low, found.estimate, found.high) if value is not None]
    assert values == sorted(values)
    assert all(np.isfinite(values))
    assert (found.estimate is None) == (found.status == "not_estimated")
    limits = {"exact": 2, "estimated": 2, "lower_bound": 1, "bounded": 0, "not_estimated": 0}
    assert len(values) == limits[found.status] + (found.estimate is not None)


@given(case=cases(), name=st.sampled_from(sorted(FIGURES)), seed=st.integers(0, 2**32))
@settings(max_examples=200)
def test_the_order_of_units_does_not_matter(case: Case, name: str, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(case.design.unit_count)
    size = float(np.abs(case.candidate).sum()) + 1
    agree(FIGURES[name](case), FIGURES[name](case.permuted(order)), near=1e-6 * size)


@given(
    case=cases(),
    name=st.sampled_from(["total", "change", "ratio", "change of ratio"]),
    power=st.sampled_from([-900, -3, 1, 40, 900]),
)
@settings(max_examples=200)
def test_scaled_values_scale_the_figure(case: Case, name: str, power: int) -> None:
    agree(FIGURES[name](case), FIGURES[name](case.scaled(2.0**power)), scale=2.0**power)


@given(case=cases(complete=True))
def test_a_complete_sample_is_exact(case: Case) -> None:
    found = estimate_total(case.design, case.candidate)
    truth = float(case.candidate.sum())
    assert found.status == "exact"
    assert numbers(found) == pytest.approx([truth] * 3, rel=1e-12)
    assert numbers(estimate_affected_units(case.design, case.affected)) == [float(case.affected.sum())] * 3
    assert estimate_row_count(case.design, case.rows, most=5).estimate == case.rows.sum()


@given(case=cases())
def test_weights_add_up_to_the_population_and_no_group_stays_thin(case: Case) -> None:
    groups = case.design.groups
    assert groups.population.sum() == case.design.population.sum()
    seen = groups.sampled > 0
    assert groups.sum_by_group(groups.weight)[seen] == pytest.approx(groups.population[seen])
    thin = ~groups.complete & (groups.sampled < 2)
    assert not thin.any() or np.count_nonzero(~groups.complete) == 1


@given(case=cases())
def test_units_affected_stay_within_what_the_sample_proves(case: Case) -> None:
    found = estimate_affected_units(case.design, case.affected)
    if found.low is not None and found.high is not None:
        assert found.low >= (case.affected.sum() if case.affected.any() else 0)
        assert found.high <= case.design.population.sum() - (~case.affected).sum()
