"""The Python API: tables of any library are compared, and importing it is light."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pandas as pd  # type: ignore[import-untyped]  # it has no types
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import sandbox
from sandbox.errors import ConfigError, SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COLUMNS: dict[str, list[Any]] = {"id": [1, 2, 3], "name": ["a", None, "ü"]}


@pytest.mark.parametrize("build", [pa.table, pd.DataFrame, pl.DataFrame])
def test_tables_of_any_library_are_compared(build: Callable[[Any], Any], tmp_path: Path) -> None:
    path = tmp_path / "b.parquet"
    pq.write_table(pa.table(COLUMNS), path)
    assert sandbox.compare_tables(build(COLUMNS), path, key=["id"]).verdict == "same"
    found = sandbox.compare_tables(path, build({**COLUMNS, "name": ["a", "b", "ü"]}), key=["id"])
    assert found.verdict == "outside_gate"
    assert found.result.rows.changed == 1
    assert found.rows("changed").to_pylist() == [
        {"id": 2, "name": None, "name__candidate": "b", "changed_columns": ["name"]}
    ]
    assert found.rows("added").num_rows == 0


def test_errors_are_the_error_tree(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="is not there"):
        sandbox.compare_tables(tmp_path / "a.parquet", tmp_path / "b.parquet")
    with pytest.raises(ConfigError, match=r"sandbox\.toml"):
        sandbox.open(tmp_path)


def test_importing_loads_no_library() -> None:
    heavy = "{'pyarrow', 'duckdb', 'pydantic', 'docker', 'click', 'rich', 'pandas', 'polars'}"
    program = f"import sys, sandbox; print({heavy} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
