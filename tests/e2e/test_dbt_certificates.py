"""Models of a warehouse run in DuckDB, and production's own outputs certify that they mean the same there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from tests.projects import create_shop, write_tables

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 600
TABLES = {
    "events": f"""select i as id, i % 7 as a, 2 as b, case when i % 5 = 0 then null else i % 5 end as c,
        timestamp '2024-01-31 23:00:00' + to_days((i % 40)::int) as made_at, date '2024-01-31' + (i % 40)::int as day,
        ((i % 9) / 4)::decimal(10, 2) as amount, case i % 3 when 0 then 'Ab' else 'xb' end as note from range({ROWS}) t(i)"""
}
EVENTS = "select id, {} as x from {{{{ source('raw', 'events') }}}}"
MODELS = {
    "integer_division": EVENTS.format("a / b"),
    "null_order": EVENTS.format("row_number() over (order by c desc, id)"),
    "time_zone": EVENTS.format("convert_timezone('UTC', 'America/New_York', made_at)"),
    "case_of_letters": EVENTS.format("note ilike 'a%'"),
    "semi_structured": EVENTS.format("parse_json(note):a::int"),
    "rounding": EVENTS.format("amount::int"),
    "date_arithmetic": EVENTS.format("dateadd(month, 1, day)"),
    "text_to_number": EVENTS.format("try_cast(note as int)"),
    "first_rows": EVENTS.format("a") + " qualify row_number() over (partition by a order by c desc, id) = 1",
    "hash_function": EVENTS.format("md5(note)"),
}
REFUSED = {"semi_structured": "GET_PATH", "text_to_number": "TRY_CAST"}
# What Snowflake makes of each model, and what a wrong translation would make.
PRODUCTION = {
    "integer_division": ("(a / b)::decimal(38, 6)", "a // b"),
    "null_order": (
        "row_number() over (order by c desc nulls first, id)",
        "row_number() over (order by c desc nulls last, id)",
    ),
    "time_zone": ("made_at at time zone 'UTC' at time zone 'America/New_York'", "made_at"),
    "case_of_letters": ("lower(note) like 'a%'", "note like 'a%'"),
    "semi_structured": ("null::int", "1"),
    "rounding": ("round(amount)::bigint", "trunc(amount)::bigint"),
    "date_arithmetic": ("(day + interval 1 month)::date", "day + 30"),
    "text_to_number": ("null::int", "1"),
    "hash_function": ("md5(note)", "md5(upper(note))"),
}
FIRST_ROWS = "select id, a as x from events qualify row_number() over (partition by a order by c desc nulls {}, id) = 1"
SETTINGS = """\
version = 1
[project]
name = "shop"
[source]
uri = "data/"
[sample]
unit = "events"
rate = 1.0
[tables.events]
key = ["id"]
[stack]
image = "dbt"
[pipeline]
kind = "dbt"
dialect = "snowflake"
"""
PROJECT = {
    "sandbox.toml": SETTINGS,
    "dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: warehouse\nmodels: {shop: {+materialized: table}}\n",
    "models/sources.yml": "sources: [{name: raw, tables: [{name: events}]}]\n",
    **{f"models/{name}.sql": f"{sql}\n" for name, sql in MODELS.items()},
    "models/halves.sql": "select id, x from {{ ref('integer_division') }} where x > 1\n",
    ".gitignore": "data/\nmade/\nwrong/\n.sandbox/\n",
}


def write_production(folder: Path, place: int) -> None:
    """Write what production made, with its names in capitals; ``place`` 1 has the values of wrong translations."""
    folder.mkdir()
    connection = duckdb.connect()
    connection.execute(f"create table events as {TABLES['events']}")
    queries = {name: f"select id, {values[place]} as x from events" for name, values in PRODUCTION.items()}
    queries["first_rows"] = FIRST_ROWS.format(("first", "last")[place])
    queries["halves"] = f"select id, x from ({queries['integer_division']}) where x > 1"
    for name, query in queries.items():
        connection.execute(f'copy (select id as "ID", x as "X" from ({query})) to \'{folder}/{name.upper()}.parquet\'')


def list_reasons(document: dict[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry["reason"] for entry in document["not_compared"]}


@pytest.mark.slow
def test_a_translation_counts_when_production_made_the_same(tmp_path: Path, sandbox_home: Path) -> None:
    """Slow: three runs of dbt."""
    project = create_shop(tmp_path / "shop", sandbox_home, PROJECT)
    write_tables(project.root / "data", TABLES)
    for place, folder in enumerate(("made", "wrong")):
        write_production(project.root / folder, place)

    wrong = project.run("diff", "--certify", "--baseline-output", "wrong", "--json")
    assert wrong.status == 1, wrong.stderr
    (summary,) = (text for text in wrong.json["warnings"] if "certified" in text)
    assert summary.startswith("0 of 9 models are certified; not certified: ")
    assert all(
        f"{name} (" in summary for name in {*MODELS, "halves"} - REFUSED.keys()
    )  # each wrong translation is named
    reasons = list_reasons(wrong.json)
    for name, construct in REFUSED.items():
        assert "it is written for snowflake" in reasons[name]
        assert construct in reasons[name]

    project.edit("models/integer_division.sql", "a / b", "a / b + 0")
    reasons = list_reasons(project.run("diff", "--json").json)
    assert {name for name, reason in reasons.items() if "is not certified" in reason} == {"integer_division", "halves"}
    assert reasons["halves"].endswith("sandbox diff --certify --baseline-output PATH")
    assert set(reasons) == {*REFUSED, "integer_division", "halves"}

    right = project.run("diff", "--certify", "--baseline-output", "made", "--json")
    (summary,) = (text for text in right.json["warnings"] if "certified" in text)
    assert summary == "9 of 9 models are certified"
    document = project.run("diff", "--json").json
    assert set(list_reasons(document)) == set(REFUSED)
    assert document["outputs"]["integer_division"]["rows"]["changed"] == 0

    done = project.run("diff", "--certify")
    assert done.status == 2
    assert "it goes with --baseline-output PATH" in done.stderr
    project.edit("sandbox.toml", 'dialect = "snowflake"\n', "")
    project.git("commit", "-qam", "no dialect")
    done = project.run("diff", "--certify", "--baseline-output", "made")
    assert done.status == 10
    assert "--certify: no model is translated at main" in done.stderr
