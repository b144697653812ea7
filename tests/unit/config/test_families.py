"""Which unit each table belongs to, and what the file must say where that is open."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.config.settings import Settings
from sandbox.config.settings_checks import find_problems
from sandbox.config.unit_membership import resolve_unit_membership

CUSTOMER = {"customer_id": "customers.id"}


def settings(tables: dict[str, dict[str, Any]], **sample: Any) -> Settings:
    return Settings.model_validate(
        {
            "version": 1,
            "project": {"name": "p"},
            "source": {"uri": "x"},
            "sample": {"unit": "customers", "rate": 0.1, **sample},
            "pipeline": {"command": "true"},
            "tables": {"customers": {"key": ["id"]}, **tables},
        }
    )


def two_units(tables: dict[str, dict[str, Any]]) -> Settings:
    return settings({"products": {"key": ["id"]}, **tables}, also={"products": {"rate": 0.5}})


def messages(made: Settings) -> list[str]:
    return [f"{'.'.join(map(str, one.key))}: {one.message}" for one in find_problems(made)]


def test_each_family_is_followed_from_its_own_unit() -> None:
    made = two_units(
        {
            "orders": {"references": CUSTOMER},
            "items": {"references": {"order": "orders.id", "product": "products.id"}, "belongs_to": "orders"},
            "prices": {"references": {"product": "products.id"}},
            "rates": {},
        }
    )
    found = resolve_unit_membership(made)
    assert found.problems == []
    assert found.units == {
        "customers": "customers", "products": "products", "orders": "customers", "prices": "products", "items": "customers",
    }  # fmt: skip


def test_a_unit_that_refers_to_another_stays_a_unit() -> None:
    made = two_units({"products": {"key": ["id"], "references": {"owner": "customers.id"}}})
    assert resolve_unit_membership(made).units == {"customers": "customers", "products": "products"}


def test_references_that_lead_to_two_units_need_belongs_to() -> None:
    made = two_units({"orders": {"references": {"product": "products.id", **CUSTOMER}}})
    (message,) = messages(made)
    assert "lead to customers and products" in message
    assert 'belongs_to = "products"' in message


def test_two_references_to_one_table_are_told_apart_by_a_column() -> None:
    calls = {"references": {"caller": "customers.id", "callee": "customers.id"}}
    (message,) = messages(settings({"calls": calls}))
    assert 'belongs_to = "caller"' in message
    (message,) = messages(settings({"calls": {**calls, "belongs_to": "customers"}}))
    assert '2 references lead to customers; name a column of one: "caller" or "callee"' in message
    found = resolve_unit_membership(settings({"calls": {**calls, "belongs_to": "callee"}}))
    assert found.unit_references["calls"].columns == ("callee",)


def test_tables_that_point_at_each_other_need_no_word_where_one_way_leads_to_the_unit() -> None:
    made = settings(
        {
            "orders": {"references": {"last_payment": "payments.id", "parent": "orders.id", **CUSTOMER}},
            "payments": {"references": {"order_id": "orders.id"}},
        }
    )
    found = resolve_unit_membership(made)
    assert found.problems == []
    assert found.unit_references["orders"].table == "customers"
    assert found.unit_references["payments"].table == "orders"


def test_lookups_that_point_at_each_other_belong_to_no_unit() -> None:
    made = settings(
        {
            "visits": {"references": {"store": "stores.id", **CUSTOMER}},
            "stores": {"references": {"manager": "staff.id"}},
            "staff": {"references": {"store": "stores.id", "boss": "staff.id"}},
        }
    )
    assert dict(resolve_unit_membership(made).units) == {"customers": "customers", "visits": "customers"}


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"orders": {"references": CUSTOMER, "belongs_to": "custmers"}}, 'did you mean "customers"'),
        ({"customers": {"key": ["id"], "belongs_to": "orders"}}, "a unit table belongs to no other"),
        ({"orders": {"references": CUSTOMER, "belongs_to": "customers", "keep": "all"}}, "keep one"),
        ({"rates": {"where": "x > 1"}}, "tables.rates.where: where is for the tables that units are drawn from"),
        ({"rates": {"duplicates": "unit"}}, "tables.rates.duplicates: duplicates is for the tables"),
        (
            {"a": {"references": {"b": "b.id", **CUSTOMER}, "belongs_to": "b"}, "b": {"references": {"a": "a.id"}}},
            "from there no reference leads to a unit",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said(tables: dict[str, dict[str, Any]], message: str) -> None:
    assert any(message in one for one in messages(settings(tables)))


def test_every_problem_of_every_draw_is_said_at_once() -> None:
    strata = [
        {"column": "a", "bins": [2, 1]}, {"column": "a", "bins": [1, "x"]}, {"column": "b", "bins": [1], "quantiles": 2}
    ]  # fmt: skip
    also = {
        "customers": {"rate": 0.1},
        "nowhere": {},
        "products": {"rate": 0.1, "size": "1GB", "strata": strata},
    }
    made = settings({"products": {"keep": "all"}}, also=also)
    text = "\n".join(messages(made))
    for part in (
        "sample.also.customers: this is the unit of [sample] already",
        "sample.also.nowhere: there is no [tables.nowhere]",
        "sample.also.nowhere: needs one of rate, units or size",
        "sample.also.products.size: rate and size exclude each other",
        "tables.products: the unit table needs a key",
        "sample.also.products.strata.0.bins: a: bins must ascend: 2, 1",
        "sample.also.products.strata.1.bins: a: bins are numbers, or dates and times; not both",
        "sample.also.products.strata.2: b: quantiles and bins exclude each other",
        "sample.also.products.strata: a column is named twice",
    ):
        assert part in text
