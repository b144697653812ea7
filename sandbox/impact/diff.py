"""Run production's code and the changed code on the sample, and judge the differences."""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.config.stack_file import has_requirements, replace_stack
from sandbox.impact.document import DiffFindings, build_document
from sandbox.impact.production.comparison import compare_with_production
from sandbox.impact.row_files import check_rows_folder, write_rows_of_runs
from sandbox.impact.rule_judgement import RuleJudgement, judge_version_rules
from sandbox.impact.side_comparison import run_and_compare_sides
from sandbox.impact.sides import RunnableSide, SideContext, check_production_of_sides, open_side
from sandbox.model import SilentProgress
from sandbox.project.committed_settings import build_version_project
from sandbox.project.create import create
from sandbox.project.pipeline_run import resolve_command
from sandbox.project.registry import make_state_folder
from sandbox.project.sample import ensure_sample
from sandbox.project.stack import open_stack
from sandbox.runner.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.impact.options import DiffOptions, DiffVersions
    from sandbox.manifest.diff import DiffDocument
    from sandbox.model import Progress


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two versions, ready to run again, and the comparison of their runs on the whole sample."""

    baseline: RunnableSide
    candidate: RunnableSide
    findings: DiffFindings
    document: DiffDocument


def compare_versions(
    project: Project, versions: DiffVersions, options: DiffOptions, *, progress: Progress
) -> DiffDocument:
    """Compare two versions as `diff` does, without writing a report."""
    if options.rows is not None:
        check_rows_folder(options.rows.folder)  # before any work is done
    if versions.outputs is None:
        with open_comparison(project, versions, options, progress=progress) as comparison:
            if options.rows is not None:
                ground = comparison.candidate.context
                write_rows_of_runs(ground, comparison.findings, options.rows, progress=progress)
            return comparison.document
    if options.certify:
        versions = dataclasses.replace(versions, candidate=versions.candidate or project.settings.pipeline.production)
    rules = judge_version_rules(project, versions, accept_rules=options.accept_rules)
    candidate_project = build_version_project(project, versions.candidate)
    resolve_command(candidate_project)
    ground = _prepare_context(project, options, progress)
    assert versions.outputs is not None
    findings = compare_with_production(
        _replace_project(ground, candidate_project),
        versions.outputs,
        candidate_ref=versions.candidate,
        certify=options.certify,
        fresh=options.fresh,
        rows=options.rows,
        progress=progress,
    )
    return _build_document(project, ground, findings, rules)


@contextlib.contextmanager
def open_comparison(
    project: Project, versions: DiffVersions, options: DiffOptions, *, progress: Progress
) -> Iterator[Comparison]:
    """Run and compare two versions, and keep them ready to run until the block ends.

    Raises:
        SandboxError: A version could not be judged.
    """
    ref = _choose_baseline_ref(project, versions)
    if ref is not None:
        Repository(project.root).resolve_commit(ref)  # a missing ref must fail before any work is done
    rules = judge_version_rules(project, versions, accept_rules=options.accept_rules)
    candidate_project = build_version_project(project, versions.candidate)
    resolve_command(candidate_project)
    ground = _prepare_context(project, options, progress)
    after = _replace_project(ground, candidate_project)
    before = after if versions.stack else _replace_project(ground, build_version_project(project, ref))
    other = _replace_stack(after, versions.stack, options) if versions.stack else after
    with (
        open_side("baseline", before, ref, progress=progress) as baseline,
        open_side("candidate", other, versions.candidate, progress=progress) as candidate,
    ):
        if versions.baseline is None:
            check_production_of_sides(project, baseline, candidate)
        findings = run_and_compare_sides(
            baseline,
            candidate,
            stack=versions.stack,
            groups=options.groups,
            fresh=options.fresh,
            progress=progress,
        )
        document = _build_document(project, ground, findings, rules)
        yield Comparison(baseline=baseline, candidate=candidate, findings=findings, document=document)


def _build_document(
    project: Project, ground: SideContext, findings: DiffFindings, rules: RuleJudgement
) -> DiffDocument:
    warnings = [*([ground.stack.warning] if ground.stack.warning else []), *rules.warnings]
    findings = dataclasses.replace(findings, warnings=[*warnings, *findings.warnings])
    return build_document(project, ground.sample.manifest, findings, rules)


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
