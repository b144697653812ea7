"""Which mask a column has: declared, along references, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sandbox.config.settings import Settings
from sandbox.config.settings_checks import find_problems
from sandbox.errors import ConfigError
from sandbox.masking import describe_masks, needs_secret, resolve_masks
from sandbox.sampler.plan.plan import PlannedStratum, StrataColumn, StratumLabel, UnitPlan
from sandbox.sampler.plan.strata.small_strata import list_warnings

if TYPE_CHECKING:
    from collections.abc import Mapping

COLUMNS = {
    "customers": {"id": "BIGINT", "email": "VARCHAR", "born": "DATE", "country": "VARCHAR", "x": "DOUBLE", "tags": "VARCHAR[]", "boss": "BIGINT"},
    "orders": {"id": "BIGINT", "customer": "INTEGER", "year": "INTEGER", "number": "VARCHAR", "at": "TIMESTAMP"},
    "payments": {"id": "UUID", "year": "INTEGER", "number": "VARCHAR", "customer": "BIGINT"},
    "countries": {"code": "VARCHAR", "name": "VARCHAR", "since": "DATE"},
}  # fmt: skip


def settings(tables: Mapping[str, Any], **sample: Any) -> Settings:
    sections: dict[str, Any] = {name: {} for name in COLUMNS}
    sections["customers"]["key"] = ["id"]
    sections["orders"]["references"] = {"customer": "customers.id"}
    sections["payments"]["reference"] = [{"columns": ["year", "number"], "table": "orders", "key": ["year", "number"]}]
    for name, section in tables.items():
        sections[name] = sections[name] | section
    return Settings.model_validate(
        {
            "version": 1,
            "project": {"name": "shop"},
            "source": {"uri": "x"},
            "sample": {"unit": "customers", "rate": 0.1} | sample,
            "tables": sections,
        }
    )


def kinds(tables: Mapping[str, Any], **sample: Any) -> dict[str, dict[str, str]]:
    found = resolve_masks(settings(tables, **sample), COLUMNS)
    return {table: {column: mask.kind for column, mask in ones.items()} for table, ones in found.items()}


@pytest.mark.parametrize(("table", "column"), [("customers", "id"), ("orders", "customer")])
def test_both_ends_of_a_reference_have_the_mask_of_either(table: str, column: str) -> None:
    expected = {"customers": {"id": "key"}, "orders": {"customer": "key"}}
    assert kinds({table: {"mask": {column: "key"}}}) == expected


def test_masks_go_along_references_as_far_as_these_lead() -> None:
    found = kinds(
        {
            "customers": {"references": {"boss": "customers.id"}},
            "payments": {"references": {"customer": "orders.customer"}, "mask": {"customer": "key"}},
        }
    )
    assert found == {
        "customers": {"id": "key", "boss": "key"},
        "orders": {"customer": "key"},
        "payments": {"customer": "key"},
    }


def test_columns_of_a_composite_reference_are_bound_one_by_one() -> None:
    found = kinds({"orders": {"mask": {"number": "key"}}})
    assert found == {"orders": {"number": "key"}, "payments": {"number": "key"}}


def test_none_goes_along_references_too() -> None:
    assert kinds({"customers": {"mask": {"id": "none"}}})["orders"] == {"customer": "none"}


def refused(tables: Mapping[str, Any], **sample: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        kinds(tables, **sample)
    return caught.value.message


def test_rules_that_contradict_each_other_are_refused_naming_both() -> None:
    said = refused({"customers": {"mask": {"id": "key"}}, "orders": {"mask": {"customer": "none"}}})
    assert "orders.customer has the mask none and customers.id key, and references bind them" in said


@pytest.mark.parametrize("kind", ["redact", "null", "name", "email", "text", "phone"])
def test_masks_that_make_values_equal_are_refused_for_references(kind: str) -> None:
    said = refused({"orders": {"mask": {"number": kind}}})
    assert "orders.number is part of a reference" in said
    assert "payments.number is part of a reference" in said
    assert '"key"' in said


@pytest.mark.parametrize("mask", [{"kind": "noise", "relative": 0.1}, {"kind": "bucket", "width": 10}, "null"])
def test_masks_that_make_values_equal_are_refused_for_keys(mask: Any) -> None:
    assert "customers.id is part of " in refused({"customers": {"mask": {"id": mask}}})


@pytest.mark.parametrize(
    ("column", "mask", "says"),
    [
        ("x", "key", "customers.x is DOUBLE, and the mask key takes integers, decimals without a fraction, text or UUIDs; what fits: none, null, noise, bucket"),
        ("born", "hash", "customers.born is DATE, and the mask hash takes text or bytes; what fits: none, null, date_shift"),
        ("tags", "text", "customers.tags is VARCHAR[], and the mask text takes text; what fits: none, null"),
        ("email", {"kind": "date_shift", "days": 3}, "customers.email is VARCHAR, and the mask date_shift takes dates"),
    ],
)  # fmt: skip
def test_a_mask_that_does_not_fit_names_column_type_and_what_does(column: str, mask: Any, says: str) -> None:
    assert says in refused({"customers": {"mask": {column: mask}}})


def test_a_mask_that_does_not_fit_the_other_end_of_a_reference_is_refused() -> None:
    said = refused({"customers": {"references": {"x": "countries.code"}}, "countries": {"mask": {"code": "key"}}})
    assert "customers.x is DOUBLE" in said


def test_all_problems_are_reported_at_once() -> None:
    said = refused(
        {
            "customers": {"mask": {"x": "key", "id": "null"}},
            "countries": {"mask": {"name": {"kind": "noise", "relative": 1.0}}},
        }
    )
    assert said.count("\n") >= 2


def test_a_masked_column_makes_no_strata() -> None:
    assert "customers.country makes strata" in refused({"customers": {"mask": {"country": "text"}}}, strata=["country"])
    assert kinds({"customers": {"mask": {"country": "none"}}}, strata=["country"])["customers"]["country"] == "none"


def test_a_masked_column_of_a_table_that_the_unit_references_makes_no_strata() -> None:
    tables = {
        "customers": {"references": {"country": "countries.code"}},
        "countries": {"mask": {"name": "text"}},
    }
    assert "countries.name makes strata" in refused(tables, strata=["countries.name"])


def test_shifts_need_rows_that_belong_to_a_unit() -> None:
    shift = {"kind": "date_shift", "days": 3}
    assert kinds({"orders": {"mask": {"at": shift}}})["orders"] == {"at": "date_shift"}
    assert "the rows of countries belong to none" in refused({"countries": {"mask": {"since": shift}}})


def test_buckets_of_whole_numbers_are_whole() -> None:
    assert "do not end at whole numbers" in refused(
        {"payments": {}, "customers": {"mask": {"boss": {"kind": "bucket", "width": 2.5}}}}
    )


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        ("date_shift", 'needs days; for example: born = { kind = "date_shift", days = 30 }'),
        ("noise", "needs relative"),
        ("bucket", "needs width"),
        ({"kind": "email", "days": 3}, "the mask email has no option days"),
        (
            {"kind": "noise", "relative": 0.1, "width": 3},
            "the mask noise has no option width; it has relative",
        ),
    ],
)
def test_options_are_checked_with_the_file(mask: Any, says: str) -> None:
    found = [
        one
        for one in find_problems(settings({"customers": {"mask": {"born": mask}}}))
        if one.key == ("tables", "customers", "mask", "born")
    ]
    assert any(says in one.message for one in found)


@pytest.mark.parametrize("mask", [{"kind": "bucket", "width": 0}, {"kind": "noise", "relative": 1.5}, {"kind": "date_shift", "days": 0}, {"kind": "bucket", "width": float("inf")}])  # fmt: skip
def test_options_out_of_range_are_refused(mask: Any) -> None:
    with pytest.raises(ValueError, match="customers"):
        settings({"customers": {"mask": {"born": mask}}})


def test_documents_have_kind_and_options() -> None:
    masks = resolve_masks(
        settings({"customers": {"mask": {"x": {"kind": "noise", "relative": 0.1}, "email": "none"}}}), COLUMNS
    )
    assert describe_masks(masks) == {"customers": {"x": "noise(relative=0.1)"}}


@pytest.mark.parametrize(("mask", "needed"), [("none", False), ("redact", False), ("email", True)])
def test_only_keyed_masks_need_a_secret(mask: str, needed: bool) -> None:
    assert needs_secret(resolve_masks(settings({"customers": {"mask": {"email": mask}}}), COLUMNS)) is needed


def unit(populations: list[int]) -> UnitPlan:
    return UnitPlan(
        table="customers",
        key=("id",),
        coefficients=(1, 2, 3, 4, 5, 6),
        columns=(StrataColumn(name="country", column="country", type="VARCHAR"),),
        strata=tuple(
            PlannedStratum(
                labels=(StratumLabel(kind="value", text=f"C{n}"),), population=n, probability=1.0, threshold=1
            )
            for n in populations
        ),
        null_keys=0,
    )


def test_small_strata_are_named_where_something_is_masked() -> None:
    masks = resolve_masks(settings({"customers": {"mask": {"email": "email"}}}), COLUMNS)
    [said] = list_warnings({"customers": unit([1, 4, 5, 100])}, masks)
    assert "2 strata have fewer than 5 units in the population" in said
    assert "C1 (k = 1), C4 (k = 4);" in said
    assert list_warnings({"customers": unit([5, 100])}, masks) == []


def test_small_strata_are_nobodys_business_where_nothing_is_masked() -> None:
    assert (
        list_warnings(
            {"customers": unit([1])},
            resolve_masks(settings({"customers": {"mask": {"email": "none"}}}), COLUMNS),
        )
        == []
    )
