"""A dbt project as its users have it: nothing in it is changed, from ``init`` to a verdict; and what goes wrong is told."""

from __future__ import annotations

import subprocess
import tomllib
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from tests.projects import Shop, create_shop, write_files, write_tables

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = {
    "dbt_project.yml": """\
name: shop
version: "1.0"
profile: warehouse
on-run-start: ["create schema if not exists audit"]
models:
  shop:
    staging: {+materialized: view}
    marts: {+materialized: table}
""",
    # Production's database is not here, and is never called.
    "profiles.yml": "warehouse: {target: prod, outputs: {prod: {type: snowflake, account: \"{{ env_var('ACCOUNT') }}\"}}}\n",
    "models/sources.yml": """\
sources:
  - name: shop
    database: landing
    schema: raw
    tables:
      - name: customers
        columns: [{name: id, data_tests: [unique, not_null]}]
      - name: orders
        columns:
          - name: customer
            data_tests: [{relationships: {arguments: {to: "source('shop', 'customers')", field: id}}}]
""",
    "models/staging/stg_orders.sql": """\
select id as order_id, customer as customer_id, {{ cents('amount') }} as cents from {{ source('shop', 'orders') }}
""",
    "models/staging/stg_customers.sql": """\
select id as customer_id, mail, country from {{ source('shop', 'customers') }}
""",
    "models/marts/customer_value.sql": """\
select customer_id, name as country, coalesce(sum(cents), 0) as cents
from {{ ref('stg_customers') }} left join {{ ref('stg_orders') }} using (customer_id) join {{ ref('countries') }} on code = country
group by all
""",
    "models/marts/order_days.sql": """\
{{ config(materialized='incremental', unique_key='order_id') }}
select order_id, order_id % 7 as day from {{ ref('stg_orders') }}
{% if is_incremental() %} where false {% endif %}
""",
    "models/marts/regions.sql": "select name as region from {{ ref('countries') }}\n",
    "models/schema.yml": """\
models:
  - name: customer_value
    columns:
      - name: customer_id
        data_tests: [unique]
      - name: country
        data_tests: [{accepted_values: {arguments: {values: [Germany, France]}}}]
""",
    "macros/cents.sql": "{% macro cents(column) %} ({{ column }} * 100)::bigint {% endmacro %}\n",
    "seeds/countries.csv": "code,name\nDE,Germany\nFR,France\n",
    "models/users.yml": """\
exposures:
  - {name: weekly, type: dashboard, owner: {name: Ann, email: ann@shop.test}, depends_on: [ref('customer_value')]}
""",
    "tests/no_negative_value.sql": "select * from {{ ref('customer_value') }} where cents < 0\n",
    ".gitignore": "data/\n",
}
TABLES = {
    "customers": """select i as id, 'c' || i || '@example.org' as mail, case i % 3 when 0 then 'FR' else 'DE' end as country
        from range(2500) t(i)""",
    "orders": """select i as id, (i * 13) % 2500 as customer, (i % 90 + 1)::decimal(8,2) as amount from range(8000) t(i)""",
}


@pytest.fixture
def project(tmp_path: Path, sandbox_home: Path) -> Shop:
    """Give a dbt project with sources, a seed, views, tables and an incremental model, and its data beside it."""
    made = create_shop(tmp_path / "dbt shöp", sandbox_home, PROJECT)
    write_tables(made.root / "data", TABLES)
    return made


def settings(project: Shop) -> dict[str, Any]:
    return tomllib.loads((project.root / "sandbox.toml").read_text("utf-8"))


def asked_of(document: dict[str, Any]) -> dict[str, tuple[Any, Any, str]]:
    return {
        one["name"]: (one["baseline_failures"], one["candidate_failures"], one["outcome"]) for one in document["tests"]
    }


def check_lineage(document: dict[str, Any]) -> None:
    """Check the affected part of the graph, with the owner of what uses it, and the columns that the change leads to."""
    check_expected_columns(document)
    lineage = document["dbt"]["lineage"]
    assert {one["name"]: one["state"] for one in lineage.values()} == {
        "customer_value": "changed",
        "weekly": "downstream",
        "stg_customers": "input",
        "stg_orders": "input",
        "countries": "input",
    }
    assert lineage["exposure.shop.weekly"]["owner"] == "Ann, ann@shop.test"


def check_expected_columns(document: dict[str, Any]) -> None:
    """Check that the change leads to the columns of its own model alone: to all of them, because rows are grouped by one."""
    expected = document["expected_columns"]
    assert (expected["customer_value"]["changed"], expected["customer_value"]["unchanged"]) == (
        ["country"],
        ["customer_id", "cents"],
    )
    assert {name for name, one in expected.items() if any(one.values())} == {"customer_value"}
    assert not any(one["unexpected"] or one["unknown"] for one in expected.values())


def check_units(document: dict[str, Any]) -> None:
    """Check that models of orders have the customers as units, because an order belongs to a customer."""
    estimates = {name: one["estimate"] for name, one in document["outputs"].items()}
    assert {name for name, one in estimates.items() if one.get("through") == "orders"} == {"order_days", "stg_orders"}
    assert estimates["order_days"]["status"] == "estimated"


def check_damaged_record(project: Shop, run: str, env: dict[str, str]) -> None:
    """Check that the next version takes over nothing from a record that was changed: the baseline runs again."""
    record = project.root / ".sandbox" / "runs" / run / "output" / "_dbt" / "built.json"
    text = record.read_text("utf-8")
    record.write_text('{"changed": null, "built": []}')
    (project.root / "tests" / "no_value.sql").write_text("select 1 where false")
    done = project.run("diff", "--json", env=env)
    assert done.json["baseline"]["run"] != run
    assert any("_dbt/built.json was changed; that run is not used" in warning for warning in done.json["warnings"])
    record.write_text(text)
    check_own_results(project, project.root.parent / "deployed")


def check_own_results(project: Shop, deployed: Path) -> None:
    """Check that the results of tests that dbt itself ran in production are taken as dbt wrote them."""
    write_files(
        deployed,
        {
            "dbt_project.yml": "name: deployed\nversion: '1.0'\nprofile: prod\n",
            "profiles.yml": "prod: {target: prod, outputs: {prod: {type: duckdb, path: prod.duckdb}}}\n",
            "models/value.sql": "select 1 as id, -1 as total\n",
            "tests/no_debts.sql": "select * from {{ ref('value') }} where total < 0\n",
            "tests/few_debts.sql": "{{ config(severity='warn') }} select * from {{ ref('value') }} where total < 0\n",
            "tests/has_id.sql": "select * from {{ ref('value') }} where id is null\n",
        },
    )
    [dbt] = (project.home / "environments").glob("*/bin/dbt")
    subprocess.run([dbt, "build", "--profiles-dir", "."], cwd=deployed, check=False, capture_output=True)
    done = project.run("test", "--dbt-results", str(deployed / "target"), "--json")
    assert done.status == 1, done.stderr
    assert {one["name"]: one["outcome"] for one in done.json["tests"]} == {
        "no_debts": "failed", "few_debts": "warned", "has_id": "passed",
    }  # fmt: skip
    assert done.json["dbt"]["version"]
    done = project.run("test", "--production", str(deployed))
    assert "dbt test --target prod" in done.stdout


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["docker", "local"])
def test_a_project_as_it_is_from_init_to_a_verdict(project: Shop, runtime: str, request: pytest.FixtureRequest) -> None:
    """The whole way from `init` to a verdict: dbt runs several times, and its environment is made or its image built."""
    if runtime == "docker":
        request.getfixturevalue("engine")
    env = {"SANDBOX_RUNTIME": runtime}
    done = project.run("init", "data", env=env)
    assert done.status == 0, done.stderr
    found = settings(project)
    assert found["sample"]["unit"] == "customers"
    assert found["sample"]["rate"] == 1.0  # 2,500 customers are few
    assert found["tables"]["orders"]["references"] == {"customer": "customers.id"}
    assert found["tables"]["customers"]["mask"] == {"mail": "email"}
    assert found["outputs"]["customer_value"] == {"key": ["customer_id"], "unit_key": ["customer_id"]}
    assert found["outputs"]["order_days"]["key"] == ["order_id"]
    assert "snowflake" in (project.root / "sandbox.toml").read_text("utf-8")
    created = project.run("create", env=env)
    assert created.status == 0, created.stderr
    project.edit("models/marts/customer_value.sql", "coalesce(sum(cents), 0)", "sum(cents)")
    project.edit("models/marts/customer_value.sql", "name as country", "upper(name) as country")
    for name, severity in (("no_value", "error"), ("few_customers", "warn")):
        text = f"{{{{ config(severity='{severity}') }}}} select * from {{{{ ref('customer_value') }}}}"
        (project.root / "tests" / f"{name}.sql").write_text(text)
    done = project.run("diff", "--json", env=env)
    assert done.status == 1, done.stderr
    document = done.json
    assert document["dbt"] == {
        "changed": ["customer_value"],
        "built": ["customer_value"],
        "taken_over": ["countries", "order_days", "regions", "stg_customers", "stg_orders"],
        "unproven": [],
        "reasons": {"customer_value": "its compiled code differs"},
        "moved": {},
        "order": ["customer_value", "regions", "stg_customers", "stg_orders", "order_days"],
        "code_changes": document["dbt"]["code_changes"],
        "lineage": document["dbt"]["lineage"],
        "contracts": [],
        "removed": {},
        "incremental": [],
    }
    check_lineage(document)
    assert (
        "+select customer_id, upper(name) as country, sum(cents) as cents"
        in document["dbt"]["code_changes"]["customer_value"]
    )
    assert set(document["outputs"]) == {
        "customer_value",
        "order_days",
        "regions",
        "stg_customers",
        "stg_orders",
    }
    rows = document["outputs"]["customer_value"]["rows"]
    assert (rows["baseline"], rows["changed"]) == (2500, 2500)
    same = [name for name, one in document["outputs"].items() if not one["rows"]["changed"]]
    assert sorted(same) == ["order_days", "regions", "stg_customers", "stg_orders"]
    check_units(document)
    asked = asked_of(document)
    assert asked["accepted_values_customer_value_country__Germany__France"] == (0, 2, "newly_failing")
    assert asked["unique_customer_value_customer_id"] == (0, 0, "passed")
    assert asked["no_negative_value"] == (0, 0, "passed")
    assert asked["source_unique_shop_customers_id"] == (0, 0, "passed")
    assert asked["no_value"] == (None, 2500, "newly_failing")  # a test of the change's own; hooks are no tests
    assert asked["few_customers"] == (None, 2500, "warned")
    assert {one["name"] for one in document["tests"] if one["added"]} == {"few_customers", "no_value"}
    assert len(asked) == 8
    if runtime == "local":
        check_damaged_record(project, document["baseline"]["run"], env)
    assert project.left_behind() == []
    changed = {line.split()[-1] for line in project.git("status", "--short").splitlines()}
    tests = {"tests/few_customers.sql", "tests/no_value.sql"}
    assert changed == {"models/marts/customer_value.sql", "sandbox.lock", "sandbox.toml", *tests}


@pytest.mark.slow
def test_seeds_that_are_the_source_are_sampled_masked_and_not_shown_to_the_code(project: Shop) -> None:
    """Takes long: dbt parses and builds the project several times."""
    people = "\n".join(f"{n},p{n}@example.org" for n in range(1, 3001))
    (project.root / "seeds" / "people.csv").write_text(f"id,mail\n{people}\n")
    for name in ("models", "tests"):
        project.git("rm", "-rq", name)
    (project.root / "models").mkdir()
    (project.root / "models" / "members.sql").write_text("select id as member_id, mail from {{ ref('people') }}")
    (project.root / "seeds" / "countries.csv").unlink()
    project.git("add", "-A")
    project.git("commit", "-m", "seeds only")
    done = project.run("init")
    assert done.status == 0, done.stderr
    assert settings(project)["source"]["uri"] == "seeds/"
    project.edit("sandbox.toml", "rate = 1.0", "units = 500")
    done = project.run("run", "--json")
    assert done.status == 0, done.stderr
    record = done.json
    assert 300 < record["outputs"]["members"]["rows"] < 1000
    files = f"{record['path']}/output/members.parquet"
    (masked,) = duckdb.connect().execute(
        f"select count(*) from '{files}' where mail = 'p' || member_id || '@example.org'"
    ).fetchone() or (None,)
    assert masked == 0
    project.edit("seeds/people.csv", "\n7,p7@example.org", "\n7,q7@example.org")
    done = project.run("diff", "--json")
    assert done.status == 1, done.stderr
    (changed,) = done.json["not_compared"]
    assert changed["name"] == "seeds/people.csv"
    assert "it has other rows than at main: it is part of the source" in changed["reason"]
    lines = (project.root / "seeds" / "people.csv").read_text().splitlines()
    (project.root / "seeds" / "people.csv").write_text(
        "".join(f"{line},{'vip' if 'id' in line else 1}\n" for line in lines)
    )
    (project.root / "models" / "vips.sql").write_text("select id, vip from {{ ref('people') }}")
    document = project.run("diff", "--json").json
    failed, changed = document["not_compared"]
    assert failed["name"] == "vips"  # the sample does not have the column yet
    assert changed["reason"].startswith("it has the new column vip: ")
    assert changed["reason"].endswith("to run both sides with it: sandbox sample --refresh")
    assert project.run("sample", "--refresh").status == 0
    document = project.run("diff", "--json").json
    assert document["outputs"]["vips"]["status"] == "added"
    (changed,) = document["not_compared"]
    assert "both sides ran on the sample of its new contents" in changed["reason"]


@pytest.mark.slow
def test_models_that_fail_on_a_side_are_not_judged_and_the_others_are(project: Shop) -> None:
    """Slow: two whole runs of dbt, and three diffs of them."""
    assert project.run("init", "data").status == 0
    marts = project.root / "models" / "marts"
    (marts / "top.sql").write_text("select top 5 id from {{ source('shop', 'orders') }}")  # fails on both sides
    (marts / "after_top.sql").write_text("select id from {{ ref('top') }}")
    (marts / "fixed.sql").write_text("select nothing from {{ ref('stg_orders') }}")  # the candidate repairs it
    (marts / "lazy.sql").write_text(
        "{{ config(materialized='view') }} select mail::integer as mail from {{ ref('stg_customers') }}"
    )
    tests = "\n  - {name: after_top, columns: [{name: id, data_tests: [unique]}]}\n"
    project.edit("models/schema.yml", "models:\n", f"models:{tests}")
    project.git("add", "-A")
    project.git("commit", "-m", "some fail")
    (marts / "fixed.sql").write_text("select order_id from {{ ref('stg_orders') }}")
    (marts / "new.sql").write_text("select to_variant(1) as v")
    (marts / "order_days.sql").unlink()
    project.edit("models/marts/regions.sql", "name as region", "no_name as region")
    project.edit("models/marts/customer_value.sql", "name as country", "upper(name) as country")
    done = project.run("diff", "--json")
    assert done.status == 1, done.stderr
    document = done.json
    failed = {one["name"]: one["reason"] for one in document["not_compared"]}
    assert set(failed) == {"top", "after_top", "fixed", "lazy", "new", "regions"}
    assert failed["top"] == 'in both versions it fails: Parser Error: syntax error at or near "5"'
    assert failed["after_top"] == "in both versions it is not built, because top fails"
    assert failed["fixed"].startswith('in the baseline it fails: Binder Error: Referenced column "nothing" not found')
    assert failed["fixed"].endswith("; the candidate makes 8,000 rows, with nothing to compare")
    assert "Could not convert string" in failed["lazy"]
    assert failed["new"].endswith("to_variant does not exist!; it is new")
    assert failed["regions"].endswith("; the baseline makes 2 rows")
    assert set(document["outputs"]) == {"customer_value", "order_days", "stg_customers", "stg_orders"}
    assert document["outputs"]["customer_value"]["rows"]["changed"] == 2500
    rules = {one["rule"]: one["found"] for one in document["gate"] if not one["held"] and one["output"] is None}
    assert rules["removed"] == "1 output of the baseline that the candidate fails to make: regions"
    assert rules["not_compared"].startswith("6: ")
    assert asked_of(document)["unique_after_top_id"] == (None, None, "skipped")
    assert any("top: this SQL is not DuckDB's" in text for text in document["warnings"])
    assert document["dbt"]["removed"] == {"order_days": []}
    shown = project.run("diff", "--no-values", env={"COLUMNS": "300"})  # both runs are used again
    assert "used by exposure weekly (Ann, ann@shop.test)" in shown.stdout
    assert "deleted: order_days, on which nothing depended" in shown.stdout
    assert shown.status == 1
    assert "regions" in shown.stdout
    assert "@example" not in shown.stdout
    assert "the engine's message is not shown" in shown.stdout
    project.edit("sandbox.toml", "[pipeline]", '[gate]\nnot_compared = "any"\nchanged_rows = "100%"\n\n[pipeline]')
    project.git("add", "sandbox.toml")
    accepted = project.run("diff", "--accept-rules", "--json")
    assert {one["rule"] for one in accepted.json["gate"] if not one["held"]} >= {"removed"}


@pytest.mark.slow
def test_what_goes_wrong_is_told_with_what_to_do(project: Shop) -> None:
    """Takes long: dbt parses the project for each mistake."""
    assert project.run("init", "data").status == 0
    models = project.root / "models" / "marts"
    (models / "top.sql").write_text("select top 5 id from {{ source('shop', 'orders') }}")
    (models / "variant.sql").write_text("select to_variant(id) as v from {{ source('shop', 'orders') }}")
    (models / "after_top.sql").write_text("select * from {{ ref('top') }}")
    done = project.run("run")
    assert done.status == 15
    assert "the pipeline at working tree: top, variant failed, so 1 other was not built" in done.stderr
    assert "top (models/marts/top.sql): " in done.stderr
    assert "Parser Error" in done.stderr
    assert "to_variant does not exist" in done.stderr
    assert done.stderr.count("this SQL is not DuckDB's") == 2
    (models / "top.sql").write_text("select '{{ env_var('REGION') }}' as region")
    done = project.run("run")
    assert done.status == 15
    assert '[pipeline] env = { REGION = "…" }' in done.stderr
    (models / "top.sql").unlink()
    (models / "after_top.sql").unlink()
    sources = PROJECT["models/sources.yml"] + "      - name: returns\n"
    (project.root / "models" / "sources.yml").write_text(sources)
    (models / "variant.sql").write_text("select * from {{ source('shop', 'returns') }}")
    done = project.run("run")
    assert done.status == 15
    assert "the sample has no table for source shop.returns, which variant reads" in done.stderr


def test_projects_that_cannot_be_sampled_are_refused(project: Shop) -> None:
    done = project.run("init")
    assert done.status == 10
    assert "raw.customers, raw.orders" in done.stderr
    done = project.run("init", "seeds")
    assert done.status == 10
    assert "has no table that shop reads" in done.stderr
    (project.root / "models" / "schema.yml").write_text("models: [")
    done = project.run("init", "data")
    assert done.status == 15
    assert "schema.yml" in done.stderr
    project.git("rm", "-rqf", "models", "tests")
    (project.root / "models").mkdir(exist_ok=True)
    done = project.run("init", "data")
    assert done.status == 10
    assert "has no models" in done.stderr
    assert not (project.root / "sandbox.toml").exists()
