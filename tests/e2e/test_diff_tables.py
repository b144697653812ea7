"""`sandbox diff TABLE TABLE`: two tables, without a project."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import Done

if TYPE_CHECKING:
    from pathlib import Path

BASELINE: dict[str, list[Any]] = {"id": [1, 2, 3], "tags": [["a", "b"], [], ["c"]], "x": [1.0, 2.0, 3.0]}


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two tables in a folder that is no project, and the command in it."""

    folder: Path

    def write(self, name: str, columns: dict[str, list[Any]]) -> None:
        """Write a table."""
        pq.write_table(pa.table(columns), self.folder / name)

    def diff(self, *arguments: str) -> Done:
        """Compare two tables."""
        done = subprocess.run(
            [sys.executable, "-m", "sandbox", "diff", *arguments],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Done(status=done.returncode, stdout=done.stdout, stderr=done.stderr)


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    given = Pair(folder=tmp_path)
    given.write("a.parquet", BASELINE)
    return given


def test_equal_tables_are_the_same_and_others_are_outside_the_gate(pair: Pair) -> None:
    assert pair.diff("a.parquet", "a.parquet").status == 0
    pair.write("b.parquet", {**BASELINE, "x": [1.0, 2.5, 3.0]})
    done = pair.diff("a.parquet", "b.parquet")
    assert done.status == 1
    assert done.stdout.startswith("outside the gate: a: 1 of 3 rows changed (33.3 %)\n")
    assert "key: a: inferred key id\n" in done.stdout
    assert "id 2  x  2.0 → 2.5" in done.stdout
    assert "2.5" not in pair.diff("a.parquet", "b.parquet", "--no-values").stdout


def test_a_key_that_repeats_or_is_null_is_said_so(pair: Pair) -> None:
    pair.write("a.parquet", {"id": [1, 1, None, 4], "x": [1, 2, 3, 4]})
    pair.write("b.parquet", {"id": [1, 1, None, 4], "x": [1, 9, 3, 5]})
    done = pair.diff("a.parquet", "b.parquet", "--key", "id")
    assert "1 changed, 1 added, 1 removed of 4 rows" in done.stdout
    said = "declared key id; rows with a duplicate key: 2 in the baseline, 2 in the candidate; rows with a null key: 1"
    assert said in " ".join(done.stdout.split())


@pytest.mark.parametrize("name", ["b\u202e.parquet", "b\x1b[31m.parquet"])
def test_names_in_errors_are_text(pair: Pair, name: str) -> None:
    (pair.folder / name).write_bytes(b"PAR1 but not for long PAR1")
    done = pair.diff("a.parquet", name)
    assert (done.status, done.stdout) == (11, "")
    assert not {"\u202e", "\x1b"} & set(done.stderr)
    assert f"⟨U+{ord(name[1]):04X}⟩" in done.stderr
