"""Read the records of dbt runs: what was built and why, and the results of dbt's tests on both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sandbox.compare.data_tests.queries import classify_test_outcome
from sandbox.dbt.programs.node_facts import NodeFacts
from sandbox.errors import StoreError
from sandbox.manifest.diff import DataTestResult, DbtBuild
from sandbox.manifest.json_reader import parse_json, read_document_text

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from sandbox.manifest.diff import DataTestOutcome
    from sandbox.runner.run import Run

FRESH_HINT = "run it again: sandbox diff --fresh"


class DbtRecord(BaseModel):
    """A record that a run wrote beside its outputs."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class FailureRecord(DbtRecord):
    """A node without an output in ``built.json``.

    ``output`` is the name that its output would have; None for a seed. ``parent`` is the failed node because of which it
    was not built; empty if it failed itself, with ``cause``.
    """

    name: str
    output: str | None
    cause: str
    advice: str
    parent: str


class BuildRecord(DbtRecord):
    """``built.json``: names by kind, and for each built node the reason; see `DbtBuild`.

    ``outputs``, ``places`` and ``failed`` are by dbt's unique id: the name of a node's output, its schema and identifier,
    and why it has no output. ``clock_readers`` are the ids of nodes whose rows may depend on the time; None
    if that is not known.
    """

    changed: list[str] | None
    built: list[str]
    taken_over: list[str]
    unproven: list[str]
    reasons: dict[str, str]
    moved: dict[str, list[str]]
    order: list[str]
    code_changes: dict[str, str]
    outputs: dict[str, str]
    places: dict[str, list[str]]
    failed: dict[str, FailureRecord] = Field(default_factory=dict)
    incremental: list[str] = Field(default_factory=list)
    clock_readers: list[str] | None = None


class TestRecord(DbtRecord):
    """One result in ``tests.json``, with dbt's own ``status`` and number of ``failures``."""

    __test__ = False  # it is no test of pytest's

    name: str
    kind: str
    status: str
    failures: int | None
    problem: str | None


def read_build(run: Run) -> DbtBuild | None:
    """Read the build of a dbt run; None for other runs."""
    record = read_build_record(run)
    return None if record is None else DbtBuild(**record.model_dump(include=set(DbtBuild.model_fields)))


def read_build_record(run: Run) -> BuildRecord | None:
    """Read ``built.json`` of a dbt run; None for other runs.

    Raises:
        StoreError: It is no record of a build.
    """
    return None if _find_document(run, "built.json") is None else _read_build_record(run)


def are_independent_of_time(run: Run, outputs: Collection[str]) -> bool:
    """Return whether outputs of a dbt run are known to be the same whenever it runs: no model that they rest on reads the time."""
    record = read_build_record(run)
    if record is None or record.clock_readers is None:
        return False
    facts = read_node_facts(run)
    queue = [key for key, name in record.outputs.items() if name in outputs]
    if {record.outputs[key] for key in queue} != set(outputs):
        return False
    seen = set(queue)
    while queue:
        key = queue.pop()
        if key not in facts:
            return False
        new = {*facts[key].reads, *facts[key].linked} - seen
        seen |= new
        queue += new
    return seen.isdisjoint(record.clock_readers)


def read_node_facts(run: Run) -> dict[str, NodeFacts]:
    """Read ``nodes.json``, by dbt's unique id.

    Raises:
        StoreError: It is missing, or holds no facts of nodes.
    """
    try:
        return {key: NodeFacts.from_dict(entry) for key, entry in read_document(run, "nodes.json").items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = f"{run.output_folder / '_dbt' / 'nodes.json'} is not as dbt's runs leave it"
        raise StoreError(message, hint=FRESH_HINT) from error


def check_state(run: Run) -> None:
    """Check that a baseline's records let a candidate take nodes over.

    Raises:
        StoreError: One is missing or damaged.
    """
    _read_build_record(run)
    _read_test_records(run)
    for name in ("nodes.json", "code.json"):
        read_document(run, name)


def _read_build_record(run: Run) -> BuildRecord:
    """Read ``built.json``.

    Raises:
        StoreError: It is missing, or no record of a build.
    """
    document = read_document(run, "built.json")
    try:
        return BuildRecord.model_validate(document)
    except ValidationError as error:
        raise build_damage_error(run, "built.json", error) from error


def _read_test_records(run: Run) -> dict[str, TestRecord]:
    """Read ``tests.json``, by dbt's unique id.

    Raises:
        StoreError: It is missing, or no record of results.
    """
    document = read_document(run, "tests.json")
    try:
        return {key: TestRecord.model_validate(entry) for key, entry in document.items()}
    except ValidationError as error:
        raise build_damage_error(run, "tests.json", error) from error


def build_damage_error(run: Run, name: str, error: ValidationError) -> StoreError:
    """Build the error of a document that is no record."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = ".".join(map(str, first["loc"])) or "it"
    message = f"{run.output_folder / '_dbt' / name} is not as dbt's runs leave it: {field}: {first['msg'].lower()}"
    return StoreError(message, hint=FRESH_HINT)


def compare_data_tests(baseline: Run, candidate: Run) -> list[DataTestResult]:
    """Compare dbt's own tests of both sides, sorted by name; a test may be on one side alone."""
    if _find_document(candidate, "tests.json") is None:
        return []
    before, after = _read_test_records(baseline), _read_test_records(candidate)
    results = (_compare_data_test(before.get(key), after.get(key)) for key in {*before, *after})
    return sorted(results, key=lambda result: result.name)


def _compare_data_test(before: TestRecord | None, after: TestRecord | None) -> DataTestResult:
    known = after or before
    assert known is not None
    problems = {"baseline": before.problem if before else None, "candidate": after.problem if after else None}
    return DataTestResult(
        name=known.name,
        baseline_failures=before.failures if before else None,
        candidate_failures=after.failures if after else None,
        outcome=classify_results(before, after),
        problems={side: problem for side, problem in problems.items() if problem is not None},
        added=before is None,
    )


def classify_results(before: TestRecord | None, after: TestRecord | None) -> DataTestOutcome:
    """Return the outcome by dbt's statuses: thresholds and severity are dbt's, so failing rows alone fail nothing.

    A test is skipped if a node that it reads failed; that node itself counts as not compared.
    """
    if after is None:
        return "removed"
    if after.status == "skipped":
        return "skipped"
    if after.status == "warn":
        return "warned"
    return classify_test_outcome(_count_breaks(before), _count_breaks(after))


def _count_breaks(test: TestRecord | None) -> int | None:
    """Return a test's failures if it fails, 0 if it does not, None if it could not be run."""
    if test is None or test.failures is None:
        return None
    return max(test.failures, 1) if test.status == "fail" else 0


def has_document(run: Run, name: str) -> bool:
    """Return whether a run has a record."""
    return _find_document(run, name) is not None


def _find_document(run: Run, name: str) -> Path | None:
    """Return the path of a record; None if the run has none. The project's code may have written it."""
    path = run.output_folder / "_dbt" / name
    return path if path.is_file() and not path.is_symlink() else None


def read_document(run: Run, name: str) -> dict[str, Any]:
    """Read a record.

    Raises:
        StoreError: It is missing or no JSON object.
    """
    path = _find_document(run, name)
    if path is None:
        raise StoreError(f"{run.output_folder / '_dbt' / name} is missing", hint=FRESH_HINT)
    try:
        document = parse_json(read_document_text(path, name="document"), name=str(path))
    except StoreError as error:
        raise StoreError(error.message, hint=FRESH_HINT) from error
    if not isinstance(document, dict):
        raise StoreError(f"{path} is damaged: it is no JSON object", hint=FRESH_HINT)
    return document
