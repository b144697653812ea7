"""Ask the data tests and declared rules of the outputs that production made."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.compare.data_tests.declared_rules import COMPLETE_SCHEMA, list_declared_tests
from sandbox.compare.data_tests.queries import TestAnswer, create_test_view, open_test_session, run_tests
from sandbox.dbt.own_results import read_own_results
from sandbox.dbt.runs import is_dbt_project
from sandbox.engine.duckdb.session import quote_identifier, quote_literal
from sandbox.errors import ConfigError, PipelineError, SandboxError
from sandbox.formatting import format_size
from sandbox.impact.compare_outputs import compute_memory_limit
from sandbox.manifest.canonical_json import hash_json
from sandbox.manifest.diff import DataTestResult
from sandbox.manifest.production.data_tests import ProductionTests, TestedOutput
from sandbox.production.output_tables import OUTPUTS_HINT, open_production_outputs

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.config.sections.outputs import DataTestEntry
    from sandbox.engine.duckdb.session import Session
    from sandbox.manifest.production.data_tests import DbtResults, ProductionVerdict
    from sandbox.model import Progress
    from sandbox.production.output_tables import OpenedOutput, OutputTable, ProductionOutputs

_NO_PREFIX = "main"
DBT_HINT = "dbt test --target prod; sandbox test --production --dbt-results target"
OWN_TESTS_WARNING = f"the own tests of the dbt project were not asked; they are run by dbt: {DBT_HINT}"


def run_production_tests(
    project: Project, place: str | None, *, dbt_results: Path | None, now: dt.datetime, progress: Progress
) -> ProductionTests:
    """Ask the tests with ``on = ["production"]`` and the declared rules of production's outputs.

    Args:
        project: The project.
        place: Where the outputs are, empty for ``[production] outputs``; None asks them nothing.
        dbt_results: The folder of dbt's ``run_results.json``, for the own tests of a dbt project.
        now: The time of the test, in UTC.
        progress: Shows the steps.

    Raises:
        ConfigError: There is nothing to ask, or no place.
        SourceError: The place cannot be read.
    """
    settings = project.settings
    tests = [
        *list_declared_tests(settings.outputs, keys=True),
        *(test for test in settings.tests if "production" in test.on),
    ]
    if place is None and dbt_results is not None:
        tests = []
    place = place or settings.production.outputs
    _check_questions(project, tests, place, dbt_results)
    started = time.monotonic()
    outputs: dict[str, TestedOutput] = {}
    results: list[DataTestResult] = []
    shown = None
    if tests and place is not None:
        with open_production_outputs(project, place) as production:
            shown = production.display_name
            outputs, answers = _ask_tests(project, production, tests, progress)
            results = [_build_result(test.name, answer) for test, answer in zip(tests, answers, strict=True)]
    dbt: DbtResults | None = None
    if dbt_results is not None:
        own, dbt = read_own_results(dbt_results)
        results += own
    created = now.isoformat(timespec="seconds")
    return ProductionTests(
        id=f"{now:%Y%m%dT%H%M%S}-{hash_json([created, time.time_ns()])[:8]}",
        created=created,
        project=settings.project.name,
        place=shown,
        verdict=judge_results(results),
        seconds=round(time.monotonic() - started, 3),
        outputs=outputs,
        tests=results,
        dbt=dbt,
        warnings=[OWN_TESTS_WARNING] if is_dbt_project(project) and dbt is None else [],
    )


def _check_questions(
    project: Project, tests: Sequence[DataTestEntry], place: str | None, dbt_results: Path | None
) -> None:
    if is_dbt_project(project) and not tests and dbt_results is None:
        raise ConfigError(
            "the own tests of a dbt project are run by dbt, and their results are not named",
            hint=DBT_HINT,
        )
    if not tests and dbt_results is None:
        raise ConfigError(
            f"{project.file.name} asks nothing of production",
            hint='give a [[tests]] entry on = ["diff", "production"], or an [outputs.NAME] its key, not_null, ranges or references',
        )
    if tests and place is None:
        raise ConfigError("where production's outputs are is not known", hint=OUTPUTS_HINT)


def judge_results(results: Sequence[DataTestResult]) -> ProductionVerdict:
    """Return the verdict: one broken test outweighs those that could not be run.

    >>> judge_results([DataTestResult(name="a", baseline_failures=None, candidate_failures=0, outcome="passed")])
    'held'
    """
    outcomes = {result.outcome for result in results}
    if "failed" in outcomes:
        return "broken"
    return "not_judged" if outcomes & {"not_evaluated", "skipped"} else "held"


def _build_result(name: str, answer: TestAnswer) -> DataTestResult:
    return DataTestResult(
        name=name,
        baseline_failures=None,
        candidate_failures=answer.rows,
        outcome="not_evaluated" if answer.rows is None else "failed" if answer.rows else "passed",
        problems={} if answer.problem is None else {"candidate": answer.problem},
    )


def _ask_tests(
    project: Project, production: ProductionOutputs, tests: Sequence[DataTestEntry], progress: Progress
) -> tuple[dict[str, TestedOutput], list[TestAnswer]]:
    """Open the outputs that tests name, and run the tests until their time is up."""
    seconds = project.settings.production.timeout
    deadline = time.monotonic() + seconds
    with open_test_session(compute_memory_limit()) as session:
        session.execute(f"create schema {COMPLETE_SCHEMA}")
        views = _ProductionViews(project=project, production=production, session=session)
        named = {test.name: _list_outputs(session, test, production) for test in tests}
        with progress.step("opening production's outputs"):
            for name in dict.fromkeys(name for names in named.values() for name in names):
                views.create(name, deadline, seconds)
        session.restrict_access(sorted(views.paths))
        with progress.step("testing production"):
            answers = _run_open_tests(session, tests, named, views, deadline)
    return views.outputs, answers


def _list_outputs(session: Session, test: DataTestEntry, production: ProductionOutputs) -> dict[tuple[str, str], None]:
    """Return the schemas and names of the outputs that a test reads, in order."""
    known = {name.lower(): name for name in [*production.tables, *production.problems]}
    return {
        (schema.lower() or _NO_PREFIX, known[name.lower()]): None
        for schema, name in sorted(session.list_query_tables(test.sql))
        if name.lower() in known and schema.lower() in {"", _NO_PREFIX, COMPLETE_SCHEMA}
    }


def _run_open_tests(
    session: Session, tests: Sequence[DataTestEntry], named: dict[str, dict[tuple[str, str], None]],
    views: _ProductionViews, deadline: float,
) -> list[TestAnswer]:  # fmt: skip
    answers = {}
    for test in tests:
        problems = [views.problems[output] for output in named[test.name] if output in views.problems]
        if problems:
            answers[test.name] = TestAnswer(rows=None, problem="; ".join(dict.fromkeys(problems)))
    runnable = [test for test in tests if test.name not in answers]
    remaining = max(deadline - time.monotonic(), 0.0)
    for test, answer in zip(runnable, run_tests(session, runnable, remaining), strict=True):
        answers[test.name] = answer
    return [answers[test.name] for test in tests]


@dataclass(kw_only=True)
class _ProductionViews:
    """The views of production's outputs in a session: the newest part of each, and all of its rows.

    Attributes:
        outputs: The opened outputs.
        paths: The addresses read by the views.
        problems: Schema and name of an output -> why it cannot be read.
    """

    project: Project
    production: ProductionOutputs
    session: Session
    outputs: dict[str, TestedOutput] = dataclasses.field(default_factory=dict)
    paths: set[str] = dataclasses.field(default_factory=set)
    problems: dict[tuple[str, str], str] = dataclasses.field(default_factory=dict)
    _opened: dict[str, OpenedOutput] = dataclasses.field(default_factory=dict)

    def create(self, output: tuple[str, str], deadline: float, seconds: float) -> None:
        """Create the view of an output, or record why it cannot be read."""
        schema, name = output
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            self.problems[output] = f"not run: opening the outputs took all of {seconds:g} s"
            return
        try:
            with self.session.limit_time(remaining, limit=f"{seconds:g} s, the limit of all tests together"):
                self._create_view(schema, name)
        except SandboxError as error:
            self.problems[output] = error.message

    def _create_view(self, schema: str, name: str) -> None:
        if name in self.production.problems:
            raise PipelineError(self.production.problems[name])
        table = self.production.tables[name]
        section = self.project.settings.outputs.get(name)
        since = section.since if section is not None and schema != COMPLETE_SCHEMA else None
        last = section.last if section is not None else None
        part = since is not None and any(since in file.partition for file in table.files)
        if not part:
            self._check_bytes(table, table.bytes)
        if name not in self._opened:
            self._opened[name] = table.open_in(self.session)
        opened, doing = self._opened[name], f"production's {name} cannot be read"
        condition = None if since is None else self._build_condition(opened.sql, since, last, doing)
        size = table.bytes
        if condition is not None and since is not None and part:
            size = self._measure_part(table, opened.sql, since, condition)
            self._check_bytes(table, size)
        view = f"{schema}.{quote_identifier(name)}"
        create_test_view(self.session, view, opened.sql, doing=doing, condition=condition)
        self.paths.update(opened.paths)
        if schema != COMPLETE_SCHEMA or name not in self.outputs:
            self.outputs[name] = TestedOutput(bytes=size, condition=condition)

    def _check_bytes(self, table: OutputTable, size: int) -> None:
        most = self.project.settings.production.max_bytes
        if size > most:
            raise PipelineError(
                f"{table.name} has {format_size(size)}, more than [production] max_bytes, {format_size(most)}; "
                f"raise it, or read the newest part alone: [outputs.{table.name}] since"
            )

    def _build_condition(self, source: str, since: str, last: float | None, doing: str) -> str:
        """Return the SQL of the newest rows' condition, with their limit as a literal."""
        column = quote_identifier(since)
        [(_, kind, *_)] = self.session.fetch_rows(f"describe select {column} from {source}", doing=doing)
        value = f"{column}::timestamp" if last is not None and kind == "VARCHAR" else column
        back = "" if last is None else f" - to_microseconds({round(last * 1e6)})"
        [(limit, limit_kind)] = self.session.fetch_rows(
            f"select (m{back})::varchar, typeof(m{back}) from (select max({value}) as m from {source})", doing=doing
        )
        if limit is None:
            return "false"
        literal = f"{quote_literal(limit)}::{limit_kind}"
        return f"{value} > {literal}" if last is not None else f"{column} = {literal}"

    def _measure_part(self, table: OutputTable, source: str, since: str, condition: str) -> int:
        """Return the bytes of the files whose partition fulfils a condition."""
        column = quote_identifier(since)
        [(_, kind, *_)] = self.session.fetch_rows(f"describe select {column} from {source}")
        rows = ", ".join(
            f"({file.bytes}, {'null' if (text := file.partition.get(since)) is None else quote_literal(text)})"
            for file in table.files
        )
        query = f"select bytes, try_cast(text as {kind}) as {column} from (values {rows}) files(bytes, text)"
        [(size,)] = self.session.fetch_rows(f"select coalesce(sum(bytes), 0)::bigint from ({query}) where {condition}")
        return int(size)
