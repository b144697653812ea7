"""What holds for every draw and all values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.estimate.affected_units import units_affected
from sandbox.estimate.design import Design
from sandbox.estimate.quantiles import quantile
from sandbox.estimate.ratios import change_of_ratio, ratio
from sandbox.estimate.row_counts import rows
from sandbox.estimate.totals import change, total

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.estimate.result import Result


@dataclass(frozen=True, kw_only=True)
class Case:
    """A draw and what its units hold."""

    design: Design
    baseline: np.ndarray[Any, np.dtype[np.float64]]
    candidate: np.ndarray[Any, np.dtype[np.float64]]
    affected: np.ndarray[Any, np.dtype[np.bool_]]
    rows: np.ndarray[Any, np.dtype[np.int64]]

    def permuted(self, order: np.ndarray[Any, np.dtype[np.int64]]) -> Case:
        design = self.design
        return Case(
            design=Design(
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
        design=Design.of(
            population=population, sampled=sampled, probability=[p for _, _, p in strata], stratum=stratum
        ),
        baseline=baseline,
        candidate=candidate,
        affected=affected,
        rows=rng.integers(1, 5, units),
    )


FIGURES: dict[str, Callable[[Case], Result]] = {
    "total": lambda c: total(c.design, c.candidate),
    "change": lambda c: change(c.design, c.baseline, c.candidate, c.affected),
    "ratio": lambda c: ratio(c.design, c.candidate, c.rows),
    "change of ratio": lambda c: change_of_ratio(
        c.design, (c.baseline, c.rows), (c.candidate, c.rows + c.affected), c.affected
    ),
    "affected": lambda c: units_affected(c.design, c.affected),
    "rows": lambda c: rows(c.design, c.rows * c.affected, most=5),
    "quantile": lambda c: quantile(c.design, c.candidate, np.arange(c.design.units), 0.3),
}


def numbers(result: Result) -> list[float | None]:
    return [result.estimate, result.low, result.high]


def agree(one: Result, other: Result, *, scale: float = 1.0, near: float = 0.0) -> None:
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
    if found.status in {"exact", "estimated", "probably_too_narrow"}:
        assert len(values) == 3


@given(case=cases(), name=st.sampled_from(sorted(FIGURES)), seed=st.integers(0, 2**32))
@settings(max_examples=200)
def test_the_order_of_units_does_not_matter(case: Case, name: str, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(case.design.units)
    size = float(np.abs(case.candidate).sum()) + 1
    agree(FIGURES[name](case), FIGURES[name](case.permuted(order)), near=1e-6 * size)


@given(
    case=cases(),
    name=st.sampled_from(["total", "change", "ratio", "change of ratio", "quantile"]),
    power=st.sampled_from([-900, -3, 1, 40, 900]),
)
@settings(max_examples=200)
def test_scaled_values_scale_the_figure(case: Case, name: str, power: int) -> None:
    agree(FIGURES[name](case), FIGURES[name](case.scaled(2.0**power)), scale=2.0**power)


@given(case=cases(complete=True))
def test_a_complete_sample_is_exact(case: Case) -> None:
    found = total(case.design, case.candidate)
    truth = float(case.candidate.sum())
    assert found.status == "exact"
    assert numbers(found) == pytest.approx([truth] * 3, rel=1e-12)
    assert numbers(units_affected(case.design, case.affected)) == [float(case.affected.sum())] * 3
    assert rows(case.design, case.rows, most=5).estimate == case.rows.sum()


@given(case=cases())
def test_weights_add_up_to_the_population_and_no_group_stays_thin(case: Case) -> None:
    groups = case.design.groups
    assert groups.population.sum() == case.design.population.sum()
    seen = groups.sampled > 0
    assert groups.sums(groups.weight)[seen] == pytest.approx(groups.population[seen])
    thin = ~groups.complete & (groups.sampled < 2)
    assert not thin.any() or np.count_nonzero(~groups.complete) == 1


@given(case=cases())
def test_units_affected_stay_within_what_the_sample_proves(case: Case) -> None:
    found = units_affected(case.design, case.affected)
    if found.low is not None and found.high is not None:
        assert found.low >= (case.affected.sum() if case.affected.any() else 0)
        assert found.high <= case.design.population.sum() - (~case.affected).sum()
