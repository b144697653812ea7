"""``sandbox diff``: run production's code and the changed code on the sample, compare the outputs, write the report."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox import compare
from sandbox.commands import dbt, dbt_findings, noise, production, separability
from sandbox.commands.comparing import (
    Terms,
    compared,
    differing_files,
    require_made,
    terms_of,
    tested,
)
from sandbox.commands.create import create
from sandbox.commands.documents import (
    DiffResult,
    Findings,
    document,
    of_tables,
    plain_side,
    run_side,
    written,
)
from sandbox.commands.projects import prepare_state
from sandbox.commands.remembered import compared_runs
from sandbox.commands.run import repository, require_command
from sandbox.commands.sample import sample
from sandbox.commands.sides import Ground, named, side, unrelated
from sandbox.commands.stack import open_stack
from sandbox.config.rules_file import rules_in
from sandbox.config.settings import OutputSection
from sandbox.config.stack_file import names_requirements, with_stack
from sandbox.errors import UsageError
from sandbox.model import Silent
from sandbox.report.discreet import without_values
from sandbox.report.html import html
from sandbox.runner.recorded import as_tables
from sandbox.store.folder import staging, write

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.commands.sides import Side
    from sandbox.config import Project
    from sandbox.manifest.diff import DiffDocument
    from sandbox.model import Progress


@dataclass(frozen=True, kw_only=True)
class Versions:
    """What is compared.

    Attributes:
        baseline: A git ref; None is what production runs.
        candidate: A git ref; None is the working tree.
        outputs: Where outputs lie that production really made; they stand for a run of the baseline.
        stack: A file with a stack for the candidate; both sides are then the candidate's code.
    """

    baseline: str | None = None
    candidate: str | None = None
    outputs: Path | None = None
    stack: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Options:
    """How it is done.

    Attributes:
        name: Which of the project's sandboxes.
        fresh: Run everything again although it ran before.
        frozen: Refuse to change the lock or the sample.
        values: Whether what is written and shown may hold values of rows.
        lasting: Whether the sandbox is made ready and ``sandbox.lock`` follows the working tree, as `create` does.
    """

    name: str = "default"
    fresh: bool = False
    frozen: bool = False
    values: bool = True
    lasting: bool = True


@dataclass(frozen=True, kw_only=True)
class TableTerms:
    """How two tables are compared.

    Attributes:
        key: The columns that name a row; empty where the rules say it, or it is to be found.
        rules: A file with an ``[output]`` table; None declares nothing.
        report: Where the report is to be written; None writes none.
    """

    key: tuple[str, ...] = ()
    rules: Path | None = None
    report: Path | None = None


def diff(project: Project, versions: Versions, options: Options, *, progress: Progress) -> DiffResult:
    """Compare two versions on the project's sample, and write the report; whatever is not ready yet is made ready.

    Raises:
        SandboxError: Either version could not be judged; never a verdict then.
    """
    return written(project, judged(project, versions, options, progress=progress), values=options.values)


def judged(project: Project, versions: Versions, options: Options, *, progress: Progress) -> DiffDocument:
    """Compare two versions as `diff` does; writes no report."""
    require_command(project)
    ref = _baseline_ref(project, versions)
    if versions.outputs is None and ref is not None:
        repository(project).commit(ref)  # a ref that is not there must fail before any work is done
    ground = _ground(project, options, progress)
    if versions.outputs is not None:
        found = _with_production(ground, versions, versions.outputs, options, progress)
    else:
        other = _on_other_stack(ground, versions.stack, options) if versions.stack else ground
        with (
            side("baseline", ground, ref, progress=progress) as baseline,
            side("candidate", other, versions.candidate, progress=progress) as candidate,
        ):
            found = _of_runs(baseline, candidate, versions, options, progress)
    warnings = [ground.stack.warning] if ground.stack.warning else []
    found = dataclasses.replace(found, warnings=[*warnings, *found.warnings])
    return document(project, ground.sample.manifest, found)


def diff_tables(
    baseline: str, candidate: str, terms: TableTerms, *, values: bool = True, progress: Progress
) -> DiffResult:
    """Compare two existing tables, baseline first; nothing may differ but what the rules accept.

    Raises:
        UsageError: Both the command line and the rules name a key.
        SandboxError: A table, or the rules, cannot be read; or the report cannot be written.
    """
    sources = compare.tables(baseline, candidate)
    name = sources[0].name
    section = rules_in(terms.rules) if terms.rules else OutputSection()
    if terms.key and section.key:
        raise UsageError(f"--key and the key in {terms.rules} exclude each other", hint="keep one of them")
    rules = compare.rules(section)
    if terms.key:
        rules = dataclasses.replace(rules, key=terms.key)
    outputs = compared(
        {name: sources[0]},
        {name: sources[1]},
        Terms(rules={name: rules}),
        progress=progress,
        origin="tables",
    )
    found = of_tables(baseline, candidate, outputs, section.gate, report=terms.report)
    found = found if values else without_values(found)
    if terms.report:
        write(terms.report, html(found))
    return DiffResult(document=found, folder=None)


def _baseline_ref(project: Project, versions: Versions) -> str | None:
    if versions.stack is not None:
        return versions.candidate
    return versions.baseline or project.settings.pipeline.production


def _ground(project: Project, options: Options, progress: Progress) -> Ground:
    """Make ready what both sides stand on: the sample and the stack."""
    if options.lasting:
        ready = create(project, name=options.name, frozen=options.frozen, progress=progress)
        stack, drawn = ready.stack, ready.sample
    else:
        prepare_state(project.state)
        stack = open_stack(project, frozen=options.frozen, progress=progress)
        drawn = sample(project, progress=progress)
    return Ground(
        project=project,
        stack=stack,
        sample=drawn,
        name=options.name,
        lasting=options.lasting,
        values=options.values,
    )


def _on_other_stack(ground: Ground, file: Path, options: Options) -> Ground:
    project = with_stack(ground.project, file)
    return Ground(
        project=project,
        stack=open_stack(project, frozen=options.frozen, progress=Silent()),
        sample=ground.sample,
        name=options.name,
        lasting=False,
        values=options.values,
        requirements=file.absolute().parent if names_requirements(file) else None,
    )


def _of_runs(
    baseline: Side, candidate: Side, versions: Versions, options: Options, progress: Progress
) -> Findings:
    """Run both sides, compare what they made, and tell noise from change."""
    ground = baseline.ground
    first = baseline.run(fresh=options.fresh, progress=progress)
    candidate = dataclasses.replace(
        candidate, request=dbt.deferring(ground.project, candidate.request, first)
    )
    second = candidate.run(fresh=options.fresh, progress=progress)
    if second.cached and second.record.started < first.record.started and differing_files(first, second):
        # What the clock does shows in the repetition only if it spans the time between the sides.
        second = candidate.run(fresh=True, progress=progress)
    sides = [as_tables(run.output, run.record.outputs) for run in (first, second)]
    require_made(ground.project, {*sides[0], *sides[1]})
    terms = terms_of(ground.project, ground.sample.manifest, estimating=ground.sample.sample)
    outputs = compared_runs(ground, (first, second), terms, fresh=options.fresh, progress=progress)
    found = Findings(
        baseline=run_side(first),
        candidate=run_side(second, stack=str(versions.stack) if versions.stack else None),
        baseline_run=first,
        candidate_run=second,
        outputs=outputs,
        tests=[
            *tested(ground.project, sides[0], sides[1], ground.sample.sample, progress=progress),
            *dbt_findings.data_tests(first, second),
        ],
        dbt=dbt_findings.build(second),
        warnings=[
            *first.damaged,
            *second.damaged,
            *(unrelated(ground.project, baseline, candidate) if versions.stack is None else []),
        ],
    )
    found = noise.told_apart(baseline, found, terms, fresh=options.fresh, progress=progress)
    return separability.checked(baseline, candidate, found, terms, fresh=options.fresh, progress=progress)


def _with_production(
    ground: Ground, versions: Versions, place: Path, options: Options, progress: Progress
) -> Findings:
    """Run the candidate, and compare what it made with what production really made."""
    project, sample_ = ground.project, ground.sample
    terms = terms_of(project, sample_.manifest)
    paths = {name: output.path for name, output in project.settings.outputs.items() if output.path}
    with named("baseline"):
        tables = production.opened(place, paths=paths)
    with side("candidate", ground, versions.candidate, progress=progress) as candidate:
        run = candidate.run(fresh=options.fresh, progress=progress)
    require_made(project, {*tables, *run.record.outputs})
    with staging(project.state, label="production") as folder:
        with named("baseline"):
            made = production.cut(
                tables,
                sample=sample_.sample,
                manifest=sample_.manifest,
                rules=terms.rules,
                folder=folder,
                progress=progress,
            )
        ours = as_tables(run.output, run.record.outputs)
        outputs = compared(
            made.tables,
            {name: table for name, table in ours.items() if name not in made.left_out},
            dataclasses.replace(terms, rules=production.lenient(terms.rules, made.tables)),
            progress=progress,
        )
        tests = tested(project, made.tables, ours, sample_.sample, progress=progress)
    return Findings(
        baseline=plain_side(str(place.absolute())).model_copy(update={"made": made.described}),
        candidate=run_side(run),
        baseline_run=None,
        candidate_run=run,
        outputs=outputs,
        tests=tests,
        warnings=[*made.warnings, production.LENIENT],
    )
