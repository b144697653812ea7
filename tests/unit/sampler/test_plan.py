"""The figures of a plan."""

from __future__ import annotations

import math

import pytest

from sandbox.config.sections.sample import Reference
from sandbox.engine.rule import prn
from sandbox.sampler.plan.plan import PlannedStratum, StrataColumn, StratumLabel, UnitPlan, build_sort_key


def unit(*strata: tuple[str | None, int, float], kind: str = "VARCHAR", rare: bool = False) -> UnitPlan:
    return UnitPlan(
        table="t",
        key=("id",),
        coefficients=prn.compute_coefficients("", "t"),
        columns=(StrataColumn(name="c", column="c", type=kind, rare_below=3 if rare else None),),
        strata=tuple(
            PlannedStratum(
                labels=(StratumLabel(kind="value" if text is not None else "rare" if rare else "null", text=text),),
                population=population,
                probability=probability,
                threshold=prn.compute_threshold(probability),
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
    assert [integers.describe_stratum(one) for one in integers.strata] == [{"c": 12}, {"c": None}]
    merged = unit(("x", 1, 1.0), (None, 1, 1.0), rare=True)
    assert [merged.describe_stratum(one) for one in merged.strata] == [{"c": "x"}, {"c": {"rare_below": 3}}]
    assert unit(("true", 1, 1.0), kind="BOOLEAN").to_dict()["strata"][0]["values"] == {"c": True}


def column(kind: str, edges: tuple[str, ...] | None = None) -> StrataColumn:
    return StrataColumn(name="c", column="c", type=kind, edges=edges)


def shown(made: StrataColumn, *labels: StratumLabel) -> list[object]:
    plan = UnitPlan(
        table="t", key=("id",), coefficients=(), columns=(made,), null_keys=0,
        strata=tuple(PlannedStratum(labels=(one,), population=1, probability=1.0, threshold=1) for one in labels),
    )  # fmt: skip
    return [plan.describe_stratum(one)["c"] for one in plan.strata]


def test_bins_show_where_they_begin_and_end() -> None:
    bins = [StratumLabel(kind="bin", text=str(index)) for index in range(3)]
    assert shown(column("INTEGER", ("18", "65")), *bins) == [
        {"from": None, "to": 18}, {"from": 18, "to": 65}, {"from": 65, "to": None}
    ]  # fmt: skip
    assert shown(column("DATE", ("2024-01-01",)), bins[0]) == [{"from": None, "to": "2024-01-01"}]
    assert shown(column("DOUBLE", ("0.5", "inf")), bins[1]) == [{"from": 0.5, "to": "inf"}]
    assert shown(column("DOUBLE", ()), bins[0], StratumLabel(kind="nan"), StratumLabel(kind="null")) == [
        {"from": None, "to": None}, "nan", None
    ]  # fmt: skip


def test_strata_are_ordered_as_their_values_are() -> None:
    labels = [
        StratumLabel(kind="value", text="10"), StratumLabel(kind="null"), StratumLabel(kind="value", text="-inf"), StratumLabel(kind="rare"),
        StratumLabel(kind="value", text="9.5"), StratumLabel(kind="value", text="nan"),
    ]  # fmt: skip
    ordered = sorted(labels, key=lambda label: build_sort_key([column("DOUBLE")], [label]))
    assert [one.text or one.kind for one in ordered] == ["-inf", "9.5", "10", "nan", "rare", "null"]
    texts = [StratumLabel(kind="value", text="10"), StratumLabel(kind="value", text="9")]
    assert sorted(texts, key=lambda label: build_sort_key([column("VARCHAR")], [label])) == texts


def test_a_plan_names_the_columns_that_decide_about_a_row() -> None:
    hop = Reference(columns=("region",), table="regions", key=("id",), when=(("kind", "r"),))
    made = UnitPlan(
        table="t", key=("id",), coefficients=(), strata=(), null_keys=0, where="x > 1", narrowed_by=("x", "id"),
        columns=(column("DOUBLE"), StrataColumn(name="regions.n", column="n", type="DATE", path=(hop,))),
    )  # fmt: skip
    assert made.needed_columns == ("id", "x", "c", "region", "kind")
