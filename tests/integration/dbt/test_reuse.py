"""A candidate that takes nodes over makes exactly what one that builds everything makes, whatever has changed.

The program that calls dbt runs here in the image's own libraries, as processes of this machine. Changes of different nodes
are made at once; ``DBT_CHANGES=each`` makes each of them alone, which takes an hour.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from tests.integration.dbt.changes import ALWAYS_BUILT, CHANGES, FILES, Change

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.dbt.programs import Programs

EVERYTHING = frozenset({"*"})


@pytest.fixture(scope="module")
def baseline(programs: Programs) -> Path:
    return run_change(programs, Change())


def run_change(programs: Programs, change: Change, *, state: Path | None = None) -> Path:
    return programs.run(change.apply(FILES), {"REGION": "south", **change.environment}, state=state)


def merge_changes() -> list[list[str]]:
    """Group changes of different nodes; what changes everything is alone."""
    groups: list[list[str]] = []
    for name, change in CHANGES.items():
        touched = change.built | change.failing
        if os.environ.get("DBT_CHANGES") == "each" or EVERYTHING & touched:
            groups.append([name])
            continue
        for group in groups:
            others = frozenset[str]().union(*(CHANGES[other].built | CHANGES[other].failing for other in group))
            if not others & (touched | EVERYTHING):
                group.append(name)
                break
        else:
            groups.append([name])
    return groups


def read_rows(output: Path) -> dict[str, Any]:
    """Read the number of rows and a digest of each output, and the tests' results."""
    connection, found = duckdb.connect(), dict[str, Any]()
    for file in sorted(output.glob("*.parquet")):
        columns = [name for name, *_ in connection.execute(f"describe from '{file}'").fetchall()]
        listed = ", ".join(f'"{column}"' for column in columns)
        query = f"select count(*), sum(hash({listed})) from '{file}'"
        found[file.stem] = columns, connection.execute(query).fetchone()
    tests = read_record(output, "tests.json")
    return {**found, "tests": {key: (test["status"], test["failures"]) for key, test in tests.items()}}


def read_record(output: Path, name: str) -> Any:
    return json.loads((output / "_dbt" / name).read_text("utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize("names", merge_changes(), ids=lambda names: f"{names[-1]} and {len(names) - 1} more")
def test_reuse_makes_what_a_whole_build_makes(programs: Programs, baseline: Path, names: list[str]) -> None:
    """Slow: each group is two runs of dbt."""
    files, environment = FILES, dict[str, str]()
    for name in names:
        files = CHANGES[name].apply(files)
        environment |= CHANGES[name].environment
    change = Change(files=files, environment=environment)
    candidate = run_change(programs, change, state=baseline)
    record = read_record(candidate, "built.json")
    expected = ALWAYS_BUILT.union(*(CHANGES[name].built for name in names))
    valid = (
        f"select distinct dbt_valid_from::varchar, dbt_updated_at::varchar from '{candidate}/orders_snapshot.parquet'"
    )
    assert duckdb.connect().execute(valid).fetchall() == [("2026-01-01 00:00:00",) * 2]  # the time of the sample
    if EVERYTHING & expected:
        assert record["taken_over"] == []
        return
    assert set(record["built"]) == expected, record["reasons"]
    assert read_rows(candidate) == read_rows(run_change(programs, change))
    tests = read_record(candidate, "tests.json")
    failing = {test["name"] for test in tests.values() if test["status"] != "pass"}
    assert failing == frozenset[str]().union(*(CHANGES[name].failing for name in names))
