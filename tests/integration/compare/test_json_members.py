"""Members of JSON documents are told apart by their exact names, of which DuckDB makes others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.compare import OutputRules, compare_tables
from sandbox.errors import SandboxError
from sandbox.model import SilentProgress, TableFiles

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.manifest.diff import OutputDiff


def compare(folder: Path, baseline: str, candidate: str, rename: dict[str, str] | None = None) -> OutputDiff:
    tables = []
    for side, text in (("baseline", baseline), ("candidate", candidate)):
        path = folder / f"{side}.jsonl"
        path.write_text(text)
        tables.append({"t": TableFiles(name="t", format="jsonl", paths=(path,))})
    rules = {"t": OutputRules(key=("id",), rename=rename or {})}
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


@pytest.mark.parametrize("beside", ["", ',"long":12345678901234567890', ',"a":1,"A":1'])
@pytest.mark.parametrize(
    ("baseline", "candidate"),
    [
        ('"1.0"', '"1"'),
        ('"1"', "1"),
        ('"true"', "true"),
        ('"2024-01-01 00:00:00"', '"2024-01-01T00:00:00"'),
        ('"2024-01-01T00:00:00Z"', '"2024-01-01T01:00:00+01:00"'),
        ('{"x":"1.0"}', '{"x":"1"}'),
        ('[{"x":"1"}]', '[{"x":1}]'),
        ('["1"]', "[1]"),
    ],
)
def test_a_string_stays_a_text_whatever_lies_beside_it(
    tmp_path: Path, baseline: str, candidate: str, beside: str
) -> None:
    """Also where numbers of many digits, or names that differ in case alone, make documents of all members."""
    texts = [f'{{"id":1,"v":{value}{beside}}}' for value in (baseline, candidate)]
    found = compare(tmp_path, texts[0], texts[1])
    assert found.rows.changed == 1 or not found.schema_.is_same
    renamed = compare(tmp_path, texts[0], texts[1].replace('"v"', '"w"'), rename={"w": "v"})
    assert renamed.rows.changed == 1 or not renamed.schema_.is_same


@pytest.mark.parametrize("digits", ["1", "12345678901234567890"])
def test_two_members_of_one_name_are_refused(tmp_path: Path, digits: str) -> None:
    texts = [f'{{"id":1,"v":{digits},"v":{value}}}' for value in (2, 2)]
    with pytest.raises(SandboxError, match="cannot be read"):
        compare(tmp_path, texts[0], texts[1])
