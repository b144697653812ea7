"""The results of dbt's tests."""

from __future__ import annotations

from typing import Any

TEST_KINDS = ("test", "unit_test")


def describe_result(result: Any) -> dict[str, Any]:
    """Return the record of a test's result: ``status`` and ``failures`` are dbt's own."""
    status = str(result.status)
    counted = status in {"pass", "fail", "warn"}
    return {
        "name": result.node.name,
        "kind": str(result.node.resource_type),
        "status": status,
        "failures": result.failures if counted else None,
        "problem": None if status == "pass" else " ".join(str(result.message or status).split()),
    }


def describe_results(done: Any) -> dict[str, dict[str, Any]]:
    """Return the records of the tests of a command, by id; hooks are no tests."""
    results = done.result.results if done.result else []
    return {
        result.node.unique_id: describe_result(result)
        for result in results
        if str(result.node.resource_type) in TEST_KINDS
    }
