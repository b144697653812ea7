"""The figures of a plan."""

from __future__ import annotations

import math

import pytest

from sandbox.engine import prn
from sandbox.sampler.plan import Label, StrataColumn, Stratum, UnitPlan


def unit(*strata: tuple[str | None, int, float], kind: str = "VARCHAR", rare: bool = False) -> UnitPlan:
    return UnitPlan(
        table="t",
        key=("id",),
        coefficients=prn.coefficients("", "t"),
        columns=(StrataColumn(name="c", type=kind, rare_below=3 if rare else None),),
        strata=tuple(
            Stratum(
                labels=(Label(kind="value" if text is not None else "rare" if rare else "null", text=text),),
                population=population,
                probability=probability,
                threshold=prn.threshold(probability),
            )
            for text, population, probability in strata
        ),
        null_keys=0,
    )


def test_the_half_width_of_one_stratum_is_the_textbook_one() -> None:
    plan = unit(("a", 10_000, 0.1))
    assert plan.half_width_95 == pytest.approx(1.96 * math.sqrt(0.25 / 1000 * 0.9))


def test_a_complete_sample_has_no_width_and_detects_one_unit() -> None:
    plan = unit(("a", 100, 1.0), ("b", 5, 1.0))
    assert plan.half_width_95 == 0
    assert plan.detectable_units == 1


def test_the_detectable_number_is_the_smallest_that_is_seen_with_95_percent() -> None:
    found = unit(("a", 100_000, 0.01), ("b", 10, 1.0)).detectable_units
    assert found == 299
    assert 1 - 0.99**found >= 0.95 > 1 - 0.99 ** (found - 1)


def test_strata_show_their_values_as_json() -> None:
    integers = unit(("12", 1, 1.0), (None, 1, 1.0), kind="BIGINT")
    assert [integers.values(one) for one in integers.strata] == [{"c": 12}, {"c": None}]
    merged = unit(("x", 1, 1.0), (None, 1, 1.0), rare=True)
    assert [merged.values(one) for one in merged.strata] == [{"c": "x"}, {"c": {"rare_below": 3}}]
    assert unit(("true", 1, 1.0), kind="BOOLEAN").fields()["strata"][0]["values"] == {"c": True}
