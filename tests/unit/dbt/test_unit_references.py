"""Models whose columns name a unit only by dbt's tests of relationships."""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import duckdb
import pytest

from sandbox.compare.rules import OutputRules
from sandbox.compare.units.sampled_units import UnitTableDraw
from sandbox.compare.units.unit_links import LinkedTable, UnitLink
from sandbox.dbt.unit_references import add_references

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.runner.run import Run

MODELS = {
    "visits": "select * from (values ('v1', 1), ('v2', 2)) t(visit_key, customer_id)",
    "pages": "select * from (values ('p1', 'v1'), ('p2', 'v2')) t(page, visit)",
    "clicks": "select * from (values ('p1', 7), ('p2', 8)) t(page_key, n)",
    "lines": "select * from (values (10, 1), (11, 2)) t(bought_in, n)",
    "people": "select * from (values (1, 1), (2, 2)) t(who, n)",
}


@dataclass(frozen=True)
class MadeRun:
    """A run, as far as references need one."""

    output_folder: Path
    record: Any


def node(name: str, references: dict[str, list[str]], **fields: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "kind": "model",
        "parents": [],
        "owner": None,
        "output": name,
        "contract": None,
        "table": None,
    }
    return {**known, "name": name, "references": references, **fields}


def source(table: str) -> dict[str, Any]:
    return node(f"raw.{table}", {}, kind="source", output=None, table=table)


GRAPH = {
    "orders": source("orders"),
    "customers": source("customers"),
    "visits": node("visits", {}),
    "pages": node("pages", {"visit": ["visits", "visit_key"]}),
    "clicks": node("clicks", {"page_key": ["pages", "page"]}),
    "lines": node("lines", {"bought_in": ["orders", "id"]}),
    "people": node("people", {"who": ["customers", "customer_id"]}),
}


@pytest.fixture
def draws(tmp_path: Path) -> dict[str, UnitTableDraw]:
    paths = {"orders": tmp_path / "orders.parquet", "customers": tmp_path / "customers.parquet"}
    duckdb.connect().execute(
        f"copy (select * from (values (10, 1), (11, 2)) t(id, buyer)) to '{paths['orders']}'; "
        f"copy (select * from (values (1), (2)) t(customer_id)) to '{paths['customers']}'"
    )
    step = LinkedTable(files=[paths["orders"]], columns=("buyer",), next_key=("customer_id",))
    link = UnitLink(table="orders", key="id", type="INTEGER", steps=(step,), types=("INTEGER",))
    return {
        "customers": UnitTableDraw(
            table="customers", key=("customer_id",), types=("INTEGER",), weights=tmp_path, strata=[],
            files=[paths["customers"]], links=[link],
        )
    }  # fmt: skip


def build_run(folder: Path, graph: dict[str, Any]) -> Run:
    (folder / "_dbt").mkdir(parents=True)
    (folder / "_dbt" / "lineage.json").write_text(json.dumps(graph))
    outputs = {}
    for name, query in MODELS.items():
        duckdb.connect().execute(f"copy ({query}) to '{folder}/{name}.parquet'")
        columns = {
            column: type_ for column, type_, *_ in duckdb.connect().execute(f"describe from ({query})").fetchall()
        }
        outputs[name] = SimpleNamespace(
            columns=columns, files=[SimpleNamespace(path=f"{name}.parquet")], member=None, rows=2
        )
    return cast("Run", MadeRun(folder, SimpleNamespace(outputs=outputs)))


@pytest.mark.parametrize(
    ("model", "column", "value", "unit"),
    [
        ("pages", "visit", "'v2'", 2),  # its visits have customers
        ("clicks", "page_key", "'p1'", 1),  # through pages and visits
        ("lines", "bought_in", "11", 2),  # through a table of the sample
        ("people", "who", "2", 2),  # the unit itself under another name
        ("pages", "visit", "'v9'", None),
    ],
)
def test_a_column_leads_to_the_unit_of_the_row_that_it_names(
    tmp_path: Path, draws: dict[str, UnitTableDraw], model: str, column: str, value: str, unit: int | None
) -> None:
    rules = add_references(build_run(tmp_path / "run", GRAPH), {}, draws)
    (reference,) = rules[model].references
    assert (reference.column, reference.unit) == (column, "customers")
    query = f"select {reference.link.render_unit_sql('v', 0)} from (select {value} as v)"
    assert duckdb.connect().execute(query).fetchall() == [(unit,)]


def test_circles_and_columns_that_are_not_there_lead_nowhere(tmp_path: Path, draws: dict[str, UnitTableDraw]) -> None:
    graph = {
        **GRAPH,
        "clicks": node("clicks", {"page_key": ["lines", "n"]}),
        "lines": node("lines", {"n": ["clicks", "page_key"], "bought_in": ["nowhere", "id"]}),
        "pages": node("pages", {"visit": ["visits", "no_column"]}),
        "people": node("people", {"who": ["orders", "buyer"]}),  # not unique in the sample's table
    }
    rules = add_references(build_run(tmp_path / "run", graph), {}, draws)
    assert all(not rules[name].references for name in ("clicks", "lines", "pages", "people"))


def test_rules_of_an_output_stay(tmp_path: Path, draws: dict[str, UnitTableDraw]) -> None:
    rules = add_references(build_run(tmp_path / "run", GRAPH), {"pages": OutputRules(key=("page",))}, draws)
    assert rules["pages"].key == ("page",)
    assert rules["pages"].references[0].link.table == "visits"
