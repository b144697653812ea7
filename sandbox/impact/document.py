"""Build ``diff.json`` from runs and findings."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox import compare
from sandbox.compare.gate import GateEvidence
from sandbox.manifest.canonical_json import hash_json
from sandbox.manifest.diff import DiffDocument, NotCompared
from sandbox.manifest.diff_sides import DiffSide, EnvironmentReference, NoiseRun, SampleReference
from sandbox.project.sample_checks import read_last_check

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.config.sections.outputs import GateSection
    from sandbox.impact.rule_judgement import RuleJudgement
    from sandbox.manifest.diff import ArtifactDiff, DataTestResult, DbtBuild, OutputDiff
    from sandbox.manifest.production.drift import DriftCheck
    from sandbox.manifest.sample import SampleManifest
    from sandbox.manifest.separability import SeparabilityChecks
    from sandbox.manifest.why.expected_columns import ExpectedColumns
    from sandbox.runner.run import Run

REPORT_FILE = "report.html"


@dataclass(frozen=True, kw_only=True)
class DiffFindings:
    """The findings of a comparison of two sides.

    Attributes:
        baseline: The side of production.
        candidate: The changed version's run.
        baseline_run: Production's run, unless its real outputs are used instead.
        outputs: The differences of each output.
        tests: The results of data tests on both sides.
        artifacts: The artifacts, by path.
        not_compared: The outputs excluded from comparison.
        noise_run: The noise run, if there was one.
        separability: The runs of the separability check, if there were any.
        warnings: Warnings for the reader.
        dbt: The built parts of a dbt project.
        expected_columns: The columns by whether the change leads to them, for outputs of SQL.
    """

    baseline: DiffSide
    candidate: DiffSide
    baseline_run: Run | None
    candidate_run: Run
    outputs: Mapping[str, OutputDiff]
    tests: list[DataTestResult] = field(default_factory=list)
    artifacts: Mapping[str, ArtifactDiff] = field(default_factory=dict)
    not_compared: list[NotCompared] = field(default_factory=list)
    noise_run: Run | None = None
    separability: SeparabilityChecks | None = None
    warnings: list[str] = field(default_factory=list)
    dbt: DbtBuild | None = None
    expected_columns: Mapping[str, ExpectedColumns] = field(default_factory=dict)


def build_document(
    project: Project, manifest: SampleManifest, findings: DiffFindings, rules: RuleJudgement
) -> DiffDocument:
    """Judge the findings, and return the whole document."""
    settings = project.settings
    gates = {name: section.gate for name, section in settings.outputs.items()}
    baseline_outputs = [name for name, output in findings.outputs.items() if output.status != "added"]
    changes = rules.list_changes(baseline_outputs)
    not_compared = [*findings.not_compared, *_list_idle_tolerances(findings.outputs)]
    verdict, gate = compare.evaluate_gate(
        GateEvidence(
            outputs=findings.outputs,
            tests=findings.tests,
            artifacts=findings.artifacts,
            not_compared=not_compared,
            rule_changes=changes,
            rules_limit=rules.limit,
            expected_columns=findings.expected_columns,
        ),
        settings.gate,
        gates,
    )
    identity = _create_id(
        {"baseline": findings.baseline.run or findings.baseline.ref, "candidate": findings.candidate.run}
    )
    return DiffDocument(
        id=identity,
        created=_format_current_time(),
        project=settings.project.name,
        verdict=verdict,
        baseline=findings.baseline,
        candidate=findings.candidate,
        sample=_describe_sample(manifest, read_last_check(project, manifest.fingerprint)),
        environment=_describe_environment(findings),
        outputs=dict(findings.outputs),
        tests=findings.tests,
        artifacts=dict(findings.artifacts),
        not_compared=not_compared,
        rule_changes=changes or [],
        gate=gate,
        warnings=findings.warnings,
        report=str(project.state_folder / "diffs" / identity / REPORT_FILE),
        repeat=_describe_noise_run(findings.noise_run),
        separability=findings.separability,
        dbt=findings.dbt,
        same_code=_is_same_code(findings),
        expected_columns=dict(findings.expected_columns),
    )


def build_table_document(
    baseline: str,
    candidate: str,
    outputs: Mapping[str, OutputDiff],
    gate: GateSection,
    *,
    report: Path | None = None,
) -> DiffDocument:
    """Build the document of two plain tables; ``report`` is the future path of its report."""
    not_compared = _list_idle_tolerances(outputs)
    verdict, results = compare.evaluate_gate(GateEvidence(outputs=outputs, not_compared=not_compared), gate, {})
    return DiffDocument(
        id=_create_id({"baseline": baseline, "candidate": candidate}),
        created=_format_current_time(),
        project=None,
        verdict=verdict,
        baseline=describe_plain_side(baseline),
        candidate=describe_plain_side(candidate),
        sample=None,
        environment=None,
        outputs=dict(outputs),
        tests=[],
        not_compared=not_compared,
        gate=results,
        warnings=[],
        report=str(report.absolute()) if report else None,
    )


def _is_same_code(findings: DiffFindings) -> bool:
    before, after = findings.baseline_run, findings.candidate_run
    return before is not None and before.record.identity == after.record.identity


def _list_idle_tolerances(outputs: Mapping[str, OutputDiff]) -> list[NotCompared]:
    """Return the columns that were not compared as their declared tolerance says."""
    return [
        NotCompared(name=f"{name}.{column}", reason=reason, output=name)
        for name, output in outputs.items()
        for column, reason in output.idle_tolerances.items()
    ]


def describe_run_side(run: Run, *, stack: str | None = None) -> DiffSide:
    """Describe a side with a run."""
    record = run.record
    files = {
        (file.path, file.bytes) for output in record.outputs.values() for file in output.files
    }  # the tables of one database share one file
    return DiffSide(
        run=record.id,
        ref=run.version.ref,
        commit=run.version.commit,
        tree=run.version.tree,
        cached=run.cached,
        seconds=record.wall_seconds,
        cpu_seconds=record.cpu_seconds,
        peak_memory_bytes=record.peak_memory_bytes,
        bytes_read=record.bytes_read,
        bytes_written=record.bytes_written,
        output_bytes=sum(size for _, size in files) + sum(file.bytes for file in record.artifacts.values()),
        stack=stack,
    )


def describe_plain_side(ref: str) -> DiffSide:
    """Describe a side without a run."""
    return DiffSide(
        run=None,
        ref=ref,
        commit=None,
        tree=None,
        cached=False,
        seconds=None,
        cpu_seconds=None,
        peak_memory_bytes=None,
    )


def _describe_sample(manifest: SampleManifest, check: DriftCheck | None) -> SampleReference:
    strata = {unit: draw.strata for unit, draw in manifest.units.items()}
    return SampleReference(
        fingerprint=manifest.fingerprint,
        drawn=manifest.drawn,
        units={unit: sum(stratum.sampled for stratum in some) for unit, some in strata.items()},
        population={unit: sum(stratum.population for stratum in some) for unit, some in strata.items()},
        checked=check.checked if check is not None else None,
        drift=check.verdict if check is not None else None,
    )


def _describe_environment(findings: DiffFindings) -> EnvironmentReference:
    runs = [run for run in (findings.baseline_run, findings.candidate_run) if run is not None]
    isolation = [run.record.isolation for run in runs]
    environment = runs[0].record.environment
    return EnvironmentReference(
        id=environment.id,
        runtime=environment.runtime,
        base=environment.base,
        candidate_id=findings.candidate_run.record.environment.id,
        isolated=all(record is not None and record.is_complete for record in isolation),
    )


def _describe_noise_run(run: Run | None) -> NoiseRun | None:
    if run is None or run.record.variation is None:
        return None
    record = run.record
    return NoiseRun(run=record.id, cached=run.cached, seconds=record.wall_seconds, variation=run.record.variation)


def _create_id(parts: dict[str, Any]) -> str:
    return f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S}-{hash_json(parts)[:8]}-{os.urandom(2).hex()}"


def _format_current_time() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
