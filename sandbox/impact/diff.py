"""Run production's code and the changed code on the sample, and judge what differs."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.config.stack_file import names_requirements, with_stack
from sandbox.dbt import runs, tests
from sandbox.impact import noise, production_baseline, separability
from sandbox.impact.compare_outputs import compared, differing_files, require_made, terms_of, tested
from sandbox.impact.comparison_cache import compared_runs
from sandbox.impact.document import Findings, document, plain_side, run_side
from sandbox.impact.sides import Ground, named, side, unrelated
from sandbox.model import Silent
from sandbox.project.create import create
from sandbox.project.pipeline_run import repository, require_command
from sandbox.project.registry import prepare_state
from sandbox.project.sample import sample
from sandbox.project.stack import open_stack
from sandbox.runner.output_records import as_tables
from sandbox.store.folder import staging

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.impact.sides import Side
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
        candidate, request=runs.deferring(ground.project, candidate.request, first)
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
            *tests.data_tests(first, second),
        ],
        dbt=tests.build(second),
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
        tables = production_baseline.opened(place, paths=paths)
    with side("candidate", ground, versions.candidate, progress=progress) as candidate:
        run = candidate.run(fresh=options.fresh, progress=progress)
    require_made(project, {*tables, *run.record.outputs})
    with staging(project.state, label="production") as folder:
        with named("baseline"):
            made = production_baseline.cut(
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
            dataclasses.replace(terms, rules=production_baseline.lenient(terms.rules, made.tables)),
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
        warnings=[*made.warnings, production_baseline.LENIENT],
    )
