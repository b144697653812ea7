"""Measure noise: differences between two runs of the baseline, which are no effect of a change of code.

If two sides differ, the baseline is run again with another thread count and the sample's files in another order (the
noise run). A column that differs between the two baseline runs is nondeterministic: only its distribution is judged.

Two kinds of noise do not exclude a column. Sums of floating-point numbers depend on the order of the addends: if only a
column's last digits differ, it gets a tolerance instead. And rows present in only one of the two runs must not excuse
every lost row: only as many differing rows count as noise as the noise run explains, row by row.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from sandbox.compare import OutputRules
from sandbox.dbt.tests import are_independent_of_time
from sandbox.errors import PipelineError, PipelineMemoryError, PipelineTimeoutError
from sandbox.formatting import format_count
from sandbox.impact.artifacts import find_unsettled_artifacts, mark_nondeterministic_artifacts
from sandbox.impact.compare_outputs import compare_tables, find_differing_outputs
from sandbox.impact.noise.detection import NO_NOISE, NoiseDetector, OutputNoise, add_noise_to_rules
from sandbox.impact.noise.distributions import judge_distributions
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
    baseline: RunnableSide,
    runs: tuple[Run, Run],
    doubtful: Collection[str],
    *,
    fresh: bool,
    progress: Progress,
) -> tuple[Run | None, str | None]:
    """Run the baseline again, or reuse such a run if it is younger than both sides' runs.

    An older one could not show effects of the clock: all three runs have to span the time between the sides, unless the
    doubtful outputs are models of dbt that cannot read the time.

    Returns:
        The run; None with the reason if the baseline fails under the variation.
    """
    variation = choose_variation(baseline.request.limits)
    try:
        repetition = baseline.run(fresh=fresh, progress=progress, variation=variation)
        is_older = repetition.record.started < max(run.record.started for run in runs)
        if repetition.cached and is_older and not (doubtful and are_independent_of_time(runs[0], doubtful)):
            repetition = baseline.run(fresh=True, progress=progress, variation=variation)
    except (PipelineError, PipelineTimeoutError, PipelineMemoryError) as error:
        return None, (
            "noise could not be told from change, so every difference counts: with "
            f"{format_count(variation.threads, 'thread')} and the sample's files in another order {summarize_error(error)}"
        )
    return repetition, None


def account_for_noise(
    baseline: RunnableSide, findings: DiffFindings, terms: ComparisonOptions, *, fresh: bool, progress: Progress
) -> DiffFindings:
    """Separate noise from change in the findings, if any; compare nondeterministic outputs again with adapted rules.

    Args:
        baseline: The baseline, still ready to run.
        findings: The findings of the comparison of its run with the candidate's.
        terms: The options of that comparison.
        fresh: Whether to ignore earlier noise runs.
        progress: Shows the steps.
    """
    first, second = findings.baseline_run, findings.candidate_run
    doubtful = {
        name for name, output in findings.outputs.items() if output.status == "compared" and output.rows.different
    }
    unsettled = find_unsettled_artifacts(findings.artifacts)
    if first is None or not (doubtful or unsettled):
        return findings
    timed = () if unsettled else doubtful
    again, problem = run_baseline_again(baseline, (first, second), timed, fresh=fresh, progress=progress)
    if again is None:
        return dataclasses.replace(findings, warnings=[*findings.warnings, str(problem)])
    with progress.step("measuring noise"):
        noises = detect_noise(findings.outputs, doubtful, (first, again, second), terms)
        noise_rules = {
            name: add_noise_to_rules(terms.rules.get(name, OutputRules()), noise)
            for name, noise in noises.items()
            if noise.columns or noise.rounding
        }
        sides = [list_output_tables(run.output_folder, run.record.outputs) for run in (first, second)]
        judged = compare_tables(
            {name: sides[0][name] for name in noise_rules},
            {name: sides[1][name] for name in noise_rules},
            dataclasses.replace(terms, rules=noise_rules),
            progress=SilentProgress(),
        )
        outputs = {**findings.outputs, **judged}
        for name, noise in noises.items():
            outputs[name] = _add_noise_counts(outputs[name], noise)
        outputs |= judge_distributions(outputs, (first, again, second), terms.rules)
    return dataclasses.replace(
        findings,
        outputs=outputs,
        artifacts=mark_nondeterministic_artifacts(findings.artifacts, first, again),
        noise_run=again,
        warnings=[*findings.warnings, *again.damage_messages, *_describe_noise(noises, first.version.ref)],
    )


def _add_noise_counts(output: OutputDiff, noise: OutputNoise) -> OutputDiff:
    """Add to an output's differences the counts unknown to the comparison itself."""
    rows = output.rows
    least = min(rows.noise + noise.explained_rows, rows.different)
    return output.model_copy(
        update={
            "flickering": noise.unstable_rows,
            "noise_tolerances": dict(noise.rounding),
            "tolerances": {
                name: tolerance for name, tolerance in output.tolerances.items() if name not in noise.rounding
            },
            "rows": rows.model_copy(update={"noise": least}),
        }
    )


def _describe_noise(noises: Mapping[str, OutputNoise], ref: str) -> list[str]:
    phrases = []
    for name, noise in noises.items():
        if noise.columns:
            phrases.append(
                f"{name}: two runs of {ref} itself give different values in {', '.join(sorted(noise.columns))}; "
                "there only the distribution of values is judged"
            )
        if noise.rounding:
            most = max(noise.rounding.values())
            phrases.append(
                f"{name}: two runs of {ref} itself give different last digits in {', '.join(sorted(noise.rounding))}; "
                f"changes of up to {most:g} of a value do not count there"
            )
        if noise.unstable_rows:
            phrases.append(
                f"{name}: {format_count(noise.unstable_rows, 'row comes and goes', 'rows come and go')} between two runs of {ref} itself; only differences "
                "that such rows explain, one by one, count as noise"
            )
    return phrases


def detect_noise(
    outputs: Mapping[str, OutputDiff],
    doubtful: Collection[str],
    runs: tuple[Run, Run, Run],
    terms: ComparisonOptions,
) -> dict[str, OutputNoise]:
    """Return the noise in differing outputs.

    Args:
        outputs: The differences of each output.
        doubtful: The outputs to check.
        runs: The baseline's run, the noise run, the candidate's run.
        terms: The options of the comparison.
    """
    first, again, candidate = (list_output_tables(run.output_folder, run.record.outputs) for run in runs)
    detected = {}
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
        detected[name] = look.detect()
    return {name: noise for name, noise in detected.items() if noise != NO_NOISE}
