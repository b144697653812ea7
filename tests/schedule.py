"""The order of tests, and which of them run in one process: those that share something expensive, and each module's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

SLOW_SECONDS = 20
"""A test that takes longer says why in its docstring."""
UNEXPLAINED = "takes long for no reason that is told"
GROUPS = {
    "spark": ("test_compiled.py", "test_contract.py", "test_spark.py", "test_spark_errors.py", "test_spark_store.py"),
    "postgres": (
        "test_canaries.py",
        "test_init_postgres.py",
        "test_postgres.py",
        "test_postgres_catalog.py",
        "test_run_databases.py",
    ),
}
"""Modules that share a cluster of Spark, or a server of Postgres, by group."""
LONGEST_FIRST = (
    "tests/integration/sources/",
    "tests/e2e/test_dbt",
    "tests/integration/faults/",
    "tests/e2e/",
    "tests/integration/provisioner/",
    "tests/property/",
    "tests/integration/sampler/",
    "tests/integration/",
    "tests/contract/",
    "tests/browser/",
)
"""Folders and modules in the order in which they begin, so that no worker is alone with a long one at the end."""


def find_group(item: pytest.Item) -> str:
    """Return the group of a test: its tests run in one process, one after the other."""
    groups = (group for group, modules in GROUPS.items() if item.path.name in modules)
    return next(groups, item.nodeid.partition("::")[0])


def sort_tests(items: list[pytest.Item]) -> None:
    """Sort tests for `--dist loadgroup`: long groups first; mark each with its group."""

    def find_rank(item: pytest.Item) -> int:
        ranks = (rank for rank, start in enumerate(LONGEST_FIRST) if item.nodeid.startswith(start))
        return next(ranks, len(LONGEST_FIRST))

    items.sort(key=find_rank)
    for item in items:
        item.add_marker(pytest.mark.xdist_group(find_group(item)))
        function = getattr(item, "function", None)
        item.user_properties.append((UNEXPLAINED, not (function and function.__doc__)))


def report_slow_tests(reporter: TerminalReporter) -> None:
    """List the tests that took long and have no docstring."""
    slow: dict[str, float] = {}
    for report in (report for reports in reporter.stats.values() for report in reports):
        if (
            isinstance(report, pytest.TestReport)
            and report.when == "call"
            and (UNEXPLAINED, True) in report.user_properties
        ):
            name = report.nodeid.partition("[")[0]
            slow[name] = max(report.duration, slow.get(name, 0))
    lines = [f"{seconds:6.1f} s  {name}" for name, seconds in slow.items() if seconds > SLOW_SECONDS]
    if lines:
        reporter.section(f"over {SLOW_SECONDS} s, without a docstring that says why")
        reporter.write_line("\n".join(sorted(lines, reverse=True)))
