"""Pipelines that read the sample from a DuckDB file, and leave tables in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.projects import Shop

PIPELINE = """\
import os

import duckdb

assert os.environ["WAREHOUSE"] == os.environ["SANDBOX_DATABASE"]
with duckdb.connect(os.environ["SANDBOX_DATABASE"]) as connection:
    connection.sql(
        "create table value as select customer_id, country, coalesce(sum(amount), 0) as total, count(order_id) as orders "
        "from customers left join orders using (customer_id) group by all"
    )
"""


@pytest.fixture
def duck(shop: Shop) -> Shop:
    shop.edit("sandbox.toml", 'production = "main"', 'production = "main"\ninputs = ["duckdb"]')
    shop.edit("sandbox.toml", "[outputs.value]", '[pipeline.env]\nWAREHOUSE = "{database}"\n\n[outputs.value]')
    (shop.root / "pipeline.py").write_text(PIPELINE)
    shop.git("commit", "-am", "DuckDB")
    return shop


@pytest.mark.parametrize("runtime", ["local", pytest.param("docker", marks=pytest.mark.docker)])
def test_tables_that_a_run_leaves_in_its_database_are_compared(
    duck: Shop, runtime: str, request: pytest.FixtureRequest
) -> None:
    if runtime == "docker":
        request.getfixturevalue("engine")
    same = duck.run("diff", "--json", env={"SANDBOX_RUNTIME": runtime})
    assert (same.status, same.json["verdict"]) == (0, "same"), same.stderr
    assert set(same.json["outputs"]) == {"value"}  # the views of the sample are no outputs
    duck.edit("pipeline.py", "count(order_id)", "count(*)")
    changed = duck.run("diff", "--json", env={"SANDBOX_RUNTIME": runtime})
    assert changed.status == 1
    columns = changed.json["outputs"]["value"]["columns"]
    assert [name for name, one in columns.items() if one["changed"]] == ["orders"]
    again = duck.run("diff", "--json", env={"SANDBOX_RUNTIME": runtime})
    assert again.json["candidate"]["cached"] is True
