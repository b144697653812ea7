"""Noise: what differs between two runs of the baseline, and so says nothing about a change of code.

Where two sides differ, the baseline is run once more with another thread count and the sample's files in another
order. A column that differs between its two runs is tainted: nothing is judged in it.

Two kinds of noise are no reason to stop judging. Sums of floating-point numbers depend on the order of the addends:
where all that differs is a column's last digits, it gets a tolerance instead. And rows that only one of the two runs has
must not excuse every lost one: only as many differing rows count as noise as the second run explains, row by row.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from sandbox.compare import Rules
from sandbox.errors import PipelineError, PipelineMemoryError, PipelineTimeoutError
from sandbox.formatting import many
from sandbox.impact.compare_outputs import compared, differing_files
from sandbox.impact.noise_detection import QUIET, Look, Noise, aware
from sandbox.model import Silent
from sandbox.runner.failures import in_short
from sandbox.runner.output_records import as_tables
from sandbox.runner.variation import another

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sandbox.impact.compare_outputs import Terms
    from sandbox.impact.document import Findings
    from sandbox.impact.sides import Side
    from sandbox.manifest.diff import OutputDiff
    from sandbox.model import Progress
    from sandbox.runner.run import Run


def repeated(
    baseline: Side, runs: tuple[Run, Run], *, fresh: bool, progress: Progress
) -> tuple[Run | None, str | None]:
    """Run the baseline once more, or reuse such a run if it is younger than both sides'.

    An older one could not show what the clock does: all three have to span the time between the sides.

    Returns:
        The run; None, and a sentence that says why, where the baseline does not stand the variation.
    """
    variation = another(baseline.request.limits)
    try:
        found = baseline.run(fresh=fresh, progress=progress, variation=variation)
        if found.cached and found.record.started < max(run.record.started for run in runs):
            found = baseline.run(fresh=True, progress=progress, variation=variation)
    except (PipelineError, PipelineTimeoutError, PipelineMemoryError) as error:
        return None, (
            "noise could not be told from change, so every difference counts: with "
            f"{many(variation.threads, 'thread')} and the sample's files in another order {in_short(error)}"
        )
    return found, None


def told_apart(baseline: Side, found: Findings, terms: Terms, *, fresh: bool, progress: Progress) -> Findings:
    """Tell noise from change in what was found, if anything differs; what is tainted is compared once more, as such.

    Args:
        baseline: Still ready to be run.
        found: What the comparison of its run with the candidate's gave.
        terms: By what they were compared.
        fresh: Run it again although it ran before.
        progress: Shows the steps.
    """
    first, second = found.baseline_run, found.candidate_run
    doubtful = {
        name for name, one in found.outputs.items() if one.status == "compared" and one.rows.different
    }
    if first is None or not doubtful:
        return found
    again, problem = repeated(baseline, (first, second), fresh=fresh, progress=progress)
    if again is None:
        return dataclasses.replace(found, warnings=[*found.warnings, str(problem)])
    with progress.step("telling noise from change"):
        noises = explained(found.outputs, doubtful, (first, again, second), terms)
        tainted = {
            name: aware(terms.rules.get(name, Rules()), noise)
            for name, noise in noises.items()
            if noise.columns or noise.rounding
        }
        sides = [as_tables(run.output, run.record.outputs) for run in (first, second)]
        judged = compared(
            {name: sides[0][name] for name in tainted},
            {name: sides[1][name] for name in tainted},
            dataclasses.replace(terms, rules=tainted),
            progress=Silent(),
        )
    outputs = {**found.outputs, **judged}
    for name, noise in noises.items():
        outputs[name] = _with_rest(outputs[name], noise)
    return dataclasses.replace(
        found,
        outputs=outputs,
        repeat=again,
        warnings=[*found.warnings, *again.damaged, *_warnings(noises, first.version.ref)],
    )


def _with_rest(output: OutputDiff, noise: Noise) -> OutputDiff:
    """Add to what was found what the comparison itself does not know."""
    rows = output.rows
    least = min(rows.noise + noise.explained, rows.different)
    return output.model_copy(
        update={
            "flickering": noise.flickering,
            "rounding": dict(noise.rounding),
            "rows": rows.model_copy(update={"noise": least}),
        }
    )


def _warnings(noises: Mapping[str, Noise], ref: str) -> list[str]:
    said = []
    for name, noise in noises.items():
        if noise.columns:
            said.append(
                f"{name}: two runs of {ref} itself give different values in {', '.join(sorted(noise.columns))}; "
                "nothing is judged there"
            )
        if noise.rounding:
            most = max(noise.rounding.values())
            said.append(
                f"{name}: two runs of {ref} itself give different last digits in {', '.join(sorted(noise.rounding))}; "
                f"changes of up to {most:g} of a value do not count there"
            )
        if noise.flickering:
            said.append(
                f"{name}: {noise.flickering:,} rows come and go between two runs of {ref} itself; only differences "
                "that such rows explain, one by one, count as noise"
            )
    return said


def explained(
    outputs: Mapping[str, OutputDiff],
    doubtful: Collection[str],
    runs: tuple[Run, Run, Run],
    terms: Terms,
) -> dict[str, Noise]:
    """Give what is noise in the outputs that differ.

    Args:
        outputs: What was found, output by output.
        doubtful: Those that are to be looked at.
        runs: The baseline's, its repetition, the candidate's.
        terms: By what they were compared.
    """
    first, again, candidate = (as_tables(run.output, run.record.outputs) for run in runs)
    given = {}
    for name in sorted(differing_files(runs[0], runs[1]).intersection(doubtful)):
        repeated_columns = runs[1].record.outputs[name].columns
        look = Look(
            name=name,
            tables=(first[name], again[name], candidate[name]),
            columns={
                column: kind
                for column, kind in runs[0].record.outputs[name].columns.items()
                if column in repeated_columns
            },
            rules=terms.rules.get(name, Rules()),
            found=outputs[name],
            units=terms.units,
        )
        given[name] = look.noise()
    return {name: noise for name, noise in given.items() if noise != QUIET}
