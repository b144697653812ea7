"""Read dbt's results of two runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from sandbox.compare.data_tests import classify_test_outcome
from sandbox.errors import StoreError
from sandbox.manifest.diff import DataTestResult, DbtBuild
from sandbox.manifest.document import DocumentPart
from sandbox.manifest.json_reader import parse_json, read_document_text

if TYPE_CHECKING:
    from sandbox.runner.run import Run

P = TypeVar("P", bound=DocumentPart)


class _TestRecord(DocumentPart):
    """A test of a dbt run: its failing rows, or why there are none."""

    name: str
    failures: int | None
    problem: str | None


def read_build(run: Run) -> DbtBuild | None:
    """Read the build of a dbt run; None for other runs.

    Raises:
        StoreError: The document is damaged, or lacks something.
    """
    document = _read_document(run, "built.json")
    if document is None:
        return None
    return _validate(DbtBuild, {name: document.get(name, ...) for name in DbtBuild.model_fields}, run, "built.json")


def compare_data_tests(baseline: Run, candidate: Run) -> list[DataTestResult]:
    """Compare dbt's own tests of both sides, by name, without tests missing in the candidate."""
    before = _read_document(baseline, "tests.json") or {}
    after = _read_document(candidate, "tests.json") or {}
    results = [
        _compare_data_test(
            _validate(_TestRecord, before[key], baseline, "tests.json") if key in before else None,
            _validate(_TestRecord, test, candidate, "tests.json"),
        )
        for key, test in after.items()
    ]
    return sorted(results, key=lambda result: result.name)


def _compare_data_test(before: _TestRecord | None, after: _TestRecord) -> DataTestResult:
    first, second = before.failures if before else None, after.failures
    problems = {
        "baseline": before.problem if before else "it has no such test",
        "candidate": after.problem,
    }
    return DataTestResult(
        name=after.name,
        baseline_failures=first,
        candidate_failures=second,
        outcome=classify_test_outcome(first, second),
        problems={side: problem for side, problem in problems.items() if problem is not None},
    )


def _validate(part: type[P], fields: Any, run: Run, name: str) -> P:
    try:
        return part.model_validate(fields)
    except ValidationError as error:
        where = ".".join(str(step) for step in error.errors()[0]["loc"])
        message = f"{run.output_folder / '_dbt' / name} is not as dbt's runs leave it: {where or 'it is no object'}"
        raise StoreError(message, hint="run it again: sandbox diff --fresh") from error


def _read_document(run: Run, name: str) -> dict[str, Any] | None:
    """Read a document written beside the outputs, by the program or possibly by the project's code."""
    path = run.output_folder / "_dbt" / name
    if not path.is_file() or path.is_symlink():
        return None
    try:
        document = parse_json(read_document_text(path, name="document"), name=str(path))
    except StoreError as error:
        raise StoreError(error.message, hint="run it again: sandbox diff --fresh") from error
    return document if isinstance(document, dict) else None
