"""Render a comparison as JUnit XML for CI servers: one suite per output, one case per rule."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from sandbox.report import findings, reservations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.manifest.diff import DataTestResult, DiffDocument, GateResult
    from sandbox.manifest.production.data_tests import ProductionTests

SUITE_PACKAGE = "sandbox.diff"
OVERALL_SUITE = "all outputs"
TESTS_SUITE = "data tests"
PRODUCTION_SUITE = "data tests of production"
# Characters that are illegal in XML 1.0, even escaped.
_ILLEGAL_CHARACTERS = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render_junit(document: DiffDocument) -> str:
    """Render the XML: the gate rules of each output, then the overall rules, then the data tests."""
    suites = [
        _build_gate_suite(name, [result for result in document.gate if result.output == name], document)
        for name in document.outputs
    ]
    overall = [result for result in document.gate if result.output is None]
    if overall:
        suites.append(_build_gate_suite(OVERALL_SUITE, overall, document))
    if document.tests:
        limit = next((result.limit for result in document.gate if result.rule == "tests"), "")
        cases = [
            _build_test_case(test, findings.describe_test(test), accepted=_is_accepted(test, limit))
            for test in document.tests
        ]
        suites.append(_build_suite(TESTS_SUITE, cases, created=document.created, seconds=_sum_seconds(document)))
    return _render_suites(f"{SUITE_PACKAGE} {document.id}", suites)


def render_production_junit(document: ProductionTests) -> str:
    """Render the XML of tests of production's own outputs: one suite."""
    cases = [_build_test_case(test, findings.describe_production_test(test), accepted=False) for test in document.tests]
    suite = _build_suite(PRODUCTION_SUITE, cases, created=document.created, seconds=document.seconds)
    return _render_suites(f"sandbox.test {document.id}", [suite])


def _render_suites(name: str, suites: Sequence[ET.Element]) -> str:
    root = ET.Element("testsuites", {"name": name} | _count_cases(suites))
    root.extend(suites)
    ET.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _build_gate_suite(name: str, results: Sequence[GateResult], document: DiffDocument) -> ET.Element:
    phrases = reservations.summarize_reservations(document) if name == OVERALL_SUITE else []
    if name in document.outputs:
        phrases = findings.describe_output(document.outputs[name]) or [
            findings.describe_equal_output(document.outputs[name])
        ]
    cases = [_build_gate_case(name, result) for result in results]
    return _build_suite(
        name, cases, created=document.created, seconds=_sum_seconds(document), output_text="; ".join(phrases)
    )


def _sum_seconds(document: DiffDocument) -> float:
    return sum(side.seconds or 0 for side in (document.baseline, document.candidate) if not side.cached)


def _build_suite(
    name: str, cases: Sequence[ET.Element], *, created: str, seconds: float, output_text: str = ""
) -> ET.Element:
    suite = ET.Element(
        "testsuite",
        {"name": replace_illegal_characters(name), "package": SUITE_PACKAGE, "hostname": "sandbox"},
    )
    suite.set("timestamp", created[:19])  # the schema has no time zones
    suite.set("time", f"{seconds:.3f}")
    suite.extend(cases)
    skipped = sum(case.find("skipped") is not None for case in cases)
    suite.attrib |= _count_cases([suite]) | {"skipped": str(skipped)}
    if output_text:
        ET.SubElement(suite, "system-out").text = replace_illegal_characters(output_text)
    return suite


def _build_gate_case(output: str, result: GateResult) -> ET.Element:
    case = _create_case(output, result.rule)
    if not result.held:
        _add_failure(case, "gate", findings.describe_rule(result))
    return case


def _build_test_case(test: DataTestResult, text: str, *, accepted: bool) -> ET.Element:
    case = _create_case(TESTS_SUITE, test.name)
    if test.outcome in {"failed", "newly_failing", "not_evaluated"}:
        if accepted:  # a server that counts failures must agree with the gate
            ET.SubElement(case, "skipped", {"message": replace_illegal_characters(text)})
        else:
            _add_failure(case, test.outcome, text)
    return case


def _is_accepted(test: DataTestResult, limit: str) -> bool:
    """Check whether the gate's rule for data tests accepts a test that does not pass."""
    return limit == "any" or (limit == "no-new-failures" and test.outcome == "failed" and not test.is_worse)


def _create_case(group: str, name: str) -> ET.Element:
    return ET.Element(
        "testcase",
        {
            "name": replace_illegal_characters(name),
            "classname": replace_illegal_characters(f"{SUITE_PACKAGE}.{group}"),
            "time": "0",
        },
    )


def _add_failure(case: ET.Element, kind: str, message: str) -> None:
    ET.SubElement(
        case, "failure", {"type": kind, "message": replace_illegal_characters(message)}
    ).text = replace_illegal_characters(message)


def _count_cases(elements: Sequence[ET.Element]) -> dict[str, str]:
    cases = [case for element in elements for case in element.iter("testcase")]
    failures = sum(case.find("failure") is not None for case in cases)
    return {"tests": str(len(cases)), "failures": str(failures), "errors": "0"}


def replace_illegal_characters(text: str) -> str:
    r"""Return a text with characters that are illegal in XML replaced by a visible form.

    >>> replace_illegal_characters("a\x00b")
    'a⟨U+0000⟩b'
    """
    return _ILLEGAL_CHARACTERS.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", text)
