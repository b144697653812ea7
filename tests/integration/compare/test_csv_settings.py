"""CSV outputs that are written as ``csv`` in the settings says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sandbox.compare import OutputRules, compare_tables
from sandbox.compare.reading.table_reader import TableReader
from sandbox.engine.duckdb.session import Session
from sandbox.errors import PipelineError, SandboxError
from sandbox.model import SilentProgress, TableFiles
from sandbox.runner.outputs import collect_outputs

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.manifest.diff import OutputDiff

GERMAN = {"encoding": "cp1252", "delimiter": ";", "decimal": ",", "thousands": ".", "date_format": "%d.%m.%Y"}


def _table(path: Path, content: str, csv: dict[str, Any]) -> TableFiles:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content.encode(csv.get("encoding", "utf-8")))
    return TableFiles(name="t", format="csv", paths=(path,), csv=csv)


def _compare(tmp_path: Path, before: str, after: str, csv: dict[str, Any], **rules: Any) -> OutputDiff:
    tables = [{"t": _table(tmp_path / f"{side}.csv", text, csv)} for side, text in (("a", before), ("b", after))]
    given = OutputRules(key=("id",), **rules)
    return compare_tables(
        *tables, rules={"t": given}, units={}, identical=(), memory=2**29, threads=2, progress=SilentProgress()
    )["t"]


def test_values_are_compared_as_numbers_and_dates_of_the_settings(tmp_path: Path) -> None:
    before = "id;größe;tag;wort\n1;1.234,50;01.02.2024;ä\n2;;1.3.2024;b\n"
    after = "id;größe;tag;wort\n1;1234,5;1.2.2024;ä\n2;;02.03.2024;b\n"
    found = _compare(tmp_path, before, after, GERMAN)
    assert {name: column.changed for name, column in found.columns.items()} == {
        "id": 0, "größe": 0, "tag": 1, "wort": 0,
    }  # fmt: skip
    with Session() as session:
        shape = TableReader(session, PipelineError).open("baseline", _table(tmp_path / "c.csv", before, GERMAN))
        assert shape.names == ("id", "größe", "tag", "wort")
        assert shape.types == ("BIGINT", "DOUBLE", "DATE", "VARCHAR")
        assert session.fetch_rows("select r1, r2::varchar from raw_baseline order by r0") == [
            (1234.5, "2024-02-01"), (None, "2024-03-01"),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "csv"),
    [
        ("1.1.2024", "01.01.2024", {"date_format": "%d.%m.%Y"}),  # a value beside them is no date
        ("1.000", "1000", {"decimal": ",", "thousands": "."}),
        ("1.5", "1.50", {"decimal": ","}),
    ],
)
def test_texts_of_other_notations_are_not_equal(tmp_path: Path, before: str, after: str, csv: dict[str, Any]) -> None:
    head = "id;v\n2;word\n1;"
    found = _compare(tmp_path, f"{head}{before}\n", f"{head}{after}\n", csv)
    assert found.rows.changed == 1


def test_null_texts_follow_the_baselines_names(tmp_path: Path) -> None:
    csv = {"null": {"v": ["NA"]}}
    found = _compare(tmp_path, "id,v,w\n1,NA,NA\n2,5,x\n", "id,u,w\n1,,\n2,5,x\n", csv, rename={"u": "v"})
    assert {name: column.changed for name, column in found.columns.items()} == {"id": 0, "v": 0, "w": 1}


def test_outputs_are_collected_and_read_again_as_the_settings_say(tmp_path: Path) -> None:
    _table(tmp_path / "kunden.txt", "1;ä;2024-1-2\n2;NULL;2024-01-03\n", {"encoding": "cp1252"})
    parts = tmp_path / "parts"
    for year in ("2024", "2025"):
        (parts / f"year={year}").mkdir(parents=True)
        (parts / f"year={year}" / "a.csv").write_bytes(f"id|v\n{year}|é\n".encode("utf-16"))
    csv: dict[str, dict[str, Any]] = {
        "kunden": {**GERMAN, "header": ["id", "name", "day"], "null": ["NULL"], "date_format": {"day": "%Y-%m-%d"}},
        "parts": {"delimiter": "|"},
    }
    found = collect_outputs(tmp_path, paths={"kunden": "kunden.txt"}, csv=csv).outputs
    assert found["kunden"].columns == {"id": "BIGINT", "name": "VARCHAR", "day": "DATE"}
    assert found["parts"].columns == {"id": "BIGINT", "v": "VARCHAR", "year": "BIGINT"}
    assert (found["kunden"].rows, found["parts"].rows, found["parts"].csv) == (2, 2, {"delimiter": "|"})
    assert set(collect_outputs(tmp_path, paths={}).artifacts) >= {"kunden.txt"}


@pytest.mark.parametrize(
    ("content", "csv", "words", "hint"),
    [
        (b"id;v\n1;caf\xe9\n", {"delimiter": ";"}, "line 2 is not UTF-8", 'in [outputs.t]: csv = { encoding = "cp1252" }'),
        (b"id;v\n1;2;3\n", {"delimiter": ";"}, "line 2 has 3 fields", ""),
        (b"id,v\n1,\xff\n", {"encoding": "ascii"}, "is not", ""),
        (b"", {"delimiter": ";"}, "is empty", ""),
        (b"1;2\n", {"delimiter": ";", "header": ["a"]}, "has 2 fields, and header in sandbox.toml names 1", ""),
    ],
)  # fmt: skip
def test_broken_files_are_named(tmp_path: Path, content: bytes, csv: dict[str, Any], words: str, hint: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    table = TableFiles(name="t", format="csv", paths=(path,), csv=csv)
    with Session(failure=PipelineError) as session, pytest.raises(SandboxError) as raised:
        TableReader(session, PipelineError).open("baseline", table)
    assert raised.value.message.startswith("the baseline's t (t.csv) cannot be read: ")
    assert words in raised.value.message
    assert hint in (raised.value.hint or "")
