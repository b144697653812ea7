"""What two runs of the same code tell about an output."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest

from sandbox.compare import OutputRules, Tolerance
from sandbox.impact.compare_outputs import ComparisonOptions, compare_tables
from sandbox.impact.noise.detection import NoiseDetector, OutputNoise
from sandbox.model import SilentProgress, TableFiles

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ROWS = "range(1000) as t(id)"


def noise(tmp_path: Path, runs: Sequence[str], rules: OutputRules | None = None) -> OutputNoise:
    """Look for noise in one output, given the queries of the baseline, its second run, and the candidate."""
    tables, columns = [], {}
    for number, query in enumerate(runs):
        path = tmp_path / f"{number}.parquet"
        with duckdb.connect() as connection:
            connection.execute(f"copy ({query}) to '{path}'").fetchall()
            described = connection.execute(f"describe {query}").fetchall()
        tables.append(TableFiles(name="made", format="parquet", paths=(path,)))
        if not number:
            columns = {name: kind for name, kind, *_ in described}
    used = rules or OutputRules()
    terms = ComparisonOptions(rules={"made": used})
    sides = [{"made": table} for table in tables]
    found = compare_tables(sides[0], sides[2], terms, progress=SilentProgress())["made"]
    look = NoiseDetector(
        name="made",
        tables=(tables[0], tables[1], tables[2]),
        columns=columns,
        rules=used,
        output_diff=found,
        units={},
    )
    return look.detect()


def test_nothing_is_noise_where_both_runs_agree_in_any_order(tmp_path: Path) -> None:
    query = f"select id, id * 2 as n from {ROWS}"
    assert noise(tmp_path, (query, f"{query} order by id desc", f"select id, 0 as n from {ROWS}")) == OutputNoise()


def test_column_that_differs_is_tainted_and_others_are_not(tmp_path: Path) -> None:
    runs = [f"select id, id % 7 as n, hash(id + {run}) as luck from {ROWS}" for run in range(3)]
    assert noise(tmp_path, runs) == OutputNoise(columns=frozenset({"luck"}))
    declared = OutputRules(key=("id",), ignore=frozenset({"luck"}))
    assert noise(tmp_path, runs, declared) == OutputNoise()


@pytest.mark.parametrize(("kind", "relative"), [("DOUBLE", 1e-9), ("FLOAT", 1e-4)])
def test_last_digits_of_sums_get_a_tolerance(tmp_path: Path, kind: str, relative: float) -> None:
    runs = [f"select id, ((id + 1) * (1 + {run} * {relative} / 100))::{kind} as n from {ROWS}" for run in range(3)]
    found = noise(tmp_path, runs)
    assert not found.columns
    assert found.rounding == pytest.approx({"n": relative / 10}), "ten times what two runs differ by"
    own = OutputRules(tolerance={"n": Tolerance(rel=relative / 1000)})
    assert noise(tmp_path, runs, own) == OutputNoise(columns=frozenset({"n"})), "a declared tolerance stands"


def test_keys_that_are_made_anew_are_tainted_and_the_rows_are_still_compared(tmp_path: Path) -> None:
    runs = [f"select hash(id + {run})::varchar as row_id, id % 10 as n from {ROWS}" for run in (0, 5000, 9000)]
    assert noise(tmp_path, runs) == OutputNoise(columns=frozenset({"row_id"}))
    declared = noise(tmp_path, runs, OutputRules(key=("row_id",)))
    assert declared == OutputNoise(unstable_rows=2000, explained_rows=1000), "a declared key is taken at its word"


def test_values_that_fall_on_other_rows_are_tainted_without_a_key(tmp_path: Path) -> None:
    runs = [
        f"select id % 10 as shop, row_number() over (order by hash(id + {run})) % 3 as place from {ROWS}"
        for run in (0, 500, 800)
    ]
    found = noise(tmp_path, runs)
    assert found.columns == frozenset({"place"})
    assert not found.unstable_rows


def test_where_every_column_differs_nothing_is_explained_away(tmp_path: Path) -> None:
    runs = [f"select (hash(id + {run}) % 50)::int as n from {ROWS}" for run in (0, 5000, 9000)]
    found = noise(tmp_path, runs)
    assert found.columns == frozenset()
    assert found.unstable_rows > 100


def test_only_rows_that_the_second_run_lacks_too_are_explained(tmp_path: Path) -> None:
    everything, second = f"select id from {ROWS}", f"select id from {ROWS} where id >= 10"
    candidate = f"select id from {ROWS} where id >= 60"
    assert noise(tmp_path, (everything, second, candidate)) == OutputNoise(unstable_rows=10, explained_rows=10)
    elsewhere = f"select id from {ROWS} where id < 950"
    assert noise(tmp_path, (everything, second, elsewhere)) == OutputNoise(unstable_rows=10, explained_rows=0)
    repeated = f"select id % 100 as id from {ROWS}"
    few, fewer = (f"select * from ({repeated}) limit {rows}" for rows in (990, 940))
    found = noise(tmp_path, (repeated, few, fewer))
    assert (found.unstable_rows, found.explained_rows) == (10, 10)
