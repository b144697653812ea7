"""Run both sides of a diff on the sample, and compare their outputs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from sandbox.dbt import failures, lineage, runs, tests, unit_references
from sandbox.impact.artifacts import SideContents, compare_artifacts, list_not_compared
from sandbox.impact.compare_outputs import (
    build_comparison_options,
    check_csv_settings,
    check_declared_outputs,
    has_differences,
    run_data_tests,
)
from sandbox.impact.comparison_cache import compare_runs
from sandbox.impact.dbt_changes import list_unjudged_changes
from sandbox.impact.document import DiffFindings, describe_run_side
from sandbox.impact.expected_columns.prediction_cache import load_or_predict_columns
from sandbox.impact.noise.findings import account_for_noise
from sandbox.impact.random_groups.estimates import estimate_by_groups
from sandbox.impact.separability.withdrawal import withdraw_estimates
from sandbox.impact.sides import find_version_warnings
from sandbox.runner.output_records import list_output_tables

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.impact.sides import RunnableSide
    from sandbox.model import Progress


def run_and_compare_sides(
    baseline: RunnableSide,
    candidate: RunnableSide,
    *,
    stack: Path | None,
    groups: bool | None,
    fresh: bool,
    progress: Progress,
) -> DiffFindings:
    """Run both sides, compare their outputs, and account for noise and separability.

    Args:
        baseline: The baseline, ready to run.
        candidate: The candidate, ready to run.
        stack: The file with the candidate's stack, if only the stacks differ.
        groups: Whether to run random groups of units (see `estimate_by_groups`).
        fresh: Whether to ignore earlier runs.
        progress: Shows the steps.
    """
    ground = baseline.context
    first = baseline.run(fresh=fresh, progress=progress)
    if runs.is_dbt_project(ground.project):
        request = runs.defer_to_baseline(candidate.context.project, candidate.request, first)
        candidate = dataclasses.replace(candidate, request=request)
    second = candidate.run(fresh=fresh, progress=progress)
    if second.cached and second.record.started < first.record.started and has_differences(first, second):
        # Effects of the clock show in the noise run only if it spans the time between the sides.
        second = candidate.run(fresh=True, progress=progress)
    described = describe_run_side(first), describe_run_side(second, stack=str(stack) if stack else None)
    failed, advice = [], []
    if runs.is_dbt_project(ground.project):
        failed, advice = failures.list_failed_nodes(first, second), failures.list_failure_advice(first, second)
        names = {entry.output for entry in failed if entry.output is not None}
        first, second = failures.drop_outputs(first, names), failures.drop_outputs(second, names)
    sides = [list_output_tables(run.output_folder, run.record.outputs) for run in (first, second)]
    check_declared_outputs(ground.project, {*sides[0], *sides[1], *(entry.name for entry in failed)})
    check_csv_settings(ground.project, *sides)
    terms = build_comparison_options(ground.project, ground.sample.manifest, estimating=ground.sample.sample)
    if runs.is_dbt_project(ground.project):
        terms = dataclasses.replace(terms, rules=unit_references.add_references(first, terms.rules, terms.draws or {}))
    outputs = compare_runs(ground, (first, second), terms, fresh=fresh, progress=progress)
    contents = SideContents.from_run(first), SideContents.from_run(second)
    findings = DiffFindings(
        baseline=described[0],
        candidate=described[1],
        baseline_run=first,
        candidate_run=second,
        outputs=outputs,
        tests=[
            *run_data_tests(ground.project, sides[0], sides[1], ground.sample.sample, progress=progress),
            *tests.compare_data_tests(first, second),
        ],
        artifacts=compare_artifacts(*contents),
        not_compared=[
            *failed,
            *list_not_compared(*contents),
            *list_unjudged_changes(baseline, candidate, (first, second), outputs),
        ],
        dbt=tests.read_build(second),
        warnings=[
            *first.damage_messages,
            *second.damage_messages,
            *advice,
            *(find_version_warnings(ground.project, baseline, candidate) if stack is None else []),
        ],
    )
    findings = account_for_noise(baseline, findings, terms, fresh=fresh, progress=progress)
    build = lineage.add_lineage(findings.dbt, first, second, findings.outputs)
    expected = {} if stack is not None else load_or_predict_columns(baseline, candidate, findings, fresh=fresh)
    findings = dataclasses.replace(findings, dbt=build, expected_columns=expected)
    findings = withdraw_estimates(baseline, candidate, findings, terms, fresh=fresh, progress=progress)
    return estimate_by_groups(baseline, candidate, findings, terms, groups=groups, fresh=fresh, progress=progress)
