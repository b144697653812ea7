"""Prepare the search for a witness from a comparison on the whole sample."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from sandbox.compare import OutputRules
from sandbox.compare.rows.row_files import RowFileOptions
from sandbox.engine.duckdb.session import Session
from sandbox.errors import StoreError, UsageError
from sandbox.impact.compare_outputs import build_comparison_options
from sandbox.impact.noise.detection import OutputNoise, add_noise_to_rules
from sandbox.impact.row_files import write_rows_of_runs
from sandbox.impact.witness.differing_units import find_unit_columns, list_differing_units
from sandbox.impact.witness.trials import TrialRunner
from sandbox.model import SilentProgress
from sandbox.runner.output_records import list_output_tables
from sandbox.sampler.sub_sample import SubSampleWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sandbox.impact.diff import Comparison
    from sandbox.impact.witness.trials import Budget
    from sandbox.manifest.diff import DiffDocument
    from sandbox.sampler.sub_sample import UnitKey


def choose_output(document: DiffDocument, name: str | None) -> str:
    """Return the requested output; by default the one with the largest share of differing rows.

    Raises:
        UsageError: It has no differing rows, or does not exist.
    """
    differing = {
        output: comparison.rows.differing_share
        for output, comparison in document.outputs.items()
        if comparison.rows.different > comparison.rows.noise + comparison.rows.rounding
    }
    if name is None and differing:
        return max(differing, key=lambda output: (differing[output], output))
    if name in differing:
        return str(name)
    if name is None or name in document.outputs:
        what = "no output" if name is None else name
        raise UsageError(f"no row of {what} differs" if name else "no row of any output differs", hint="sandbox diff")
    raise UsageError(
        f"there is no output {name!r}", hint=f"outputs with differing rows: {', '.join(sorted(differing)) or 'none'}"
    )


def list_output_columns(comparison: Comparison, name: str) -> list[str]:
    """Return the columns of an output on the baseline's side, or of the one that has it."""
    for run in (comparison.findings.baseline_run, comparison.findings.candidate_run):
        if run is not None and name in run.record.outputs:
            return list(run.record.outputs[name].columns)
    return []


def find_differing_units(comparison: Comparison, name: str, runner: TrialRunner, folder: Path) -> list[UnitKey] | None:
    """Return the units with differing rows on the whole sample; None if the output has no key of a unit."""
    columns = find_unit_columns(runner.rules, runner.units, list_output_columns(comparison, name))
    if columns is None:
        return None
    findings = comparison.findings
    rows = folder / "rows"
    write_rows_of_runs(comparison.candidate.context, findings, RowFileOptions(folder=rows), progress=SilentProgress())
    assert findings.baseline_run is not None
    run = findings.baseline_run
    baseline = list_output_tables(run.output_folder, run.record.outputs).get(name)
    return list_differing_units(baseline, findings.outputs[name], rows.joinpath(*name.split("/")), columns[1])


@contextlib.contextmanager
def open_trial_runner(
    comparison: Comparison, name: str, *, folder: Path, budget: Budget, advance: Callable[[float], None]
) -> Iterator[TrialRunner]:
    """Yield what tries parts of the sample, until the block ends.

    Args:
        comparison: The comparison on the whole sample.
        name: The output.
        folder: An empty folder for samples and runs.
        budget: The allowed runs and time.
        advance: Called after each trial with the number of its runs.
    """
    ground = comparison.candidate.context
    settings, drawn = ground.project.settings, ground.sample
    terms = build_comparison_options(ground.project, drawn.manifest)
    output = comparison.findings.outputs[name]
    noise = OutputNoise(columns=frozenset(output.tainted), rounding=output.noise_tolerances)
    with Session(memory=settings.sample.memory, failure=StoreError) as session:
        yield TrialRunner(
            sides=(comparison.baseline, comparison.candidate),
            writer=SubSampleWriter(session, drawn.sample, drawn.manifest, settings),
            name=name,
            rules=add_noise_to_rules(terms.rules.get(name, OutputRules()), noise),
            whole=output,
            units=dict(terms.units),
            folder=folder,
            budget=budget,
            advance=advance,
        )
