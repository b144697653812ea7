"""A dbt project whose profile is Postgres: its models run in the stack's Postgres, and a diff takes over what did not change."""

from __future__ import annotations

import subprocess
import tomllib
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from tests.projects import Shop, create_shop, write_tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROJECT = {
    "dbt_project.yml": """\
name: shop
version: "1.0"
profile: warehouse
models:
  shop:
    +grants: {select: [reporting]}
    staging: {+materialized: view}
    marts: {+materialized: table}
""",
    # Production's database is not here, and is never called.
    "profiles.yml": """\
warehouse:
  target: prod
  outputs:
    prod: {type: postgres, host: db.invalid, port: 5432, dbname: landing, schema: analytics, user: me, password: "{{ env_var('PGPASS') }}"}
""",
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
    "models/staging/stg_orders.sql": "select id as order_id, customer as customer_id, amount from {{ source('shop', 'orders') }}\n",
    "models/staging/stg_customers.sql": "select id as customer_id, country from {{ source('shop', 'customers') }}\n",
    "models/staging/paid.sql": "{{ config(materialized='ephemeral') }} select * from {{ ref('stg_orders') }} where amount > 1\n",
    "models/marts/customer_value.sql": """\
select customer_id, name as country, sum(amount) as value, avg(amount) as mean
from {{ ref('stg_customers') }} join {{ ref('paid') }} using (customer_id) join {{ ref('countries') }} on code = country
group by customer_id, name
""",
    "models/marts/shares.sql": """\
{{ config(schema='finance') }}
select customer_id, country, (mean * 3)::text as three from {{ ref('customer_value') }}
""",
    "models/marts/order_days.sql": """\
{{ config(materialized='incremental', unique_key='order_id') }}
select order_id, order_id % 7 as day from {{ ref('stg_orders') }}
{% if is_incremental() %} where false {% endif %}
""",
    "models/schema.yml": """\
models:
  - name: customer_value
    columns:
      - name: customer_id
        data_tests: [unique]
      - name: country
        data_tests: [{accepted_values: {arguments: {values: [Germany, France]}}}]
""",
    "snapshots/customers.yml": """\
snapshots:
  - name: customer_history
    relation: ref('stg_customers')
    config: {unique_key: customer_id, strategy: check, check_cols: [country]}
""",
    "seeds/countries.csv": "code,name\nDE,Germany\nFR,France\n",
    ".gitignore": "data/\n",
}
# What only Postgres has: a type of its own, an array, JSON, and keys that a contract asks for.
OWN = {
    "models/marts/typed.sql": """\
{{ config(pre_hook="do $$ begin create type public.mood as enum ('glad', 'sad'); exception when duplicate_object then null; end $$") }}
select customer_id, 'sad'::public.mood as mood, array['a', customer_id::text] as tags, '{"a": 1}'::jsonb as said
from {{ ref('stg_customers') }}
""",
    "models/marts/nobody_reads.sql": "select 'glad'::public.mood as mood -- {{ ref('typed') }}\n",
    "models/marts/moods.sql": "select mood, count(*) as n from {{ ref('typed') }} group by mood\n",
    "models/marts/members.sql": "select customer_id, '{a,b}'::text[] as tags from {{ ref('stg_customers') }}\n",
    "models/marts/tagged.sql": "select customer_id, tags[1] as tag from {{ ref('members') }}\n",
    "models/marts/contract.yml": """\
models:
  - name: members
    config: {contract: {enforced: true}}
    columns:
      - {name: customer_id, data_type: bigint, constraints: [{type: primary_key}]}
      - {name: tags, data_type: "text[]"}
  - name: tagged
    config: {contract: {enforced: true}}
    columns:
      - {name: customer_id, data_type: bigint, constraints: [{type: foreign_key, to: ref('members'), to_columns: [customer_id]}]}
      - {name: tag, data_type: text}
""",
}
TABLES = {
    "customers": "select i as id, case i % 3 when 0 then 'FR' else 'DE' end as country from range(900) t(i)",
    "orders": "select i as id, (i * 13) % 900 as customer, (i % 90 + 1)::decimal(8,2) as amount from range(4000) t(i)",
}
SETTINGS = """\
version = 1
[project]
name = "shop"
[source]
uri = "data/"
[sample]
unit = "customers"
rate = 1.0
[tables.customers]
key = ["id"]
[tables.orders]
key = ["id"]
references = { customer = "customers.id" }
[stack]
image = "dbt"
[pipeline]
kind = "dbt"
inputs = ["postgres"]
"""
DOCKER = {"SANDBOX_RUNTIME": "docker"}
MODELS = {"customer_history", "customer_value", "order_days", "shares", "stg_customers", "stg_orders"}


@pytest.fixture
def project(tmp_path: Path, sandbox_home: Path, engine: str) -> Iterator[Shop]:
    """Give a dbt project for Postgres, and its data beside it; nothing of it is left in the engine afterwards."""
    made = create_shop(tmp_path / "dbt shöp", sandbox_home, PROJECT)
    write_tables(made.root / "data", TABLES)
    yield made
    made.run("rm", "--yes", env=DOCKER)
    label = f"label=dev.sandbox.path={made.root}"
    listed = ["docker", "ps", "--all", "--quiet", "--filter", label]
    assert subprocess.run(listed, check=True, capture_output=True, text=True).stdout == ""


def initialised(project: Shop) -> None:
    done = project.run("init", "data", env=DOCKER)
    assert done.status == 0, done.stderr


def rows(record: dict[str, Any], output: str) -> list[tuple[Any, ...]]:
    """Give an output's rows in order, but for what a snapshot notes of the clock."""
    file = f"{record['path']}/output/{output}.parquet".replace("'", "''")
    columns = "columns(lambda c: not starts_with(c, 'dbt_'))"
    return duckdb.connect().execute(f"select {columns} from '{file}' order by all").fetchall()


@pytest.mark.slow
@pytest.mark.docker
def test_a_project_for_postgres_as_it_is_from_init_to_a_verdict(project: Shop) -> None:
    """Takes long: dbt builds both versions in containers, beside a Postgres."""
    initialised(project)
    found = tomllib.loads((project.root / "sandbox.toml").read_text("utf-8"))
    assert (found["pipeline"]["kind"], found["pipeline"]["inputs"]) == ("dbt", ["postgres"])
    assert found["tables"]["orders"]["references"] == {"customer": "customers.id"}
    project.edit("models/marts/customer_value.sql", "name as country,", "upper(name) as country,")
    project.edit("models/marts/customer_value.sql", "sum(amount)", "sum(amount) + 1")
    done = project.run("diff", "--json", env=DOCKER)
    assert done.status == 1, done.stderr
    document = done.json
    parts = ("changed", "built", "taken_over", "unproven", "reasons", "moved", "incremental")
    assert {part: document["dbt"][part] for part in parts} == {
        "changed": ["customer_value"],
        "built": ["customer_value", "shares"],
        "taken_over": ["countries", "customer_history", "order_days", "stg_customers", "stg_orders"],
        "unproven": [],
        "reasons": {"customer_value": "its compiled code differs", "shares": "it depends on customer_value"},
        "moved": {},
        "incremental": [],
    }
    assert document["dbt"]["order"][:2] == ["customer_value", "shares"]
    assert "+select customer_id, upper(name) as country" in document["dbt"]["code_changes"]["customer_value"]
    assert set(document["outputs"]) == MODELS
    changed = {name for name, one in document["outputs"].items() if one["rows"]["changed"]}
    assert changed == {"customer_value", "shares"}
    asked = {one["name"]: one["outcome"] for one in document["tests"]}
    assert asked["accepted_values_customer_value_country__Germany__France"] == "newly_failing"
    assert asked["unique_customer_value_customer_id"] == "passed"
    assert asked["source_unique_shop_customers_id"] == "passed"

    again = project.run("diff", "--json", env=DOCKER)
    assert again.status == 1, again.stderr
    sides = [again.json[side]["run"] for side in ("baseline", "candidate")]
    assert sides == [document[side]["run"] for side in ("baseline", "candidate")]

    project.git("checkout", "models")
    project.edit("models/marts/shares.sql", "country,", "upper(country) as country,")
    document = project.run("diff", "--json", env=DOCKER).json
    assert document["dbt"]["built"] == ["shares"]
    columns = document["outputs"]["shares"]["columns"]
    # What was taken over has all its digits: a numeric without a scale, which Parquet does not have.
    assert {name for name, one in columns.items() if one["changed"]} == {"country"}
    assert project.left_behind() == []


@pytest.mark.slow
@pytest.mark.docker
def test_the_same_project_makes_the_same_on_duckdb(project: Shop) -> None:
    initialised(project)
    there = project.run("run", "--json", env=DOCKER)
    assert there.status == 0, there.stderr
    (line,) = [
        one for one in (project.root / "sandbox.toml").read_text("utf-8").splitlines() if one.startswith("inputs")
    ]
    project.edit("sandbox.toml", line, "")
    here = project.run("run", "--json")
    assert here.status == 0, here.stderr
    assert set(there.json["outputs"]) == set(here.json["outputs"]) == MODELS
    for name in MODELS - {"shares"}:  # whose digits are the database's own
        assert len(rows(there.json, name)) > 800
        assert rows(there.json, name) == rows(here.json, name)


@pytest.mark.slow
@pytest.mark.docker
def test_what_only_postgres_has_is_made_again_or_taken_over_as_it_was(project: Shop) -> None:
    """Takes long: dbt builds both versions in containers, beside a Postgres."""
    for name, text in OWN.items():
        (project.root / name).write_text(text)
    project.git("add", "-A")
    project.git("commit", "-m", "types and keys")
    initialised(project)
    project.edit("models/marts/moods.sql", "count(*)", "count(*) + 1")
    project.edit("models/marts/tagged.sql", "tags[1]", "tags[2]")
    done = project.run("diff", "--json", env=DOCKER)
    assert done.status == 1, done.stderr
    # No other database has the type of `typed`, so it is built again with all that refer to it; `members` was taken over
    # with its key, to which `tagged` refers.
    assert done.json["dbt"]["changed"] == ["moods", "tagged"]
    assert done.json["dbt"]["built"] == ["moods", "nobody_reads", "tagged", "typed"]
    changed = {name for name, one in done.json["outputs"].items() if one["rows"]["changed"]}
    assert changed == {"moods", "tagged"}


@pytest.mark.slow
@pytest.mark.docker
def test_what_goes_wrong_is_told_with_what_to_do(project: Shop) -> None:
    """It starts a Postgres, builds three models that fail in it, and runs the project a second time without it."""
    initialised(project)
    models = project.root / "models" / "marts"
    (models / "top.sql").write_text("select top 5 id from {{ source('shop', 'orders') }}")
    (models / "zero.sql").write_text("select 1 / (id - id) as none from {{ source('shop', 'orders') }}")
    (models / "elsewhere.sql").write_text("select * from analytics.customer_value")
    done = project.run("run", env=DOCKER)
    assert done.status == 15
    assert "zero (models/marts/zero.sql): Database Error" in done.stderr
    assert "division by zero" in done.stderr
    assert 'syntax error at or near "5"' in done.stderr
    assert "this SQL is not Postgres's" in done.stderr
    assert "name tables by source() and ref()" in done.stderr
    project.edit("sandbox.toml", 'inputs = ["postgres"]', 'inputs = ["parquet"]')
    done = project.run("run")
    assert done.status == 15
    assert 'the project\'s profile names Postgres: run them there with inputs = ["postgres"]' in done.stderr


def test_models_in_postgres_need_an_engine(project: Shop) -> None:
    (project.root / "sandbox.toml").write_text(SETTINGS)
    done = project.run("run", env={"SANDBOX_RUNTIME": "local"})
    assert done.status == 14
    assert "services are containers" in done.stderr
