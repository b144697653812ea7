"""A comparison as JUnit XML, for servers that show test results: a suite an output, a case a rule."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from sandbox.report import findings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.manifest.diff import DataTest, DiffDocument, GateResult

PACKAGE = "sandbox.diff"
OVERALL = "all outputs"
TESTS = "data tests"
# What XML 1.0 cannot hold, not even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(document: DiffDocument) -> str:
    """Give the XML: of each output its rules of the gate, then the rules over all, then the data tests."""
    suites = [
        _rules(name, [result for result in document.gate if result.output == name], document)
        for name in document.outputs
    ]
    overall = [result for result in document.gate if result.output is None]
    if overall:
        suites.append(_rules(OVERALL, overall, document))
    if document.tests:
        limit = next((result.limit for result in document.gate if result.rule == "tests"), "")
        cases = [_test(test, accepted=_accepted(test, limit)) for test in document.tests]
        suites.append(_suite(TESTS, cases, document))
    root = ET.Element("testsuites", {"name": f"{PACKAGE} {document.id}"} | _counts(suites))
    root.extend(suites)
    ET.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _rules(name: str, results: Sequence[GateResult], document: DiffDocument) -> ET.Element:
    said = []
    if name in document.outputs:
        said = findings.statements(document.outputs[name]) or ["nothing differs"]
    cases = [_case(name, result) for result in results]
    return _suite(name, cases, document, said="; ".join(said))


def _suite(name: str, cases: Sequence[ET.Element], document: DiffDocument, *, said: str = "") -> ET.Element:
    seconds = sum(side.seconds or 0 for side in (document.baseline, document.candidate) if not side.cached)
    suite = ET.Element("testsuite", {"name": legal(name), "package": PACKAGE, "hostname": "sandbox"})
    suite.set("timestamp", document.created[:19])  # the schema knows no time zone
    suite.set("time", f"{seconds:.3f}")
    suite.extend(cases)
    skipped = sum(case.find("skipped") is not None for case in cases)
    suite.attrib |= _counts([suite]) | {"skipped": str(skipped)}
    if said:
        ET.SubElement(suite, "system-out").text = legal(said)
    return suite


def _case(output: str, result: GateResult) -> ET.Element:
    case = _named(output, result.rule)
    if not result.held:
        _failed(case, "gate", findings.rule(result))
    return case


def _test(test: DataTest, *, accepted: bool) -> ET.Element:
    case = _named(TESTS, test.name)
    if test.outcome in {"failed", "newly_failing", "not_evaluated"}:
        said = findings.data_test(test)
        if accepted:  # a server that counts failures must not say otherwise than the gate
            ET.SubElement(case, "skipped", {"message": legal(said)})
        else:
            _failed(case, test.outcome, said)
    return case


def _accepted(test: DataTest, limit: str) -> bool:
    """Say whether the gate's rule of data tests accepts this one although it does not pass."""
    return limit == "any" or (limit == "no-new-failures" and test.outcome == "failed" and not test.worse)


def _named(group: str, name: str) -> ET.Element:
    return ET.Element(
        "testcase", {"name": legal(name), "classname": legal(f"{PACKAGE}.{group}"), "time": "0"}
    )


def _failed(case: ET.Element, kind: str, message: str) -> None:
    ET.SubElement(case, "failure", {"type": kind, "message": legal(message)}).text = legal(message)


def _counts(elements: Sequence[ET.Element]) -> dict[str, str]:
    cases = [case for element in elements for case in element.iter("testcase")]
    failures = sum(case.find("failure") is not None for case in cases)
    return {"tests": str(len(cases)), "failures": str(failures), "errors": "0"}


def legal(text: str) -> str:
    r"""Give a text with what XML cannot hold shown instead.

    >>> legal("a\x00b")
    'a⟨U+0000⟩b'
    """
    return _FORBIDDEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text)
