"""What became of dbt's tests, by dbt's own statuses."""

from __future__ import annotations

import pytest

from sandbox.dbt.tests import TestRecord as Record
from sandbox.dbt.tests import classify_results
from sandbox.manifest.diff import DataTestResult
from sandbox.report.findings import describe_test


def record(status: str, failures: int | None) -> Record:
    return Record(name="t", kind="test", status=status, failures=failures, problem=None)


@pytest.mark.parametrize(
    ("before", "after", "outcome"),
    [
        (record("pass", 0), record("pass", 0), "passed"),
        (record("pass", 3), record("pass", 9), "passed"),  # error_if allows them
        (record("pass", 0), record("fail", 4), "newly_failing"),
        (record("warn", 2), record("fail", 4), "newly_failing"),
        (record("fail", 4), record("fail", 4), "failed"),
        (record("fail", 4), record("warn", 1), "warned"),
        (record("fail", 4), record("pass", 0), "fixed"),
        (record("pass", 0), record("fail", 0), "newly_failing"),  # fail_calc or error_if: no row breaks it
        (record("pass", 0), record("error", None), "not_evaluated"),
        (None, record("fail", 2), "newly_failing"),
        (None, record("pass", 0), "passed"),
        (record("fail", 2), None, "removed"),
        (record("pass", 0), record("skipped", None), "skipped"),
        (record("skipped", None), record("fail", 2), "newly_failing"),
    ],
)
def test_outcomes(before: Record | None, after: Record | None, outcome: str) -> None:
    assert classify_results(before, after) == outcome


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"baseline_failures": 3, "candidate_failures": None, "outcome": "removed"}, "t: removed, 3 rows broke it in the baseline"),
        ({"baseline_failures": None, "candidate_failures": 2, "outcome": "newly_failing", "added": True}, "t: newly failing, 2 rows break it, it is new"),
        ({"baseline_failures": 0, "candidate_failures": 1, "outcome": "warned"}, "t: warns (severity or threshold of dbt), 1 row breaks it, 0 in the baseline"),
    ],
)  # fmt: skip
def test_words(fields: dict[str, object], text: str) -> None:
    assert describe_test(DataTestResult.model_validate({"name": "t", **fields})) == text
