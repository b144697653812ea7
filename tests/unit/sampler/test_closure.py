"""Which tables come with the units, and in which order."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.config.settings import Settings
from sandbox.errors import ConfigError
from sandbox.sampler.plan.table_order import order_tables

CUSTOMER = {"customer_id": "customers.id"}


def settings(tables: dict[str, dict[str, Any]]) -> Settings:
    return Settings.model_validate(
        {
            "version": 1,
            "project": {"name": "p"},
            "source": {"uri": "x"},
            "sample": {"unit": "customers", "rate": 0.1},
            "tables": {"customers": {"key": ["id"]}} | tables,
        }
    )


def roles(tables: dict[str, dict[str, Any]], rows: int = 10) -> dict[str, tuple[str, str | None]]:
    made = settings(tables)
    return {one.table: (one.role, one.keep) for one in order_tables(made, dict.fromkeys(made.tables, rows))}


def test_children_come_after_their_parents_at_any_depth() -> None:
    found = roles(
        {
            "notes": {"references": {"item_id": "items.id"}},
            "items": {"references": {"order_id": "orders.id", "product_id": "products.id"}},
            "products": {},
            "orders": {"references": CUSTOMER},
        }
    )
    assert list(found) == ["customers", "orders", "items", "notes", "products"]
    assert found["products"] == ("lookup", "all")


def test_a_large_lookup_comes_as_far_as_it_is_referenced() -> None:
    found = roles({"orders": {"references": {"p": "products.id", **CUSTOMER}}, "products": {}}, rows=100_001)
    assert found["products"] == ("lookup", "referenced")


def test_belongs_to_chooses_between_two_ways_to_the_unit() -> None:
    tables: dict[str, dict[str, Any]] = {
        "orders": {"references": CUSTOMER},
        "reviews": {"references": {"order_id": "orders.id", **CUSTOMER}, "belongs_to": "orders"},
    }
    made = settings(tables)
    found = {one.table: one for one in order_tables(made, dict.fromkeys(made.tables, 1))}
    through = found["reviews"].through
    assert through is not None
    assert through.table == "orders"


def test_two_ways_to_the_unit_without_belongs_to_are_an_error() -> None:
    with pytest.raises(ConfigError, match="both lead to customers") as raised:
        roles({"orders": {"references": CUSTOMER}, "reviews": {"references": {"o": "orders.id", **CUSTOMER}}})
    assert "belongs_to" in raised.value.message


def test_children_that_belong_to_each_other_are_an_error() -> None:
    with pytest.raises(ConfigError, match="no reference leads to a unit"):
        roles(
            {
                "a": {"references": {"b_id": "b.id", **CUSTOMER}, "belongs_to": "b"},
                "b": {"references": {"a_id": "a.id"}},
            }
        )


def test_a_table_that_says_how_it_is_kept_is_a_lookup_even_if_it_points_at_the_unit() -> None:
    found = roles({"regions": {"references": {"manager": "customers.id"}, "keep": "all"}})
    assert found["regions"] == ("lookup", "all")


def test_a_referenced_lookup_that_nothing_references_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no table references it") as raised:
        roles({"rates": {"keep": "referenced"}})
    assert 'keep = "all"' in raised.value.hint
