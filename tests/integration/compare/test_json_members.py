"""Members of JSON documents are told apart by their exact names, of which DuckDB makes others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.compare import OutputRules, compare_tables
from sandbox.model import SilentProgress, TableFiles

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.manifest.diff import OutputDiff


def compare(folder: Path, baseline: str, candidate: str) -> OutputDiff:
    tables = []
    for side, text in (("baseline", baseline), ("candidate", candidate)):
        path = folder / f"{side}.jsonl"
        path.write_text(text)
        tables.append({"t": TableFiles(name="t", format="jsonl", paths=(path,))})
    rules = {"t": OutputRules(key=("id",))}
    return compare_tables(
        *tables, rules=rules, units={}, identical=(), memory=2**29, threads=1, progress=SilentProgress()
    )["t"]


@pytest.mark.parametrize(
    ("baseline", "candidate", "changed"),
    [
        ('{"id":1,"a":1,"A":2}', '{"id":1,"a":1,"A":3}', ["A"]),
        ('{"id":1,"a":1,"A":2}', '{"id":1,"a":1.0,"A":2}', []),
        ('{"id":1,"a":1}\n{"id":2,"A":2}', '{"id":1,"a":1}\n{"id":2,"A":3}', ["A"]),
        ('{"id":1,"a":1,"A":2,"A_1":7}', '{"id":1,"a":1,"A":2,"A_1":8}', ["A_1"]),
        ('{"id":1,"\u00e4":1,"\u00c4":2}', '{"id":1,"\u00e4":1,"\u00c4":3}', ["\u00c4"]),
        ('{"id":1,"filename":"a"}', '{"id":1,"filename":"b"}', ["filename"]),
    ],
)
def test_a_member_is_compared_under_its_own_name(
    tmp_path: Path, baseline: str, candidate: str, changed: list[str]
) -> None:
    found = compare(tmp_path, baseline, candidate)
    assert [name for name, column in found.columns.items() if column.changed] == changed
    assert found.schema_.is_same


def test_a_member_whose_case_changed_is_another_column(tmp_path: Path) -> None:
    schema = compare(tmp_path, '{"id":1,"a":1}', '{"id":1,"A":1.5}').schema_
    assert (schema.removed, schema.added) == (["a"], ["A"])
