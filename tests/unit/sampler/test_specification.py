"""What a sample is named by: what is asked for, not from where or how."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.config.settings import Settings
from sandbox.samples.specification import build_specification, compute_request_id

BASE: dict[str, Any] = {
    "version": 1,
    "project": {"name": "p"},
    "source": {"uri": "here/"},
    "sample": {"unit": "customers", "rate": 0.1, "strata": ["country"]},
    "tables": {
        "customers": {"key": ["id"]},
        "orders": {"references": {"customer_id": "customers.id"}},
    },
}


def changed(path: str, value: Any) -> Settings:
    fields = {name: dict(one) if isinstance(one, dict) else one for name, one in BASE.items()}
    fields["tables"] = {name: dict(table) for name, table in BASE["tables"].items()}
    place: Any = fields
    *steps, last = path.split(".")
    for step in steps:
        place = place.setdefault(step, {})
    place[last] = value
    return Settings.model_validate(fields)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("source.uri", "elsewhere/"),
        ("sample.memory", "4GiB"),
        ("source.store", "s3://x"),
        ("project.name", "q"),
        ("stack.python", "3.12"),
        ("tables.customers.mask", {"email": "none"}),
        ("sample.min_per_stratum", 30),
        ("sample.strata", [{"column": "country"}]),
        ("tables.customers.duplicates", "error"),
    ],
)
def test_the_request_does_not_depend_on(path: str, value: Any) -> None:
    assert compute_request_id(changed(path, value)) == compute_request_id(Settings.model_validate(BASE))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("sample.salt", "x"),
        ("sample.rate", 0.2),
        ("sample.min_per_stratum", 0),
        ("sample.strata", [{"column": "country", "rare_below": 5}]),
        ("sample.strata", [{"column": "country", "bins": [1]}]),
        ("sample.strata", [{"column": "country", "quantiles": 4}]),
        ("sample.allocation", "power"),
        ("sample.also", {"orders": {"rate": 0.1}}),
        ("tables.customers.where", "id > 1"),
        ("tables.customers.duplicates", "unit"),
        ("tables.customers.key", ["other"]),
        ("tables.customers.types", {"id": "BIGINT"}),
        ("tables.orders.belongs_to", "customers"),
        ("tables.more", {}),
    ],
)
def test_the_request_depends_on(path: str, value: Any) -> None:
    assert compute_request_id(changed(path, value)) != compute_request_id(Settings.model_validate(BASE))


def test_both_forms_of_a_reference_ask_for_the_same() -> None:
    long = [{"columns": ["customer_id"], "table": "customers", "key": ["id"]}]
    settings = changed("tables.orders", {"reference": long})
    assert build_specification(settings) == build_specification(Settings.model_validate(BASE))


def test_a_reference_that_holds_for_some_rows_asks_for_something_else() -> None:
    entry = {"columns": ["customer_id"], "table": "customers", "key": ["id"]}
    plain = changed("tables.orders", {"reference": [entry]})
    some = changed("tables.orders", {"reference": [{**entry, "when": {"kind": "order"}}]})
    assert compute_request_id(plain) != compute_request_id(some)


def test_edges_are_equal_however_they_are_written() -> None:
    ids = {
        compute_request_id(changed("sample.strata", [{"column": "age", "bins": bins}]))
        for bins in ([18, 65.5], [18.0, 65.5])
    }
    assert len(ids) == 1


def test_a_further_unit_is_drawn_with_the_first_ones_salt_unless_it_has_its_own() -> None:
    def asked(**also: Any) -> str:
        settings = changed("sample.also", {"orders": {"rate": 0.1, **also}})
        return compute_request_id(
            settings.model_copy(update={"sample": settings.sample.model_copy(update={"salt": "x"})})
        )

    assert asked() == asked(salt="x")
    assert len({asked(), asked(salt=""), asked(salt="y")}) == 3
