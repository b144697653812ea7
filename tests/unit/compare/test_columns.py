from __future__ import annotations

import pytest

from sandbox.compare import OutputRules, Tolerance, build_output_rules
from sandbox.compare.columns import ComparedColumn, match_columns
from sandbox.compare.key_inference import suggest_likely_keys
from sandbox.config.sections.outputs import OutputSection


def column(name: str, place: int, type_: str) -> ComparedColumn:
    return ComparedColumn(name=name, baseline=place, candidate=place, types=(type_, type_), common=type_)


def named(*columns: tuple[str, str]) -> list[ComparedColumn]:
    return [column(name, place, type_) for place, (name, type_) in enumerate(columns)]


def test_rules_come_from_the_file_and_are_empty_without_it() -> None:
    section = OutputSection.model_validate(
        {
            "key": ["id"],
            "ignore": ["at"],
            "rename": {"ltv": "value"},
            "tolerance": {"value": {"abs": 0.5, "rel": 0.1}},
        }
    )
    assert build_output_rules(section) == OutputRules(
        key=("id",),
        ignore=frozenset({"at"}),
        rename={"ltv": "value"},
        tolerance={"value": Tolerance(abs=0.5, rel=0.1)},
    )
    assert build_output_rules(None) == OutputRules()


def test_columns_match_by_exact_name() -> None:
    found = match_columns(["a", "b", "c"], ["c", "A", "a"], OutputRules())
    assert [name for name, _, _ in found.pairs] == ["a", "c"]
    assert (found.added, found.removed) == (("A",), ("b",))
    assert found.is_reordered


def test_a_renaming_takes_the_place_of_a_column_of_the_same_name() -> None:
    found = match_columns(["value"], ["value", "ltv"], OutputRules(rename={"ltv": "value"}))
    assert found.pairs == (("value", 0, 1),)
    assert found.renamed == {"value": "ltv"}
    assert found.added == ("value",)


def test_a_renaming_has_no_effect_on_versions_from_after_it() -> None:
    found = match_columns(["ltv"], ["ltv"], OutputRules(rename={"ltv": "value"}))
    assert found.pairs == (("ltv", 0, 0),)
    assert not found.renamed


def test_an_ignored_column_appears_nowhere_but_a_key_cannot_be_ignored() -> None:
    found = match_columns(
        ["id", "at"], ["id", "at", "by"], OutputRules(key=("id",), ignore=frozenset({"id", "at", "by", "no"}))
    )
    assert [name for name, _, _ in found.pairs] == ["id"]
    assert not found.added
    assert found.ignored == ("at", "by")


def first(columns: list[ComparedColumn], units: list[tuple[str, ...]], output: str = "orders") -> list[list[str]]:
    return [[each.name for each in some] for some in suggest_likely_keys(output, columns, units)]


def test_the_unit_then_the_outputs_own_id_is_the_likeliest_key() -> None:
    columns = named(("total", "DOUBLE"), ("shop_id", "INTEGER"), ("order_id", "INTEGER"), ("customer", "VARCHAR"))
    assert first(columns, [("customer",)])[0] == ["customer"]
    assert first(columns, [])[:3] == [["order_id"], ["shop_id"], ["customer"]]


def test_a_key_is_known_by_its_name_in_any_spelling() -> None:
    columns = named(("Country", "VARCHAR"), ("Total", "BIGINT"), ("OrderID", "INTEGER"), ("CustomerId", "BIGINT"))
    assert first(columns, [])[:3] == [["OrderID"], ["CustomerId"], ["Country"]]
    assert first(columns, [], output="dbo.Customer")[:3] == [["CustomerId"], ["OrderID"], ["Country"]]


def test_fractions_and_nested_values_are_never_a_key() -> None:
    columns = named(("id", "DOUBLE"), ("price_id", "DECIMAL(9,2)"), ("list_id", "INTEGER[]"), ("b", "BLOB"))
    assert first(columns, []) == []


@pytest.mark.parametrize("width", [50, 2000])
def test_a_wide_table_gives_few_composite_keys(width: int) -> None:
    columns = named(*((f"c{place}", "INTEGER") for place in range(width)), *((f"t{n}", "VARCHAR") for n in range(50)))
    assert len([some for some in first(columns, []) if len(some) > 1]) < 150
