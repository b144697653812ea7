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

from sandbox.compare import OutputRules
from sandbox.errors import PipelineError, PipelineMemoryError, PipelineTimeoutError
from sandbox.formatting import format_count
from sandbox.impact.artifacts import find_unsettled_artifacts, mark_nondeterministic_artifacts
from sandbox.impact.compare_outputs import compare_tables, find_differing_outputs
from sandbox.impact.noise_detection import NO_NOISE, NoiseDetector, OutputNoise, add_noise_to_rules
from sandbox.model import SilentProgress
from sandbox.runner.failures import summarize_error
from sandbox.runner.output_records import list_output_tables
from sandbox.runner.variation import choose_variation

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sandbox.impact.compare_outputs import ComparisonOptions
    from sandbox.impact.document import DiffFindings
    from sandbox.impact.sides import RunnableSide
    from sandbox.manifest.diff import OutputDiff
    from sandbox.model import Progress
    from sandbox.runner.run import Run


def run_baseline_again(
    baseline: RunnableSide, runs: tuple[Run, Run], *, fresh: bool, progress: Progress
) -> tuple[Run | None, str | None]:
    """Run the baseline once more, or reuse such a run if it is younger than both sides'.

    An older one could not show what the clock does: all three have to span the time between the sides.

    Returns:
        The run; None, and a sentence that says why, where the baseline does not stand the variation.
    """
    variation = choose_variation(baseline.request.limits)
    try:
        found = baseline.run(fresh=fresh, progress=progress, variation=variation)
        if found.cached and found.record.started < max(run.record.started for run in runs):
            found = baseline.run(fresh=True, progress=progress, variation=variation)
    except (PipelineError, PipelineTimeoutError, PipelineMemoryError) as error:
        return None, (
            "noise could not be told from change, so every difference counts: with "
            f"{format_count(variation.threads, 'thread')} and the sample's files in another order {summarize_error(error)}"
        )
    return found, None


def account_for_noise(
    baseline: RunnableSide, found: DiffFindings, terms: ComparisonOptions, *, fresh: bool, progress: Progress
) -> DiffFindings:
    """Tell noise from change in what was found, if anything differs; what is tainted is compared once more, as such.

    Args:
        baseline: Still ready to be run.
        found: What the comparison of its run with the candidate's gave.
        terms: By what they were compared.
        fresh: Run it again although it ran before.
        progress: Shows the steps.
    """
    first, second = found.baseline_run, found.candidate_run
    doubtful = {name for name, one in found.outputs.items() if one.status == "compared" and one.rows.different}
    if first is None or not (doubtful or find_unsettled_artifacts(found.artifacts)):
        return found
    again, problem = run_baseline_again(baseline, (first, second), fresh=fresh, progress=progress)
    if again is None:
        return dataclasses.replace(found, warnings=[*found.warnings, str(problem)])
    with progress.step("telling noise from change"):
        noises = detect_noise(found.outputs, doubtful, (first, again, second), terms)
        tainted = {
            name: add_noise_to_rules(terms.rules.get(name, OutputRules()), noise)
            for name, noise in noises.items()
            if noise.columns or noise.rounding
        }
        sides = [list_output_tables(run.output_folder, run.record.outputs) for run in (first, second)]
        judged = compare_tables(
            {name: sides[0][name] for name in tainted},
            {name: sides[1][name] for name in tainted},
            dataclasses.replace(terms, rules=tainted),
            progress=SilentProgress(),
        )
    outputs = {**found.outputs, **judged}
    for name, noise in noises.items():
        outputs[name] = _add_noise_counts(outputs[name], noise)
    return dataclasses.replace(
        found,
        outputs=outputs,
        artifacts=mark_nondeterministic_artifacts(found.artifacts, first, again),
        noise_run=again,
        warnings=[*found.warnings, *again.damage_messages, *_describe_noise(noises, first.version.ref)],
    )


def _add_noise_counts(output: OutputDiff, noise: OutputNoise) -> OutputDiff:
    """Add to what was found what the comparison itself does not know."""
    rows = output.rows
    least = min(rows.noise + noise.explained_rows, rows.different)
    return output.model_copy(
        update={
            "flickering": noise.unstable_rows,
            "rounding": dict(noise.rounding),
            "rows": rows.model_copy(update={"noise": least}),
        }
    )


def _describe_noise(noises: Mapping[str, OutputNoise], ref: str) -> list[str]:
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
        if noise.unstable_rows:
            said.append(
                f"{name}: {noise.unstable_rows:,} rows come and go between two runs of {ref} itself; only differences "
                "that such rows explain, one by one, count as noise"
            )
    return said


def detect_noise(
    outputs: Mapping[str, OutputDiff],
    doubtful: Collection[str],
    runs: tuple[Run, Run, Run],
    terms: ComparisonOptions,
) -> dict[str, OutputNoise]:
    """Give what is noise in the outputs that differ.

    Args:
        outputs: What was found, output by output.
        doubtful: Those that are to be looked at.
        runs: The baseline's, its repetition, the candidate's.
        terms: By what they were compared.
    """
    first, again, candidate = (list_output_tables(run.output_folder, run.record.outputs) for run in runs)
    given = {}
    for name in sorted(find_differing_outputs(runs[0], runs[1]).intersection(doubtful)):
        repeated_columns = runs[1].record.outputs[name].columns
        look = NoiseDetector(
            name=name,
            tables=(first[name], again[name], candidate[name]),
            columns={
                column: kind
                for column, kind in runs[0].record.outputs[name].columns.items()
                if column in repeated_columns
            },
            rules=terms.rules.get(name, OutputRules()),
            output_diff=outputs[name],
            units=terms.units,
        )
        given[name] = look.detect()
    return {name: noise for name, noise in given.items() if noise != NO_NOISE}
