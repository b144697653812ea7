"""Data tests: queries that give the rows that break a rule, run on the outputs of both sides.

A query sees the outputs as views of their names, and the sample's tables in the schema ``sample``. It can read nothing
else and write nothing: it comes with the changed code, which nobody has reviewed yet.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.compare.data_tests.declared_rules import COMPLETE_SCHEMA
from sandbox.compare.gate_limits import render_accept_line
from sandbox.compare.reading.table_reader import TableReader, describe_read_failure
from sandbox.compare.relations import SIDES
from sandbox.compare.rules import compute_engine_memory
from sandbox.compare.sql_types import render_nan_safe_sql
from sandbox.config.sections.outputs import GATE_DEFAULTS
from sandbox.engine.duckdb.session import Session, quote_identifier
from sandbox.errors import PipelineError, SandboxError
from sandbox.manifest.diff import DataTestResult, GateResult

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.compare.relations import SideName
    from sandbox.config.sections.outputs import DataTestEntry, GateSection
    from sandbox.manifest.diff import DataTestOutcome
    from sandbox.model import Progress, TableFiles


@dataclass(frozen=True, kw_only=True)
class TestAnswer:
    """How many rows break the rule on one side, or why that cannot be told."""

    __test__ = False  # it is no test of pytest's

    rows: int | None
    problem: str | None = None


def run_data_tests(
    tests: Sequence[DataTestEntry],
    baseline: Mapping[str, TableFiles],
    candidate: Mapping[str, TableFiles],
    *,
    sample: Mapping[str, TableFiles],
    memory: int,
    seconds: float = math.inf,
    progress: Progress,
) -> list[DataTestResult]:
    """Carry out every test on both sides.

    Args:
        tests: Their names and queries.
        baseline: An output's name to its table of production.
        candidate: The same for the changed version.
        sample: A table's name to its table of the sample; both sides ran on it.
        memory: Limit of this process in bytes; larger queries spill to the disk.
        seconds: How long all tests of a side may take together.
        progress: Shows one step a side.

    Returns:
        One result a test, in their order. A query without a count failed on that side, and the result says why.

    Raises:
        PipelineError: A table cannot be read.
    """
    if not tests:
        return []
    answers: dict[SideName, list[TestAnswer]] = {}
    for side, tables in zip(SIDES, (baseline, candidate), strict=True):
        with progress.step(f"testing the {side}"), open_test_session(memory) as session:
            _create_views(session, side, tables, sample)
            answers[side] = run_tests(session, tests, seconds)
    return [
        _build_result(test.name, before, after)
        for test, before, after in zip(tests, answers["baseline"], answers["candidate"], strict=True)
    ]


def open_test_session(memory: int) -> Session:
    """Return a session whose errors are those of outputs; ``memory`` is that of the process, in bytes."""
    return Session(memory=compute_engine_memory(memory), failure=PipelineError)


def _create_views(
    session: Session, side: SideName, tables: Mapping[str, TableFiles], sample: Mapping[str, TableFiles]
) -> None:
    """Make the views, then let nothing else be read."""
    reader = TableReader(session, PipelineError)
    session.execute("create schema sample")
    session.execute(f"create schema {COMPLETE_SCHEMA}")
    for schema, offered in (("main", tables), ("sample", sample)):
        for name, table in offered.items():
            doing = describe_read_failure(side, table)
            source, _ = reader.prepare_source(f"{schema} {name}", table, doing=doing)
            create_test_view(session, f"{schema}.{quote_identifier(name)}", str(source), doing=doing)
            if schema == "main":
                view = f"{COMPLETE_SCHEMA}.{quote_identifier(name)}"
                session.execute(f"create view {view} as from main.{quote_identifier(name)}", doing=doing)
    files = {path for table in (*tables.values(), *sample.values()) for path in table.paths}
    session.restrict_access(sorted(files))


def create_test_view(session: Session, view: str, source: str, *, doing: str, condition: str | None = None) -> None:
    """Create the view of a table that data tests see; ``view`` is quoted, ``source`` SQL of its rows."""
    described = session.fetch_rows(f"describe select * from {source}", doing=doing)
    shown = ", ".join(
        f"{render_nan_safe_sql(type_, quote_identifier(column))} as {quote_identifier(column)}"
        for column, type_, *_ in described
    )
    where = f" where {condition}" if condition is not None else ""
    session.execute(f"create view {view} as select {shown} from {source}{where}", doing=doing)


def run_tests(session: Session, tests: Sequence[DataTestEntry], seconds: float) -> list[TestAnswer]:
    """Run the tests of a side, until the time that they may take together is up."""
    deadline = time.monotonic() + seconds
    results = []
    for test in tests:
        remaining = deadline - time.monotonic()
        if remaining > 0:
            results.append(_run_test(session, test, remaining, seconds))
        else:
            results.append(TestAnswer(rows=None, problem=f"not run: earlier tests took all of {seconds:g} s"))
    return results


def _run_test(session: Session, test: DataTestEntry, remaining: float, seconds: float) -> TestAnswer:
    try:
        with session.limit_time(remaining, limit=f"{seconds:g} s, the limit of all tests together"):
            return TestAnswer(rows=session.count_user_query_rows(test.sql, doing="the query"))
    except SandboxError as error:
        return TestAnswer(rows=None, problem=error.message)


def _build_result(name: str, before: TestAnswer, after: TestAnswer) -> DataTestResult:
    problems = {"baseline": before.problem, "candidate": after.problem}
    return DataTestResult(
        name=name,
        baseline_failures=before.rows,
        candidate_failures=after.rows,
        outcome=classify_test_outcome(before.rows, after.rows),
        problems={side: problem for side, problem in problems.items() if problem is not None},
    )


def classify_test_outcome(before: int | None, after: int | None) -> DataTestOutcome:
    """Return what became of a test; None stands for a query that failed.

    A test that could not be run on the baseline, because it is about something new, counts there as passed.

    >>> classify_test_outcome(0, 0), classify_test_outcome(3, 3), classify_test_outcome(None, 2), classify_test_outcome(3, 0), classify_test_outcome(0, None)
    ('passed', 'failed', 'newly_failing', 'fixed', 'not_evaluated')
    """
    if after is None:
        return "not_evaluated"
    if after:
        return "failed" if before else "newly_failing"
    return "fixed" if before else "passed"


def evaluate_data_tests(tests: Sequence[DataTestResult], gate: GateSection) -> list[GateResult]:
    """Judge data tests: one result over all of them; none where there are no tests.

    By ``no-new-failures`` no test may break in more rows than on the baseline. A test that could not be run on
    the candidate is not held, unless ``any`` outcome is accepted.
    """
    if not tests:
        return []
    limit = gate.tests or str(GATE_DEFAULTS["tests"])
    broken = {
        "not evaluated": [one.name for one in tests if one.outcome == "not_evaluated"],
        "newly failing": [one.name for one in tests if one.outcome == "newly_failing"],
        "failing in more rows": [one.name for one in tests if one.outcome == "failed" and one.is_worse],
        "still failing": [one.name for one in tests if one.outcome == "failed" and not one.is_worse],
    }
    tolerated = {"no-new-failures": {"still failing"}, "no-failures": set(), "any": set(broken)}[limit]
    said = "; ".join(f"{what}: {', '.join(names)}" for what, names in broken.items() if names)
    held = not any(names for what, names in broken.items() if what not in tolerated)
    accept = None if held else render_accept_line("tests", "any")
    found = said or "all passed"
    return [GateResult(rule="tests", output=None, limit=limit, held=held, found=found, accept=accept)]
