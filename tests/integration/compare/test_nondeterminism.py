"""Nondeterministic columns are judged by their distribution: few false alarms, and no large change passes."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sandbox.compare import ColumnTest, OutputRules, RunPeriod, judge_columns
from sandbox.model import TableFiles

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Columns = dict[str, Any]
ROWS = 600
UNCHANGED = 200
KINDS = 4
LEVEL = 0.01
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
PERIODS = [RunPeriod(start=START.timestamp() + 60 * run, end=START.timestamp() + 60 * run + 10) for run in range(3)]


def judge(folder: Path, runs: list[Columns], *, key: tuple[str, ...] = ("id",)) -> dict[str, ColumnTest]:
    """Test all columns but the key, given those of the baseline, the noise run and the candidate."""
    tables = []
    for number, columns in enumerate(runs):
        path = folder / f"{number}.parquet"
        size = len(next(iter(columns.values())))
        pq.write_table(pa.table({"id": np.arange(size)} | columns), path)
        tables.append(TableFiles(name="t", format="parquet", paths=(path,)))
    names = [name for name in runs[0] if name not in key]
    tests = judge_columns(tables, PERIODS, names, OutputRules(), key=key, memory=2**29)
    return {test.name: test for test in tests}


def count_failures(tests: dict[str, ColumnTest]) -> int:
    """Return how many diffs fail, where each has one of the columns."""
    return sum(test.p_value <= LEVEL for test in tests.values())


def draw_row_wise(random: np.random.Generator, kind: int) -> Any:
    draws: tuple[Callable[[], Any], ...] = (
        lambda: random.random(ROWS),
        lambda: np.exp(3 * random.normal(size=ROWS)),
        lambda: random.integers(0, 9, ROWS),
        lambda: random.choice(["a", "b", "c"], ROWS, p=[0.7, 0.2, 0.1]),
    )
    return draws[kind]()


def draw_run_wise(random: np.random.Generator, kind: int, fixed: Any) -> Any:
    draws: tuple[Callable[[], Any], ...] = (
        lambda: np.full(ROWS, random.random()),
        lambda: random.random() * fixed,
        lambda: random.normal() + fixed,
        lambda: np.full(ROWS, f"run {random.integers(0, 10**9)}"),
    )
    return draws[kind]()


def test_of_200_unchanged_diffs_at_most_two_fail(tmp_path: Path) -> None:
    random = np.random.default_rng(20261130)
    names = [f"c{diff:03}_{diff % KINDS}" for diff in range(UNCHANGED)]
    fixed = {name: random.normal(size=ROWS) for name in names}
    rows = [{name: draw_row_wise(random, int(name[-1])) for name in names} for _ in range(3)]
    assert count_failures(judge(tmp_path, rows)) <= 2
    runs = [{name: draw_run_wise(random, int(name[-1]), fixed[name]) for name in names} for _ in range(3)]
    assert count_failures(judge(tmp_path, runs)) <= 2


def test_a_factor_and_a_zero_fail_in_each_of_20_diffs(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    names = [f"c{diff:02}" for diff in range(20)]
    runs = [{name: random.random(ROWS) for name in names} for _ in range(3)]
    for changed in ({n: v * 1000 for n, v in runs[2].items()}, {n: v * 0 for n, v in runs[2].items()}):
        for key in (("id",), ()):
            tests = judge(tmp_path, [*runs[:2], changed], key=key)
            assert count_failures(tests) == 20


def test_times_of_the_run_and_unique_texts_are_judged_by_nulls_and_uniqueness(tmp_path: Path) -> None:
    def make(run: int) -> Columns:
        random = np.random.default_rng(run)
        start = START + dt.timedelta(minutes=run, seconds=1)
        return {
            "at": [start + dt.timedelta(milliseconds=int(n)) for n in random.integers(0, 8000, ROWS).tolist()],
            "uuid": [random.bytes(16).hex() for _ in range(ROWS)],
        }

    runs = [make(run) for run in range(3)]
    tests = judge(tmp_path, runs)
    assert {name: (test.kind, test.p_value) for name, test in tests.items()} == {
        "at": ("times", 1.0),
        "uuid": ("identifiers", 1.0),
    }
    lost = [None if number % 3 else value for number, value in enumerate(runs[2]["at"])]
    repeated = [runs[2]["uuid"][0], *runs[2]["uuid"][:-1]]
    tests = judge(tmp_path, [*runs[:2], {"at": lost, "uuid": repeated}])
    assert max(test.p_value for test in tests.values()) < LEVEL / 10
    assert "66.7 % of its values are NULL" in tests["at"].finding
    assert tests["uuid"].finding.startswith("1 of its values repeat")
    long_ago = [dt.datetime(1970, 1, 1, tzinfo=dt.UTC)] * ROWS
    assert judge(tmp_path, [*runs[:2], runs[2] | {"at": long_ago}])["at"].p_value < LEVEL


@pytest.mark.parametrize("changed", ["same", "constant", "new"])
def test_categories_are_compared_by_their_shares(tmp_path: Path, changed: str) -> None:
    random = np.random.default_rng(3)
    runs = [{"c": random.choice(["a", "b", "c"], ROWS)} for _ in range(3)]
    others = {"same": runs[2]["c"], "constant": np.full(ROWS, "a"), "new": np.full(ROWS, "d")}
    p_value = judge(tmp_path, [*runs[:2], {"c": others[changed]}])["c"].p_value
    assert p_value > LEVEL if changed == "same" else p_value < LEVEL / 1000


def test_empty_sides_and_columns_without_values_are_no_errors(tmp_path: Path) -> None:
    full, empty = {"c": [1.0, 2.0]}, {"c": pa.array([], pa.float64())}
    assert judge(tmp_path, [full, empty, full])["c"].p_value == 1.0
    nulls = {"c": pa.nulls(2, pa.float64())}
    assert judge(tmp_path, [nulls, nulls, nulls])["c"].p_value == 1.0
    nested = {"c": [[1, 2], None]}
    assert judge(tmp_path, [nested, nested, nested])["c"].p_value == 1.0
