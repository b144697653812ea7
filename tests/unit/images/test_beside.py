"""What a dbt project's own profile tells of the database that production runs on."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.store.paths import find_packaged_folder

if TYPE_CHECKING:
    from pathlib import Path

TWO = "shop: {target: dev, outputs: {dev: {type: duckdb, path: w.duckdb}, prod: {type: postgres}}}\n"
PROFILES = {
    TWO: ("postgres", ["duckdb", "postgres"], "w.duckdb"),
    TWO.replace("prod:", "live:"): ("duckdb", ["duckdb", "postgres"], "w.duckdb"),
    "other: {target: a, outputs: {a: {type: postgres}}}\nshop: {outputs: {b: {type: snowflake}}}\n": (
        "snowflake",
        ["snowflake"],
        None,
    ),
    "other: {target: a, outputs: {a: {type: postgres}}}\n": ("postgres", ["postgres"], None),
    "shop: {target: \"{{ env_var('X') }}\", outputs: {a: {type: postgres}, b: {type: duckdb, path: ':memory:'}}}\n": (
        None,
        ["duckdb", "postgres"],
        None,
    ),
    "shop: [": (None, [], None),
    "- shop\n": (None, [], None),
    "shop: {outputs: [postgres]}\n": (None, [], None),
    "shop: {target: [x], outputs: {a: postgres}}\n": (None, [], None),
}


@pytest.mark.parametrize(("text", "expected"), PROFILES.items())
def test_the_adapter_is_that_of_productions_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, expected: tuple[Any, ...]
) -> None:
    (tmp_path / "dbt_project.yml").write_text("name: shop\nprofile: shop\n")
    (tmp_path / "profiles.yml").write_text(text)
    monkeypatch.chdir(tmp_path)
    specification = importlib.util.spec_from_file_location(
        "profiles", find_packaged_folder("images") / "dbt" / "profiles.py"
    )
    assert specification is not None
    assert specification.loader is not None
    program = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(program)
    found = program.describe_profile()
    assert (found["adapter"], found["adapters"], found["database"]) == expected
