"""What dbt 1.11 says when it cannot go on, in its own words, and what is added to it."""

from __future__ import annotations

import importlib.util

import pytest

from sandbox.store.places import packaged

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


@pytest.mark.parametrize(("said", "added"), SAID.items())
def test_dbts_words_are_kept_and_what_to_do_is_added(said: str, added: str) -> None:
    place = packaged("images") / "dbt" / "explain.py"
    specification = importlib.util.spec_from_file_location("explain", place)
    assert specification is not None
    assert specification.loader is not None
    program = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(program)
    shown = program.explained(said, model="a")
    assert shown.startswith(said)
    assert added in shown.removeprefix(said)
    assert program.explained("Database Error: no space left") == "Database Error: no space left"
