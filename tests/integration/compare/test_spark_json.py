"""A folder of `part-*.json` as Spark writes it holds JSON Lines, on the command line as in outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.compare import OutputRules, compare_tables
from sandbox.compare.reading.table_arguments import resolve_table
from sandbox.model import SilentProgress

if TYPE_CHECKING:
    from pathlib import Path


def test_parts_that_begin_with_an_object_are_json_lines(tmp_path: Path) -> None:
    for side, value in (("a", 1), ("b", 2)):
        (tmp_path / side).mkdir()
        (tmp_path / side / "_SUCCESS").touch()
        for part in range(2):
            lines = f'{{"id": {2 * part}, "v": 0}}\n{{"id": {2 * part + 1}, "v": {value * part}}}\n'
            (tmp_path / side / f"part-0000{part}.json").write_text(lines)
    tables = [{"t": resolve_table(str(tmp_path / side))} for side in ("a", "b")]
    assert {table["t"].format for table in tables} == {"jsonl"}
    rules = {"t": OutputRules(key=("id",))}
    found = compare_tables(
        *tables, rules=rules, units={}, identical=(), memory=2**29, threads=1, progress=SilentProgress()
    )["t"]
    assert (found.rows.baseline, found.rows.changed) == (4, 1)
