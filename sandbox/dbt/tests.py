"""What dbt says of two runs of its projects."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sandbox.compare.data_tests import classify_test_outcome
from sandbox.errors import StoreError
from sandbox.manifest.diff import DataTestResult, DbtBuild

if TYPE_CHECKING:
    from sandbox.runner.run import Run


def read_build(run: Run) -> DbtBuild | None:
    """Give what a run of a dbt project built; None for one of another kind."""
    found = _read_document(run, "built.json")
    if found is None:
        return None
    return DbtBuild(changed=found["changed"], built=found["built"], taken_over=found["taken_over"])


def compare_data_tests(baseline: Run, candidate: Run) -> list[DataTestResult]:
    """Give what dbt's own tests found on both sides, by name; a test that the candidate no longer has is none of them."""
    before, after = (
        _read_document(baseline, "tests.json") or {},
        _read_document(candidate, "tests.json") or {},
    )
    return sorted((_compare_data_test(before.get(key), one) for key, one in after.items()), key=lambda one: one.name)


def _compare_data_test(before: dict[str, Any] | None, after: dict[str, Any]) -> DataTestResult:
    first, second = before["failures"] if before else None, after["failures"]
    problems = {
        "baseline": before["problem"] if before else "it has no such test",
        "candidate": after["problem"],
    }
    return DataTestResult(
        name=after["name"],
        baseline_failures=first,
        candidate_failures=second,
        outcome=classify_test_outcome(first, second),
        problems={side: problem for side, problem in problems.items() if problem is not None},
    )


def _read_document(run: Run, name: str) -> dict[str, Any] | None:
    """Read what the program wrote beside the outputs; the code of the project could have written it too."""
    path = run.output_folder / "_dbt" / name
    if not path.is_file() or path.is_symlink():
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read: {error}", hint="run it again: sandbox diff --fresh") from error
    return found
