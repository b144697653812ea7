"""All differing rows as files: as many as counted, with the values of both sides."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest import mock

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from sandbox.compare import OutputRules, Tolerance, compare_tables
from sandbox.compare.rows import row_matching
from sandbox.compare.rows.row_files import RowFileOptions, _make_distinct
from sandbox.engine.duckdb.session import Session, quote_literal
from sandbox.errors import UsageError
from sandbox.impact.row_files import INDEX_FILE, check_rows_folder
from sandbox.model import SilentProgress, TableFiles

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.compare.rows.row_files import RowFileFormat
    from sandbox.manifest.diff import RowCounts


def write_rows(
    folder: Path, baseline: str, candidate: str, rules: OutputRules | None = None, form: RowFileFormat = "parquet"
) -> RowCounts:
    tables = []
    for side, query in (("baseline", baseline), ("candidate", candidate)):
        path = folder / f"{side}.duckdb"
        with Session() as session:
            session.execute(f"attach {quote_literal(str(path))} as file")
            session.execute(f"create table file.t as {query}")
        tables.append({"a/t": TableFiles(name="a/t", format="duckdb", paths=(path,), member="t")})
    outputs = compare_tables(
        *tables,
        rules={"a/t": rules or OutputRules()},
        units={},
        identical=(),
        memory=2**28,
        threads=2,
        progress=SilentProgress(),
        details=False,
        row_files=RowFileOptions(folder=folder / "rows", format=form),
    )
    return outputs["a/t"].rows


def read_rows(folder: Path, kind: str) -> list[dict[str, Any]]:
    path = folder / "rows" / "a" / "t" / f"{kind}.parquet"
    return pq.read_table(path).to_pylist() if path.exists() else []


BASELINE = "select i as id, i % 7 as x, 'n' || i as name, i * 10 as big from range(0, 1000) r(i)"
CANDIDATE = (
    "select i as id, case when i % 10 = 0 then i % 7 + 1 else i % 7 end as x, 'n' || i as name, "
    "i * case when i = 20 then 11 else 10 end as big from range(5, 1010) r(i)"
)


@pytest.mark.parametrize("most_changed", [False, True])
def test_changed_rows_have_both_values_of_the_columns_that_changed_anywhere(
    tmp_path: Path, *, most_changed: bool
) -> None:
    with mock.patch.object(row_matching, "_MAX_COPIED_ROWS", 0 if most_changed else 10**9):
        candidate = CANDIDATE.replace("i % 10 = 0", "true") if most_changed else CANDIDATE
        counts = write_rows(tmp_path, BASELINE, candidate, OutputRules(key=("id",)))
    expected = {
        i: {
            "id": i,
            "x": i % 7,
            "x__candidate": i % 7 + 1,
            "big": i * 10,
            "big__candidate": i * (11 if i == 20 else 10),
            "changed_columns": ["x", "big"] if i == 20 else ["x"],
        }
        for i in range(5, 1000)
        if most_changed or i % 10 == 0
    }
    assert {row["id"]: row for row in read_rows(tmp_path, "changed")} == expected
    assert counts.changed == len(expected)
    assert sorted(row["id"] for row in read_rows(tmp_path, "removed")) == list(range(5))
    assert sorted(row["id"] for row in read_rows(tmp_path, "added")) == list(range(1000, 1010))
    assert read_rows(tmp_path, "added")[0].keys() == {"id", "x", "name", "big"}


def test_rows_without_a_key_are_written_as_often_as_one_side_has_them_more(tmp_path: Path) -> None:
    baseline = "select unnest([1, 1, 1, 2, 3, null]) as x, unnest([1, 1, 1, 2, 3, 0]) as y"
    candidate = "select unnest([1, 2, 2, 2, 3, null]) as x, unnest([1, 2, 2, 2, 3, 0]) as y"
    counts = write_rows(tmp_path, baseline, candidate)
    assert (counts.removed, counts.added, counts.changed) == (2, 2, 0)
    assert read_rows(tmp_path, "removed") == [{"x": 1, "y": 1}] * 2
    assert read_rows(tmp_path, "added") == [{"x": 2, "y": 2}] * 2


def test_rows_of_a_key_that_repeats_are_added_and_removed(tmp_path: Path) -> None:
    baseline = "select unnest([1, 1, 2]) as id, unnest(['a', 'b', 'c']) as v"
    candidate = "select unnest([1, 1, 2]) as id, unnest(['a', 'x', 'y']) as v"
    counts = write_rows(tmp_path, baseline, candidate, OutputRules(key=("id",)))
    assert (counts.removed, counts.added, counts.changed) == (1, 1, 1)
    assert read_rows(tmp_path, "removed") == [{"id": 1, "v": "b"}]
    assert read_rows(tmp_path, "added") == [{"id": 1, "v": "x"}]
    assert read_rows(tmp_path, "changed") == [
        {"id": 2, "v": "c", "v__candidate": "y", "changed_columns": ["v"]},
    ]


def test_differences_within_a_tolerance_are_not_written(tmp_path: Path) -> None:
    rules = OutputRules(key=("id",), tolerance={"v": Tolerance(abs=0.5)})
    counts = write_rows(
        tmp_path, "select unnest([1, 2]) as id, 1.0 as v", "select unnest([1, 2]) as id, unnest([1.2, 9.0]) as v", rules
    )
    assert counts.changed == 1
    [row] = read_rows(tmp_path, "changed")
    assert (row["id"], row["v"], row["v__candidate"]) == (2, Decimal("1.0"), Decimal("9.0"))


def test_names_that_differ_in_case_or_end_in_the_suffix_stay_apart(tmp_path: Path) -> None:
    columns = 'i as id, {} as "v", {} as "v__candidate", {} as "changed_columns", {} as "a""b"'
    baseline = f"select {columns.format(0, 0, 0, 0)} from range(3) r(i)"
    candidate = f"select {columns.format(1, 2, 3, 4)} from range(3) r(i)"
    write_rows(tmp_path, baseline, candidate, OutputRules(key=("id",)))
    row = read_rows(tmp_path, "changed")[0]
    assert [*row.values()][1:-1] == [0, 1, 0, 2, 0, 3, 0, 4]
    assert len(row) == 10


def test_a_column_without_a_name_gets_one() -> None:
    assert _make_distinct(["", "A", "a", ""]) == ["column", "A", "a_2", "column_2"]


def test_tables_without_a_common_column_are_written_whole(tmp_path: Path) -> None:
    counts = write_rows(tmp_path, "select unnest([1, 2]) as x", "select unnest([3, 4, 5]) as y")
    assert (counts.removed, counts.added) == (2, 3)
    assert Counter(row["x"] for row in read_rows(tmp_path, "removed")) == Counter([1, 2])
    assert Counter(row["y"] for row in read_rows(tmp_path, "added")) == Counter([3, 4, 5])


def test_values_that_parquet_cannot_hold_are_written_as_text(tmp_path: Path) -> None:
    columns = "1 as id, {0}::HUGEINT as big, to_microseconds({1}) as span, [{0}::HUGEINT] as list"
    baseline, candidate = (f"select {columns.format(2**120 + n, n)}" for n in (0, 1))
    write_rows(tmp_path, baseline, candidate, OutputRules(key=("id",)))
    [row] = read_rows(tmp_path, "changed")
    assert (row["big"], row["big__candidate"]) == (str(2**120), str(2**120 + 1))
    assert (row["span"], row["span__candidate"]) == ("00:00:00", "00:00:00.000001")
    assert row["list__candidate"] == f"[{2**120 + 1}]"


def test_csv_has_the_same_rows(tmp_path: Path) -> None:
    write_rows(tmp_path, BASELINE, CANDIDATE, OutputRules(key=("id",)), form="csv")
    table = pa.csv.read_csv(tmp_path / "rows" / "a" / "t" / "changed.csv")
    assert table.column_names == ["id", "x", "x__candidate", "big", "big__candidate", "changed_columns"]
    assert dict(zip(*(table[name].to_pylist() for name in ("id", "changed_columns")), strict=True))[20] == "x, big"


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    check_rows_folder(tmp_path / "new")
    check_rows_folder(tmp_path)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UsageError, match="holds other files"):
        check_rows_folder(tmp_path)
    (tmp_path / INDEX_FILE).touch()
    check_rows_folder(tmp_path)
