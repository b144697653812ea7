"""Read the results of tests that dbt itself ran, from its ``run_results.json``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from sandbox.errors import ConfigError, StoreError
from sandbox.manifest.diff import DataTestResult
from sandbox.manifest.json_reader import parse_json, read_document_text
from sandbox.manifest.production.data_tests import DbtResults

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.manifest.diff import DataTestOutcome

RESULTS_FILE = "run_results.json"
_OUTCOMES: dict[str, DataTestOutcome] = {"pass": "passed", "fail": "failed", "warn": "warned", "skipped": "skipped"}
_TEST_KINDS = ("test.", "unit_test.")


class _Artifact(BaseModel):
    """A part of dbt's artifact; other fields are dbt's matter."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Metadata(_Artifact):
    generated_at: str
    dbt_version: str


class _Result(_Artifact):
    unique_id: str
    status: str
    failures: int | None = None


class _RunResults(_Artifact):
    metadata: _Metadata
    results: list[_Result]


def read_own_results(folder: Path) -> tuple[list[DataTestResult], DbtResults]:
    """Read the results of tests that dbt left in its target folder, sorted by name.

    Raises:
        ConfigError: There are none.
        StoreError: The file is not as dbt writes it.
    """
    path = folder / RESULTS_FILE
    if not path.is_file():
        raise ConfigError(f"{path} is not there", hint="let dbt write it: dbt test --target prod")
    fields: Any = parse_json(read_document_text(path, name="dbt's results"), name=str(path))
    try:
        run = _RunResults.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"])) or "it"
        raise StoreError(f"{path} is not as dbt writes it: {place}: {first['msg'].lower()}") from error
    tests = [result for result in run.results if result.unique_id.startswith(_TEST_KINDS)]
    if not tests:
        raise ConfigError(f"{path} has no result of a test", hint="let dbt run them: dbt test --target prod")
    results = sorted((_build_result(result, path) for result in tests), key=lambda result: result.name)
    found = DbtResults(folder=str(folder), generated=run.metadata.generated_at, version=run.metadata.dbt_version)
    return results, found


def _build_result(result: _Result, path: Path) -> DataTestResult:
    """Return the result of one test; thresholds and severity are dbt's, so failing rows alone fail nothing."""
    outcome = _OUTCOMES.get(result.status, "not_evaluated")
    failures = max(result.failures or 0, 1) if outcome == "failed" else result.failures
    counted = outcome in {"passed", "failed", "warned"}
    return DataTestResult(
        name=result.unique_id.split(".")[2] if result.unique_id.count(".") > 1 else result.unique_id,
        baseline_failures=None,
        candidate_failures=(0 if outcome == "passed" else failures) if counted else None,
        outcome=outcome,
        problems={} if counted else {"candidate": f"dbt says {result.status}; its message is in {path}"},
    )
