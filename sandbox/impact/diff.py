"""Run production's code and the changed code on the sample, and judge the differences."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.config.stack_file import has_requirements, replace_stack
from sandbox.errors import ConfigError
from sandbox.impact.document import build_document
from sandbox.impact.production_comparison import compare_with_production
from sandbox.impact.row_files import check_rows_folder, write_rows_of_runs
from sandbox.impact.rule_judgement import RuleJudgement, judge_rules
from sandbox.impact.side_comparison import run_and_compare_sides
from sandbox.impact.sides import SideContext, open_side
from sandbox.model import SilentProgress
from sandbox.project.committed_settings import build_version_project
from sandbox.project.create import create
from sandbox.project.pipeline_run import resolve_command
from sandbox.project.registry import make_state_folder
from sandbox.project.sample import ensure_sample
from sandbox.project.stack import open_stack
from sandbox.runner.repository import Repository

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.compare.rows.row_files import RowFileOptions
    from sandbox.config import Project
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
        rows: Where to write all differing rows; None writes none.
    """

    name: str = "default"
    fresh: bool = False
    frozen: bool = False
    values: bool = True
    persistent: bool = True
    accept_rules: bool = False
    rows: RowFileOptions | None = None


def compare_versions(
    project: Project, versions: DiffVersions, options: DiffOptions, *, progress: Progress
) -> DiffDocument:
    """Compare two versions as `diff` does, without writing a report."""
    ref = _choose_baseline_ref(project, versions)
    if options.rows is not None:
        check_rows_folder(options.rows.folder)  # before any work is done
    if versions.outputs is None and ref is not None:
        Repository(project.root).resolve_commit(ref)  # a missing ref must fail before any work is done
    rules = _judge_rules(project, versions, options)
    candidate_project = build_version_project(project, versions.candidate)
    resolve_command(candidate_project)
    ground = _prepare_context(project, options, progress)
    after = _replace_project(ground, candidate_project)
    if versions.outputs is not None:
        findings = compare_with_production(
            after,
            versions.outputs,
            candidate_ref=versions.candidate,
            fresh=options.fresh,
            rows=options.rows,
            progress=progress,
        )
    else:
        before = after if versions.stack else _replace_project(ground, build_version_project(project, ref))
        other = _replace_stack(after, versions.stack, options) if versions.stack else after
        with (
            open_side("baseline", before, ref, progress=progress) as baseline,
            open_side("candidate", other, versions.candidate, progress=progress) as candidate,
        ):
            findings = run_and_compare_sides(
                baseline, candidate, stack=versions.stack, fresh=options.fresh, progress=progress
            )
        if options.rows is not None:
            write_rows_of_runs(after, findings, options.rows, progress=progress)
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
