"""Run production's code and the changed code on the sample, and judge the differences."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.config.stack_file import has_requirements, replace_stack
from sandbox.dbt import runs, tests
from sandbox.errors import ConfigError
from sandbox.impact import noise, production_baseline, separability
from sandbox.impact.artifacts import SideContents, compare_artifacts, list_not_compared
from sandbox.impact.compare_outputs import (
    build_comparison_options,
    check_declared_outputs,
    compare_tables,
    has_differences,
    run_data_tests,
)
from sandbox.impact.comparison_cache import compare_runs
from sandbox.impact.document import DiffFindings, build_document, describe_plain_side, describe_run_side
from sandbox.impact.rule_judgement import RuleJudgement, judge_rules
from sandbox.impact.sides import SideContext, add_side_to_errors, find_ancestry_warnings, open_side
from sandbox.model import SilentProgress
from sandbox.project.committed_settings import build_version_project
from sandbox.project.create import create
from sandbox.project.pipeline_run import resolve_command
from sandbox.project.registry import make_state_folder
from sandbox.project.sample import ensure_sample
from sandbox.project.stack import open_stack
from sandbox.runner.output_records import list_output_tables
from sandbox.runner.repository import Repository
from sandbox.store.folder import make_staging_folder

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.impact.sides import RunnableSide
    from sandbox.manifest.diff import DiffDocument
    from sandbox.model import Progress


@dataclass(frozen=True, kw_only=True)
class DiffVersions:
    """The compared versions.

    Attributes:
        baseline: A git ref; None is production's version.
        candidate: A git ref; None is the working tree.
        outputs: The path of production's real outputs, used instead of a run of the baseline.
        stack: A file with a stack for the candidate; both sides then have the candidate's code.
    """

    baseline: str | None = None
    candidate: str | None = None
    outputs: Path | None = None
    stack: Path | None = None


@dataclass(frozen=True, kw_only=True)
class DiffOptions:
    """The options of a diff.

    Attributes:
        name: The name of the sandbox in the project.
        fresh: Whether to ignore earlier runs.
        frozen: Whether to refuse changes of the lock or the sample.
        values: Whether reports and messages may contain values of rows.
        persistent: Whether to prepare the sandbox and update ``sandbox.lock`` from the working tree, as `create` does.
        accept_rules: Whether to accept rules looser than in the baseline commit's file.
    """

    name: str = "default"
    fresh: bool = False
    frozen: bool = False
    values: bool = True
    persistent: bool = True
    accept_rules: bool = False


def compare_versions(
    project: Project, versions: DiffVersions, options: DiffOptions, *, progress: Progress
) -> DiffDocument:
    """Compare two versions as `diff` does, without writing a report."""
    ref = _choose_baseline_ref(project, versions)
    if versions.outputs is None and ref is not None:
        Repository(project.root).resolve_commit(ref)  # a missing ref must fail before any work is done
    rules = _judge_rules(project, versions, options)
    candidate_project = build_version_project(project, versions.candidate)
    resolve_command(candidate_project)
    ground = _prepare_context(project, options, progress)
    after = _replace_project(ground, candidate_project)
    if versions.outputs is not None:
        findings = _compare_with_production(after, versions, versions.outputs, options, progress)
    else:
        before = after if versions.stack else _replace_project(ground, build_version_project(project, ref))
        other = _replace_stack(after, versions.stack, options) if versions.stack else after
        with (
            open_side("baseline", before, ref, progress=progress) as baseline,
            open_side("candidate", other, versions.candidate, progress=progress) as candidate,
        ):
            findings = _run_and_compare_sides(baseline, candidate, versions, options, progress)
    warnings = [*([ground.stack.warning] if ground.stack.warning else []), *rules.warnings]
    findings = dataclasses.replace(findings, warnings=[*warnings, *findings.warnings])
    return build_document(project, ground.sample.manifest, findings, rules)


def _judge_rules(project: Project, versions: DiffVersions, options: DiffOptions) -> RuleJudgement:
    """Compare the rules with production's; two stacks are judged by one file."""
    if versions.stack is not None:
        return RuleJudgement()
    ref = versions.baseline or project.settings.pipeline.production
    if versions.outputs is not None and not _has_version(project, ref):
        return RuleJudgement(warnings=[f"there is no git ref {ref!r}, so the rules are compared with nothing"])
    return judge_rules(project, ref, accept_rules=options.accept_rules)


def _has_version(project: Project, ref: str) -> bool:
    try:
        Repository(project.root).resolve_commit(ref)
    except ConfigError:
        return False
    return True


def _replace_project(ground: SideContext, project: Project) -> SideContext:
    """Return a side's context with the code keys of its own version."""
    return dataclasses.replace(ground, project=project, stack=dataclasses.replace(ground.stack, project=project))


def _choose_baseline_ref(project: Project, versions: DiffVersions) -> str | None:
    if versions.stack is not None:
        return versions.candidate
    return versions.baseline or project.settings.pipeline.production


def _prepare_context(project: Project, options: DiffOptions, progress: Progress) -> SideContext:
    """Prepare the common context of both sides: the sample and the stack."""
    if options.persistent:
        ready = create(project, name=options.name, frozen=options.frozen, progress=progress)
        stack, drawn = ready.stack, ready.sample
    else:
        make_state_folder(project.state_folder)
        stack = open_stack(project, frozen=options.frozen, progress=progress)
        drawn = ensure_sample(project, progress=progress)
    return SideContext(
        project=project,
        stack=stack,
        sample=drawn,
        name=options.name,
        persistent=options.persistent,
        values=options.values,
    )


def _replace_stack(ground: SideContext, file: Path, options: DiffOptions) -> SideContext:
    project = replace_stack(ground.project, file)
    return SideContext(
        project=project,
        stack=open_stack(project, frozen=options.frozen, progress=SilentProgress()),
        sample=ground.sample,
        name=options.name,
        persistent=False,
        values=options.values,
        requirements=file.absolute().parent if has_requirements(file) else None,
    )


def _run_and_compare_sides(
    baseline: RunnableSide,
    candidate: RunnableSide,
    versions: DiffVersions,
    options: DiffOptions,
    progress: Progress,
) -> DiffFindings:
    """Run both sides, compare their outputs, and account for noise."""
    ground = baseline.context
    first = baseline.run(fresh=options.fresh, progress=progress)
    if runs.is_dbt_project(ground.project):
        request = runs.defer_to_baseline(candidate.context.project, candidate.request, first)
        candidate = dataclasses.replace(candidate, request=request)
    second = candidate.run(fresh=options.fresh, progress=progress)
    if second.cached and second.record.started < first.record.started and has_differences(first, second):
        # Effects of the clock show in the noise run only if it spans the time between the sides.
        second = candidate.run(fresh=True, progress=progress)
    sides = [list_output_tables(run.output_folder, run.record.outputs) for run in (first, second)]
    check_declared_outputs(ground.project, {*sides[0], *sides[1]})
    terms = build_comparison_options(ground.project, ground.sample.manifest, estimating=ground.sample.sample)
    outputs = compare_runs(ground, (first, second), terms, fresh=options.fresh, progress=progress)
    contents = SideContents.from_run(first), SideContents.from_run(second)
    findings = DiffFindings(
        baseline=describe_run_side(first),
        candidate=describe_run_side(second, stack=str(versions.stack) if versions.stack else None),
        baseline_run=first,
        candidate_run=second,
        outputs=outputs,
        tests=[
            *run_data_tests(ground.project, sides[0], sides[1], ground.sample.sample, progress=progress),
            *tests.compare_data_tests(first, second),
        ],
        artifacts=compare_artifacts(*contents),
        not_compared=list_not_compared(*contents),
        dbt=tests.read_build(second),
        warnings=[
            *first.damage_messages,
            *second.damage_messages,
            *(find_ancestry_warnings(ground.project, baseline, candidate) if versions.stack is None else []),
        ],
    )
    findings = noise.account_for_noise(baseline, findings, terms, fresh=options.fresh, progress=progress)
    return separability.withdraw_estimates(baseline, candidate, findings, terms, fresh=options.fresh, progress=progress)


def _compare_with_production(
    ground: SideContext, versions: DiffVersions, path: Path, options: DiffOptions, progress: Progress
) -> DiffFindings:
    """Run the candidate, and compare its outputs with production's real outputs."""
    project, sample_ = ground.project, ground.sample
    terms = build_comparison_options(project, sample_.manifest)
    paths = {name: output.path for name, output in project.settings.outputs.items() if output.path}
    with add_side_to_errors("baseline"):
        opened = production_baseline.open_outputs(path, paths=paths)
    tables = {name: table.files for name, table in opened.tables.items()}
    with open_side("candidate", ground, versions.candidate, progress=progress) as candidate:
        run = candidate.run(fresh=options.fresh, progress=progress)
    check_declared_outputs(project, {*tables, *run.record.outputs})
    with make_staging_folder(project.state_folder, label="production") as folder:
        with add_side_to_errors("baseline"):
            production = production_baseline.restrict_outputs(
                tables,
                sample=sample_.sample,
                manifest=sample_.manifest,
                rules=terms.rules,
                folder=folder,
                progress=progress,
            )
        ours = list_output_tables(run.output_folder, run.record.outputs)
        outputs = compare_tables(
            production.tables,
            {name: table for name, table in ours.items() if name not in production.exclusions},
            dataclasses.replace(
                terms, rules=production_baseline.add_rounding_tolerances(terms.rules, production.tables)
            ),
            progress=progress,
        )
        tests = run_data_tests(project, production.tables, ours, sample_.sample, progress=progress)
    contents = (
        production_baseline.describe_contents(opened, path, complete=production_baseline.is_complete(sample_.manifest)),
        SideContents.from_run(run),
    )
    artifacts, left_out = production_baseline.compare_artifacts_of_sample(*contents)
    return DiffFindings(
        baseline=describe_plain_side(str(path.absolute())).model_copy(update={"made": production.descriptions}),
        candidate=describe_run_side(run),
        baseline_run=None,
        candidate_run=run,
        outputs=outputs,
        tests=tests,
        artifacts=artifacts,
        not_compared=[*production_baseline.list_exclusions(production), *left_out],
        warnings=[*production.warnings, production_baseline.ROUNDING_WARNING],
    )
