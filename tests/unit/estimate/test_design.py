"""The draw: what is refused, and how thin strata are merged."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.errors import StoreError
from sandbox.estimate.design import SamplingDesign

GOOD: dict[str, Any] = {
    "population": [10, 2],
    "sampled": [2, 2],
    "probability": [0.2, 1.0],
    "stratum": [0, 0, 1, 1],
}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"population": [10]}, "one length"),
        ({"population": [10, 1]}, "more sampled units than units"),
        ({"probability": [0.2, 0.0]}, "not in"),
        ({"probability": [float("nan"), 1.0]}, "not in"),
        ({"probability": [1.0, 1.0]}, "not complete"),
        ({"stratum": [0, 0, 1, 2]}, "not there"),
        ({"stratum": [0, 0, 1, -1]}, "not there"),
        ({"stratum": [0, 0, 0, 1]}, "not as many"),
        ({"stratum": [0, 0, 1]}, "not as many"),
    ],
)
def test_what_is_no_draw_is_refused(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(StoreError, match=problem):
        SamplingDesign.from_arrays(**{**GOOD, **change})


def test_values_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="4 sampled units"):
        SamplingDesign.from_arrays(**GOOD).convert_values([1.0])


def test_a_thin_stratum_joins_the_incomplete_one_of_closest_probability() -> None:
    design = SamplingDesign.from_arrays(
        population=[100, 9, 40, 1],
        sampled=[10, 1, 4, 1],
        probability=[0.25, 0.1, 0.2, 0.11],
        stratum=[0] * 10 + [1] + [2] * 4 + [3],
    )
    groups = design.groups
    assert groups.population.tolist() == [100, 49, 1]
    assert groups.sampled.tolist() == [10, 5, 1]
    # 1/π: once 10, four times 5, scaled so that they add up to 49 units.
    assert groups.weight.tolist() == pytest.approx([10.0] * 10 + [49 / 3] + [49 / 6] * 4 + [1.0])
    assert groups.finite_population_correction.tolist() == pytest.approx([0.9] * 10 + [0.9] + [0.8] * 4 + [0.0])


def test_among_equally_close_strata_the_first_is_joined() -> None:
    design = SamplingDesign.from_arrays(
        population=[50, 5, 60], sampled=[5, 0, 6], probability=[0.1] * 3, stratum=[0] * 5 + [2] * 6
    )
    assert design.groups.population.tolist() == [55, 60]


def test_strata_merge_until_they_are_no_longer_thin() -> None:
    design = SamplingDesign.from_arrays(
        population=[5, 5, 5, 90],
        sampled=[0, 0, 1, 9],
        probability=[0.1, 0.1, 0.11, 0.2],
        stratum=[2] + [3] * 9,
    )
    assert design.groups.population.tolist() == [105]
    assert not design.has_unrepresented_units


def test_a_thin_stratum_with_nothing_to_join_stays() -> None:
    design = SamplingDesign.from_arrays(population=[5, 2], sampled=[0, 2], probability=[0.1, 1.0], stratum=[1, 1])
    assert design.has_unrepresented_units
    assert not design.is_complete


def test_empty_strata_are_complete() -> None:
    design = SamplingDesign.from_arrays(population=[0, 2], sampled=[0, 2], probability=[0.1, 1.0], stratum=[1, 1])
    assert design.is_complete
    assert not design.has_unrepresented_units


def test_strata_of_a_family_are_merged_by_what_is_expected_of_them() -> None:
    # The second stratum expects 4 units: it joins its own family, though the third is closer, whatever was drawn of it.
    for drawn in (1, 4):
        design = SamplingDesign.from_arrays(
            population=[1000, 8, 1000],
            sampled=[100, drawn, 490],
            probability=[0.1, 0.5, 0.49],
            stratum=[0] * 100 + [1] * drawn + [2] * 490,
            family=[7, 7, 8],
        )
        assert design.groups.population.tolist() == [1008, 1000]
