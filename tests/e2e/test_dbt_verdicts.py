"""Changes of a dbt project that once ended in "same", or in differences that nobody made: each is seen, and nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.projects import create_shop, write_tables

if TYPE_CHECKING:
    from pathlib import Path

LOCK = "packages:\n  - package: someone/rates\n    version: {}\nsha1_hash: {}\n"
PACKAGES = "packages: [{{package: someone/rates, version: {}}}, {{local: kit}}]\n"
RATES_MACRO = "dbt_packages/rates/macros/rate.sql"
SEED_ROWS = 1100  # of 1,000 bytes: beyond 1 MiB dbt digests nothing but the path
PROJECT = {
    "dbt_project.yml": """\
name: shop
version: "1.0"
profile: warehouse
on-run-start: ["create schema if not exists audit"]
vars: {divisor: 100}
models:
  shop: {+materialized: table}
""",
    "profiles.yml": "warehouse: {target: prod, outputs: {prod: {type: duckdb, path: x.duckdb}}}\n",
    "models/sources.yml": "sources: [{name: raw, tables: [{name: orders, columns: [{name: id, data_tests: [unique]}]}]}]\n",
    "models/stg_orders.sql": "select id, amount from {{ source('raw', 'orders') }}\n",
    "models/of_variable.sql": "select id, amount / {{ var('divisor') }} as amount from {{ source('raw', 'orders') }}\n",
    "models/of_seed.sql": "select id, word from {{ source('raw', 'orders') }} join {{ ref('words') }} using (id)\n",
    "models/of_hook.sql": "{{ config(post_hook='delete from {{ this }} where amount < 5') }}\nselect id, amount from {{ source('raw', 'orders') }}\n",
    "models/of_file.sql": "select id, rate from {{ source('raw', 'orders') }}, read_csv('files/rates.csv') where currency = 'USD'\n",
    "models/of_package.sql": "select id, {{ rates.rate('amount') }} as amount from {{ source('raw', 'orders') }}\n",
    "models/of_local_package.sql": "select id as bought_in, {{ kit.scale('amount') }} as amount from {{ source('raw', 'orders') }}\n",
    "models/of_start.sql": "select id, '{{ run_started_at }}' as started from {{ source('raw', 'orders') }}\n",
    "models/tested.sql": "select id, amount from {{ source('raw', 'orders') }}\n",
    "models/schema.yml": """\
models:
  - {name: tested, columns: [{name: amount, data_tests: [not_null]}]}
  - name: of_local_package
    columns:
      - name: bought_in
        data_tests: [{relationships: {arguments: {to: "source('raw', 'orders')", field: id}}}]
""",
    "snapshots/history.yml": """\
snapshots:
  - name: history
    relation: source('raw', 'orders')
    config: {unique_key: id, strategy: check, check_cols: [amount]}
""",
    "tests/no_large_amount.sql": "select * from {{ ref('tested') }} where amount > 1000\n",
    "seeds/words.csv": "id,word\n" + "".join(f"{n},w{n:01000d}\n" for n in range(SEED_ROWS)),
    "files/rates.csv": "currency,rate\nEUR,1\nUSD,2\n",
    "packages.yml": PACKAGES.format("1.0.0"),
    "package-lock.yml": LOCK.format("1.0.0", "aa"),
    "dbt_packages/rates/dbt_project.yml": "name: rates\nversion: '1.0'\n",
    RATES_MACRO: "{% macro rate(column) %} ({{ column }} * 2) {% endmacro %}\n",
    "kit/dbt_project.yml": "name: kit\nversion: '1.0'\n",
    "kit/macros/scale.sql": "{% macro scale(column) %} ({{ column }} * 3) {% endmacro %}\n",
    ".gitignore": "data/\ndbt_packages/\n.sandbox/\n",
}
TABLES = {"orders": "select i as id, i % 50 as amount from range(3000) t(i)"}
EDITS = {
    "dbt_project.yml": ("divisor: 100", "divisor: 10"),
    "seeds/words.csv": ("\n7,w0", "\n7,w1"),
    "models/of_hook.sql": ("amount < 5", "amount < 6"),
    "files/rates.csv": ("USD,2", "USD,3"),
    "kit/macros/scale.sql": ("* 3", "* 4"),
    "packages.yml": ("1.0.0", "2.0.0"),
    "package-lock.yml": ("1.0.0", "2.0.0"),
    RATES_MACRO: ("* 2", "* 5"),
    "tests/no_large_amount.sql": ("> 1000", "> 40"),
}
CHANGED_ROWS = {
    "of_variable": ("changed", 2940),  # 0 / 100 is 0 / 10
    "of_seed": ("changed", 1),
    "of_hook": ("removed", 60),
    "of_file": ("changed", 3000),
    "of_package": ("changed", 2940),
    "of_local_package": ("changed", 2940),
}
SAME = {"stg_orders", "of_start", "tested", "history"}
TESTS = {
    "no_large_amount": (0, 540, "newly_failing"),
    "few_orders": (None, 2999, "newly_failing"),  # a test of the change's own
    "not_null_tested_amount": (0, 0, "passed"),
    "source_unique_raw_orders_id": (0, 0, "passed"),
    "relationships_of_local_package_bought_in__id__source_raw_orders_": (0, 0, "passed"),
}


def describe_results(document: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the counts of rows of each output, and the counts and outcome of each test."""
    rows = {
        name: {kind: output["rows"][kind] for kind in ("added", "removed", "changed", "unchanged")}
        for name, output in document["outputs"].items()
    }
    tests = {
        test["name"]: (test["baseline_failures"], test["candidate_failures"], test["outcome"])
        for test in document["tests"]
    }
    return rows, tests


@pytest.mark.slow
def test_a_change_of_anything_that_decides_an_output_is_seen(tmp_path: Path, sandbox_home: Path) -> None:
    """Slow: four runs of dbt. All changes are made at once, each reaches one output; alone: tests/integration/dbt."""
    project = create_shop(tmp_path / "shop", sandbox_home, PROJECT)
    write_tables(project.root / "data", TABLES)
    (project.root / "dbt_packages" / "kit").symlink_to("../kit")  # as dbt deps links it
    assert project.run("init", "data").status == 0

    (project.root / "models" / "note.md").write_text("A note.\n")
    done = project.run("diff", "--json")
    assert done.status == 0, done.stderr
    assert done.json["verdict"] == "same"
    assert done.json["dbt"]["built"] == []  # although hooks run around every build
    assert done.json["tests"]
    assert all(test["outcome"] == "passed" for test in done.json["tests"])

    for path, (old, new) in EDITS.items():
        project.edit(path, old, new)
    (project.root / "tests" / "few_orders.sql").write_text("select * from {{ ref('tested') }} where id > 0\n")
    done = project.run("diff", "--json")
    assert done.status == 1, done.stderr
    rows, tests = describe_results(done.json)
    for name, (kind, count) in CHANGED_ROWS.items():
        assert rows[name][kind] == count, name
    for name in SAME:
        assert rows[name] == {"added": 0, "removed": 0, "changed": 0, "unchanged": 3000}, name
    assert set(rows) == {*CHANGED_ROWS, *SAME}
    assert tests == TESTS
    assert set(done.json["dbt"]["taken_over"]) == SAME
    assert "would have been seen" not in json.dumps(done.json)
    estimate = done.json["outputs"]["of_local_package"]["estimate"]  # by its test of relationships
    assert (estimate["status"], estimate["through"]) == ("estimated", "orders")

    whole = project.run("diff", "--json", env={"SANDBOX_PIPELINE_BUILD": "all"})
    assert whole.status == 1, whole.stderr
    assert whole.json["dbt"]["taken_over"] == []
    assert describe_results(whole.json) == (rows, tests)
