"""What dbt 1.11 says when it cannot go on, in its own words, and what is added to it."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from sandbox.store.paths import find_packaged_folder

SAID = {
    "dbt found 3 package(s) specified in packages.yml, but only 0 package(s) installed in dbt_packages. "
    'Run "dbt deps" to install package dependencies.': 'include = ["dbt_packages"]',
    "Compilation Error in model a (models/a.sql)\n  'dbt_utils' is undefined. This can happen when calling a macro that "
    "does not exist.": "dbt deps",
    "Parsing Error\n  Env var required but not provided: 'REGION'": '[pipeline] env = { REGION = "…" }',
    "Compilation Error in model a (models/a.sql)\n  Required var 'region' not found in config:\n  Vars supplied to a = {}": (
        'DBT_VARS = "{{region: …}}"'
    ),
    'Runtime Error in model a (models/a.sql)\n  Parser Error: syntax error at or near "5"': "[pipeline] env = { DBT_EXCLUDE",
    "Runtime Error in model a (models/a.sql)\n  Catalog Error: Scalar Function with name to_variant does not exist!": (
        "this SQL is not DuckDB's"
    ),
}


ON_POSTGRES = {
    'Database Error in model a (models/a.sql)\n  syntax error at or near "5"': "[pipeline] env = { DBT_EXCLUDE",
    "Database Error in model a (models/a.sql)\n  function to_variant(bigint) does not exist": "this SQL is not Postgres's",
    'Database Error in model a (models/a.sql)\n  relation "analytics.a" does not exist': "source() and ref()",
    'Database Error in model a (models/a.sql)\n  role "reporting" does not exist': "the hook that names reporting",
    "No module named 'dbt.adapters.postgres'": 'image = "dbt"',
    "Runtime Error\n  Could not find adapter type postgres!": 'image = "dbt"',
}


@pytest.mark.parametrize(("said", "added"), SAID.items())
def test_dbts_words_are_kept_and_what_to_do_is_added(said: str, added: str) -> None:
    shown = program().explain_error(said, model="a")
    assert shown.startswith(said)
    assert added in shown.removeprefix(said)


@pytest.mark.parametrize(("said", "added"), ON_POSTGRES.items())
def test_so_are_those_of_postgres(said: str, added: str) -> None:
    shown = program().explain_error(said, model="a", adapter="postgres")
    assert shown.startswith(said)
    assert added in shown.removeprefix(said)


def test_what_is_not_known_stays_as_it_is() -> None:
    assert program().explain_error("Database Error: no space left") == "Database Error: no space left"


def test_a_project_for_postgres_that_runs_on_duckdb_is_told_where_it_can_run() -> None:
    said = 'Runtime Error in model a (models/a.sql)\n  Parser Error: syntax error at or near "5"'
    assert 'inputs = ["postgres"]' in program().explain_error(said, model="a", adapters=["postgres"])


def program() -> Any:
    place = find_packaged_folder("images") / "dbt" / "explain.py"
    specification = importlib.util.spec_from_file_location("explain", place)
    assert specification is not None
    assert specification.loader is not None
    found = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(found)
    return found
