"""Write and describe the results of data tests of production: ``tests.json``, ``junit.xml`` and one page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sandbox
from sandbox.formatting import format_count, format_size
from sandbox.store.folder import restrict_access, stage_folder

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.manifest.diff import DataTestResult
    from sandbox.manifest.production.data_tests import ProductionTests

TESTS_FOLDER = "tests"
TESTS_FILE = "tests.json"
VERDICT_TEXTS = {"held": "all hold", "broken": "broken", "not_judged": "not judged"}
_ORDER = ("failed", "not_evaluated", "skipped", "warned", "passed")


def write_production_tests(project: Project, document: ProductionTests) -> Path:
    """Write the document and its reports into a folder of their own, and return it."""
    # jinja2 is slow to import.
    from sandbox.impact.document import REPORT_FILE  # noqa: PLC0415
    from sandbox.report.files import JUNIT_FILE  # noqa: PLC0415
    from sandbox.report.junit import render_production_junit  # noqa: PLC0415

    folder = project.state_folder / TESTS_FOLDER / document.id
    with stage_folder(folder) as staged:
        (staged / TESTS_FILE).write_text(document.to_json_text(), "utf-8")
        (staged / REPORT_FILE).write_text(render_page(document), "utf-8")
        (staged / JUNIT_FILE).write_text(render_production_junit(document), "utf-8")
        restrict_access(staged)
    return folder


def sort_tests(document: ProductionTests) -> list[DataTestResult]:
    """Return the tests, those that break first."""
    return sorted(document.tests, key=lambda test: _ORDER.index(test.outcome) if test.outcome in _ORDER else 0)


def summarize_tests(document: ProductionTests) -> str:
    """Return one sentence: how many tests hold, break, and could not be run."""
    failed = sum(test.outcome == "failed" for test in document.tests)
    unjudged = sum(test.outcome in {"not_evaluated", "skipped"} for test in document.tests)
    held = len(document.tests) - failed - unjudged
    parts = [f"{held} of {format_count(len(document.tests), 'test')} hold{'s' * (held == 1)} in production"]
    parts += [f"{failed} break{'s' * (failed == 1)}"] if failed else []
    parts += [f"{unjudged} could not be run"] if unjudged else []
    return ", ".join(parts)


def describe_outputs(document: ProductionTests) -> list[str]:
    """Return what was read of each output, one line each."""
    lines = [
        f"{name}: {format_size(output.bytes)}, {'whole' if output.condition is None else f'where {output.condition}'}"
        for name, output in document.outputs.items()
    ]
    if document.dbt is not None:
        lines.append(f"dbt {document.dbt.version} ran its own tests, results of {document.dbt.generated}")
    return lines


def render_page(document: ProductionTests) -> str:
    """Render the page of one result; every name and value in it is escaped as text."""
    from sandbox.report.templates import render_template, sanitize_text  # noqa: PLC0415 - jinja2 is slow to import

    return render_template(
        "production_tests.html",
        finish=sanitize_text,
        values={
            "document": document,
            "verdict": VERDICT_TEXTS[document.verdict],
            "headline": summarize_tests(document),
            "tests": sort_tests(document),
            "outputs": describe_outputs(document),
            "version": sandbox.__version__,
        },
    )
