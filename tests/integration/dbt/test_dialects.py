"""Models of a warehouse compile as there, and run in DuckDB with the values that the warehouse gives."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.dbt.programs import Programs

SHARED = {
    "dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: warehouse\nmodels:\n  shop: {+materialized: table}\n",
    "models/sources.yml": "sources: [{name: raw, schema: raw, tables: [{name: orders}, {name: returns}]}]\n",
    "macros/pick.sql": """\
{% macro default__pick() %}'default'{% endmacro %}{% macro duckdb__pick() %}'duckdb'{% endmacro %}
{% macro snowflake__pick() %}'snowflake'{% endmacro %}{% macro bigquery__pick() %}'bigquery'{% endmacro %}
""",
    "models/dispatched.sql": "select {{ adapter.dispatch('pick', 'shop')() }} as kind, '{{ target.type }}' as target, '{{ adapter.type() }}' as adapter\n",
    "models/passed_through.sql": "{{ config(materialized='ephemeral') }}\nselect id, amount from {{ source('raw', 'orders') }} where id < 8\n",
    "models/of_ephemeral.sql": "select id, amount / 3 as part from {{ ref('passed_through') }}\n",
    "models/counted.sql": """\
{% set rows = run_query("select max(id) as n from " ~ source('raw', 'returns')) %}
select {{ rows.columns[0].values()[0] if execute else 0 }} as n
""",
    "models/schema.yml": """\
models:
  - name: of_ephemeral
    columns: [{name: id, data_tests: [unique, not_null]}]
""",
    "seeds/rates.csv": "currency,rate\nEUR,1.5\n",
}
SNOWFLAKE = {
    "seeds/seeds.yml": "seeds: [{name: rates, config: {column_types: {rate: 'number(10, 1)'}}}]\n",
    "models/dated.sql": "select id, {{ dbt.dateadd('month', 1, \"to_date('2024-01-31')\") }} as day from {{ ref('of_ephemeral') }}\n",
    "models/latest.sql": "select id from {{ source('raw', 'orders') }} qualify row_number() over (partition by amount order by id desc) = 1\n",
    "models/refused.sql": "select parse_json('{}'):a::int as a\n",
    "models/after_refused.sql": "select a from {{ ref('refused') }}\n",
    "models/hooked.sql": "{{ config(post_hook='delete from {{ this }}') }} select 1 as one\n",
    "models/arrays.sql": "select {{ dbt.array_construct([1, 2]) }} as a\n",
}
BIGQUERY = {
    "models/hashed.sql": "select id, {{ dbt.hash('id') }} as h from {{ source('raw', 'returns') }} where id = 1\n",
    "models/dated.sql": "select {{ dbt.datediff(\"'2024-01-31'\", \"'2024-02-01'\", 'month') }} as months\n",
}


def read_rows(output: Path, name: str) -> list[tuple[Any, ...]]:
    return duckdb.connect().execute(f"from '{output}/{name}.parquet' order by all").fetchall()


def read_record(output: Path, name: str) -> Any:
    return json.loads((output / "_dbt" / name).read_text("utf-8"))


@pytest.mark.slow
def test_models_of_snowflake_have_its_values_or_are_refused_by_name(programs: Programs) -> None:
    """Slow: two runs of dbt."""
    output = programs.run({**SHARED, **SNOWFLAKE}, {}, dialect="snowflake")
    assert read_rows(output, "dispatched") == [("snowflake",) * 3]
    rows = read_rows(output, "of_ephemeral")
    assert [str(part) for _, part in rows[:3]] == ["0.000000", "12.333333", "24.666667"]  # scale 6, rounded
    assert read_rows(output, "counted") == [(76,)]
    assert {str(day) for _, day in read_rows(output, "dated")} == {"2024-02-29"}
    assert len(read_rows(output, "latest")) == 1000
    record = read_record(output, "built.json")
    causes = {one["name"]: one["cause"] or one["parent"] for one in record["failed"].values()}
    assert set(causes) == {"refused", "after_refused", "hooked", "arrays"}
    assert "GET_PATH(PARSE_JSON('{}'), 'a') has no exact translation" in causes["refused"]
    assert causes["after_refused"] == "refused"
    assert causes["hooked"].endswith("its hooks are not translated")
    assert causes["arrays"] == "the macro array_construct of dbt-snowflake is not known here"
    tests = read_record(output, "tests.json")
    assert {(test["name"], test["status"]) for test in tests.values()} == {
        ("unique_of_ephemeral_id", "pass"), ("not_null_of_ephemeral_id", "pass"),
    }  # fmt: skip
    edited = SNOWFLAKE["models/latest.sql"].replace("desc", "asc")
    candidate = programs.run(
        {**SHARED, **SNOWFLAKE, "models/latest.sql": edited}, {}, state=output, dialect="snowflake"
    )
    built = read_record(candidate, "built.json")
    assert "latest" in built["built"]
    assert {"dispatched", "of_ephemeral", "dated", "counted"} <= set(built["taken_over"])


@pytest.mark.slow
def test_models_of_bigquery_have_its_macros_and_quotes(programs: Programs) -> None:
    """Slow: a run of dbt."""
    output = programs.run({**SHARED, **BIGQUERY}, {}, dialect="bigquery")
    assert read_record(output, "built.json")["failed"] == {}
    assert read_rows(output, "dispatched") == [("bigquery",) * 3]
    assert read_rows(output, "of_ephemeral")[1] == (1, 37 / 3)
    assert read_rows(output, "hashed") == [(1, "c4ca4238a0b923820dcc509a6f75849b")]
    assert read_rows(output, "dated") == [(1,)]
