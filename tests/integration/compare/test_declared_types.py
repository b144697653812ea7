"""`[outputs.NAME.types]`, and declared rules that cannot act."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest

from sandbox.compare import OutputRules, Tolerance, compare_tables
from sandbox.config.sections.outputs import GateSection
from sandbox.errors import ConfigError, PipelineError, SandboxError
from sandbox.impact.document import build_table_document
from sandbox.model import SilentProgress, TableFiles

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.manifest.diff import OutputDiff
    from sandbox.model import TableFormat

ID = ("id",)


def compare(folder: Path, format_: TableFormat, baseline: str, candidate: str, rules: OutputRules) -> OutputDiff:
    tables = []
    for side, text in (("baseline", baseline), ("candidate", candidate)):
        path = folder / f"{side}.{format_}"
        if format_ == "parquet":
            duckdb.sql(f"copy ({text}) to '{path}'")
        else:
            path.write_text(text)
        tables.append({"t": TableFiles(name="t", format=format_, paths=(path,))})
    return compare_tables(
        *tables, rules={"t": rules}, units={}, identical=(), memory=2**29, threads=1, progress=SilentProgress()
    )["t"]


@pytest.mark.parametrize("format_", ["csv", "jsonl", "json"])
def test_a_declared_type_decides_and_a_tolerance_acts_on_it(tmp_path: Path, format_: TableFormat) -> None:
    rows = [[("1", "007"), ("2", "1.5")], [("1", "007"), ("2", "1.6")]]
    texts = {
        "csv": lambda side: "id,v\n" + "".join(f"{id_},{v}\n" for id_, v in side),
        "jsonl": lambda side: "".join(f'{{"id": {id_}, "v": "{v}"}}\n' for id_, v in side),
        "json": lambda side: "[" + ", ".join(f'{{"id": {id_}, "v": "{v}"}}' for id_, v in side) + "]",
    }
    sides = [texts[format_](side) for side in rows]
    rules = OutputRules(key=ID, types={"v": "DOUBLE"}, tolerance={"v": Tolerance(abs=0.2)})
    assert compare(tmp_path, format_, sides[0], sides[1], rules).rows.changed == 0
    exact = OutputRules(key=ID, types={"v": "DECIMAL(18,2)"})
    assert compare(tmp_path, format_, sides[0], sides[1], exact).columns["v"].total_change == 0.1


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("BIGINT", "1.5"), ("BIGINT", "QQ"), ("DECIMAL(18,2)", "1.239"), ("DECIMAL(18,2)", "1e-3"), ("DATE", "2024-01-01 10:00:00"),
        ("TIMESTAMP", "2024-01-01 00:00:00.123456789"), ("DOUBLE", "QQ"), ("BOOLEAN", "maybe"), ("UTINYINT", "-1"),
    ],
)  # fmt: skip
def test_a_declared_type_that_some_value_is_not_of_is_an_error_without_the_value(
    tmp_path: Path, type_: str, value: str
) -> None:
    good, bad = "id,v\n1,\n", f"id,v\n1,{value}\n"
    with pytest.raises(PipelineError, match=r"1 of its values are not, or would lose digits") as caught:
        compare(tmp_path, "csv", good, bad, OutputRules(key=ID, types={"v": type_}))
    assert value not in caught.value.message
    assert compare(tmp_path, "csv", good, bad, OutputRules(key=ID, types={"v": "VARCHAR"})).rows.changed == 1


@pytest.mark.parametrize(
    ("tolerance", "expected"),
    [(Tolerance(abs=1), "line 4 of candidate.csv is no number"), (Tolerance(seconds=1), "line 3 of")],
)
def test_a_tolerance_on_a_column_that_fell_back_to_text_breaks_not_compared(
    tmp_path: Path, tolerance: Tolerance, expected: str
) -> None:
    numbers = bool(tolerance.abs)
    before = "id,v\n1,1.5\n2,2.5\n3,3.5\n" if numbers else "id,v\n1,2024-01-01\n2,2024-01-02\n3,2024-01-03\n"
    after = before.replace("3.5", "n/a") if numbers else before.replace("2024-01-02", "soon")
    rules = OutputRules(key=ID, tolerance={"v": tolerance})
    found = compare(tmp_path, "csv", before, after, rules)
    assert expected in found.idle_tolerances["v"]
    document = build_table_document("a", "b", {"t": found}, GateSection(changed_rows=1.0))
    assert (document.verdict, document.not_compared[0].name) == ("outside_gate", "t.v")
    assert compare(tmp_path, "csv", before, before, rules).idle_tolerances == {}


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (OutputRules(key=ID, types={"v": "DOUBLE"}), "its files state their own types"),
        (OutputRules(key=ID, tolerance={"s": Tolerance(abs=1)}), "the tolerance of s says abs"),
        (OutputRules(key=ID, tolerance={"v": Tolerance(seconds=1)}), "the tolerance of v says time"),
        (OutputRules(key=ID, rename={"v": "w"}), "is turned round"),
        (OutputRules(key=("no",)), 'names "no"'),
    ],
)
def test_rules_that_cannot_act_are_errors(tmp_path: Path, rules: OutputRules, message: str) -> None:
    before, after = "select 1 as id, 1.5 as v, 'x' as s", "select 1 as id, 1.5 as w, 1.5 as v, 'x' as s"
    if rules.rename:
        after = "select 1 as id, 1.5 as w, 'x' as s"
    with pytest.raises(SandboxError, match=message) as caught:
        compare(tmp_path, "parquet", before, after, rules)
    assert isinstance(caught.value, ConfigError)
