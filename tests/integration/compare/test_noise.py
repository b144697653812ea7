"""What tainted columns alone explain counts as noise, and stays within added, removed and changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from sandbox.compare import OutputRules, compare_tables
from sandbox.model import SilentProgress, TableFiles

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.manifest.diff import OutputDiff

AT = frozenset({"at"})


def diff(folder: Path, baseline: dict[str, Any], candidate: dict[str, Any], rules: OutputRules) -> OutputDiff:
    tables = []
    for side, columns in (("baseline", baseline), ("candidate", candidate)):
        path = folder / f"{side}.parquet"
        pq.write_table(pa.table(columns), path)
        tables.append({"t": TableFiles(name="t", format="parquet", paths=(path,))})
    return compare_tables(
        *tables,
        rules={"t": rules},
        units={},
        identical=(),
        memory=2**28,
        threads=2,
        progress=SilentProgress(),
    )["t"]


def test_pairs_that_differ_in_a_tainted_column_alone_are_noise(tmp_path: Path) -> None:
    before = {"id": [1, 2, 3, 4], "v": [1, 2, 3, 4], "at": [1, 1, 1, 1]}
    after = {"id": [1, 2, 3, 5], "v": [1, 9, 3, 4], "at": [2, 2, 1, 2]}
    found = diff(tmp_path, before, after, OutputRules(key=("id",), nondeterministic=AT))
    rows = found.rows
    assert (rows.changed, rows.added, rows.removed, rows.unchanged, rows.noise) == (2, 1, 1, 1, 1)
    assert rows.differing_share == 3 / 4
    assert found.tainted == ["at"]
    assert found.columns["at"].changed == 2


def test_no_row_counts_where_all_differences_are_noise(tmp_path: Path) -> None:
    before = {"id": [1, 2], "v": [1, 2], "at": [1, 1]}
    found = diff(tmp_path, before, before | {"at": [2, 3]}, OutputRules(key=("id",), nondeterministic=AT))
    assert (found.rows.changed, found.rows.noise, found.rows.differing_share) == (2, 2, 0)
    assert diff(tmp_path, before, before | {"at": [2, 3]}, OutputRules(key=("id",))).rows.differing_share == 1


def test_rows_without_a_key_are_noise_where_the_rest_of_them_is_equal(tmp_path: Path) -> None:
    before = {"v": [1, 1, 2, 3], "at": [1, 2, 3, 4]}
    after = {"v": [1, 1, 1, 3], "at": [7, 8, 9, 4]}
    found = diff(tmp_path, before, after, OutputRules(nondeterministic=AT))
    rows = found.rows
    # Two of v = 1 are each other but for the tainted column; the third was added, and v = 2 removed.
    assert (rows.removed, rows.added, rows.unchanged, rows.noise) == (3, 3, 1, 4)
    assert rows.different - rows.noise == 2


def test_a_random_key_that_is_declared_makes_noise_and_one_that_is_not_is_never_inferred(
    tmp_path: Path,
) -> None:
    before = {"uuid": ["a", "b"], "v": [1, 2]}
    after = {"uuid": ["x", "y"], "v": [1, 5]}
    tainted = frozenset({"uuid"})
    declared = diff(tmp_path, before, after, OutputRules(key=("uuid",), nondeterministic=tainted))
    assert (declared.rows.added, declared.rows.removed, declared.rows.noise) == (2, 2, 2)
    assert diff(tmp_path, before, after, OutputRules(nondeterministic=tainted)).key.columns == ["v"]


def test_rows_with_repeated_keys_are_noise_as_well(tmp_path: Path) -> None:
    before = {"id": [1, 1, None], "v": [1, 2, 3], "at": [1, 1, 1]}
    after = {"id": [1, 1, None], "v": [1, 9, 3], "at": [2, 2, 2]}
    rows = diff(tmp_path, before, after, OutputRules(key=("id",), nondeterministic=AT)).rows
    assert (rows.added, rows.removed, rows.noise) == (3, 3, 4)
