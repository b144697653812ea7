"""What lies beside the report for machines: JUnit XML and the schema of diff.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import xmlschema
from jsonschema import Draft202012Validator, ValidationError, validate

from sandbox.compare.data_tests.queries import evaluate_data_tests
from sandbox.config.sections.outputs import GateSection
from sandbox.manifest.diff import DataTestResult, DiffDocument, GateResult
from sandbox.manifest.diff_schema import SCHEMA_FILENAME, build_diff_schema, render_diff_schema
from sandbox.manifest.production.data_tests import ProductionTests
from sandbox.report.junit import render_junit, render_production_junit
from sandbox.report.production.data_tests import render_page
from sandbox.store.paths import find_packaged_folder

XSD = xmlschema.XMLSchema(str(Path(__file__).with_name("junit-10.xsd")))
HOSTILE = "a<b>&\"'\x00\x0b\x1f\ufffe\ud800]]>\u202e\U0001f600\r\n\t"


def document(**changes: Any) -> DiffDocument:
    rows = {"baseline": 10, "candidate": 10, "added": 0, "removed": 0, "changed": 3, "unchanged": 7}
    output = {
        "status": "compared",
        "identical": False,
        "key": {"columns": ["id"], "source": "declared"},
        "rows": rows,
        "estimate": {"status": "not_estimated", "reason": "none"},
    }
    side = {
        **dict.fromkeys(("run", "commit", "tree", "cpu_seconds", "peak_memory_bytes")),
        "ref": "main",
        "cached": False,
        "seconds": 1234.5,
    }
    fields: dict[str, Any] = {
        **dict.fromkeys(("project", "sample", "environment", "report")),
        "id": "20261122T101112-00000000-0000",
        "created": "2026-11-22T10:11:12+00:00",
        "verdict": "outside_gate",
        "baseline": side,
        "candidate": side,
        "outputs": {"value": output},
        "tests": [],
        "gate": [],
        "warnings": [],
    }
    return DiffDocument.model_validate({**fields, **changes})


def rule(name: str, output: str | None, *, held: bool, found: str = "30 %") -> GateResult:
    return GateResult(rule=name, output=output, limit="0 %", held=held, found=found)


def test_each_output_is_a_suite_and_each_rule_a_case() -> None:
    gate = [
        rule("changed_rows", "value", held=False),
        rule("schema", "value", held=True, found="same"),
        rule("total_change value.total", None, held=False, found="not estimated"),
    ]
    tests = [
        DataTestResult(name="positive", baseline_failures=0, candidate_failures=4, outcome="newly_failing"),
        DataTestResult(name="known", baseline_failures=2, candidate_failures=0, outcome="fixed"),
    ]
    written = render_junit(document(gate=gate, tests=tests))
    XSD.validate(written)
    root = ET.fromstring(written)
    suites = {suite.get("name"): suite for suite in root}
    assert {name: (suite.get("tests"), suite.get("failures")) for name, suite in suites.items()} == {
        "value": ("2", "1"),
        "all outputs": ("1", "1"),
        "data tests": ("2", "1"),
    }
    assert (root.get("tests"), root.get("failures")) == ("5", "3")
    assert "3 of 10 rows changed" in str(suites["value"].findtext("system-out"))
    failures = {case.get("name"): case.find("failure") for case in root.iter("testcase")}
    assert failures["known"] is None
    assert failures["positive"] is not None
    assert "4 rows" in str(failures["positive"].get("message"))


@pytest.mark.parametrize(
    ("limit", "failing"),
    [
        ("no-new-failures", {"new", "more", "broken"}),
        ("no-failures", {"new", "more", "broken", "still"}),
        ("any", set()),
    ],
)
def test_a_data_test_that_the_gate_accepts_is_no_failure(limit: str, failing: set[str]) -> None:
    tests = [
        DataTestResult(name="new", baseline_failures=0, candidate_failures=4, outcome="newly_failing"),
        DataTestResult(name="more", baseline_failures=2, candidate_failures=4, outcome="failed"),
        DataTestResult(name="still", baseline_failures=2, candidate_failures=1, outcome="failed"),
        DataTestResult(name="broken", baseline_failures=2, candidate_failures=None, outcome="not_evaluated"),
        DataTestResult(name="good", baseline_failures=0, candidate_failures=0, outcome="passed"),
    ]
    [judged] = evaluate_data_tests(tests, GateSection.model_validate({"tests": limit}))
    written = render_junit(document(gate=[judged], tests=tests))
    XSD.validate(written)
    [_, overall, suite] = ET.fromstring(written)
    assert {case.get("name") for case in suite if case.find("failure") is not None} == failing
    skipped = [case.get("name") for case in suite if case.find("skipped") is not None]
    assert set(skipped) == {"new", "more", "still", "broken"} - failing
    assert (suite.get("failures"), suite.get("skipped")) == (str(len(failing)), str(len(skipped)))
    assert (overall.get("failures") == "0") == judged.held == (not failing)


def test_names_that_xml_cannot_hold_are_shown() -> None:
    outputs = {HOSTILE: document().outputs["value"]}
    gate = [rule("changed_rows", HOSTILE, held=False, found=HOSTILE)]
    written = render_junit(document(outputs=outputs, gate=gate))
    XSD.validate(written)
    [suite] = ET.fromstring(written.encode())
    assert "a<b>&\"'⟨U+0000⟩⟨U+000B⟩⟨U+001F⟩⟨U+FFFE⟩⟨U+D800⟩]]>" in str(suite.get("name"))


def test_shipped_schema_is_the_one_that_the_classes_make() -> None:
    shipped = (find_packaged_folder("templates") / SCHEMA_FILENAME).read_text("utf-8")
    how = f"python -c 'from sandbox.manifest.diff_schema import render_diff_schema; print(render_diff_schema(), end=\"\")' > templates/{SCHEMA_FILENAME}"
    assert shipped == render_diff_schema(), f"the document has changed; write the schema again: {how}"
    Draft202012Validator.check_schema(build_diff_schema())


def test_schema_takes_what_is_written_and_refuses_what_is_not() -> None:
    fields = json.loads(document().to_json_text())
    validate(fields, build_diff_schema())
    wrongs: tuple[dict[str, Any], ...] = (
        {"verdict": "fine"},
        {"format_version": 1},
        {"more": 1},
        {"outputs": {"value": {}}},
    )
    for wrong in wrongs:
        with pytest.raises(ValidationError):
            validate({**fields, **wrong}, build_diff_schema())


def test_tests_of_production_have_the_same_kind_of_files() -> None:
    outcomes = {"passed": 0, "failed": 3, "not_evaluated": None}
    tests = [
        DataTestResult(
            name=f"{outcome} {HOSTILE}",
            baseline_failures=None,
            candidate_failures=rows,
            outcome=outcome,
            problems={} if rows is not None else {"candidate": HOSTILE},
        )
        for outcome, rows in outcomes.items()
    ]
    document = ProductionTests(
        id="i", created="2026-11-22T10:11:12+00:00", project="shop", place=HOSTILE, verdict="broken", seconds=1.5, outputs={},
        tests=tests,
    )  # fmt: skip
    text = render_production_junit(document)
    XSD.validate(text)
    suite = ET.fromstring(text)[0]
    assert (suite.get("tests"), suite.get("failures")) == ("3", "2")
    page = render_page(document)
    assert "a<b>" not in page
    assert "a&lt;b&gt;" in page
    assert "1 of 3 tests holds in production, 1 breaks, 1 could not be run" in page
