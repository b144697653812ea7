"""Estimate outputs by day or by country: totals whose rows name no unit, from random groups of units."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from sandbox.compare.units.sampled_units import build_empty_estimate
from sandbox.compare.units.unit_key import NO_UNIT_REASON
from sandbox.formatting import format_count
from sandbox.impact.separability.withdrawal import withdraw_limited_estimates

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.impact.compare_outputs import ComparisonOptions
    from sandbox.impact.document import DiffFindings
    from sandbox.impact.sides import RunnableSide
    from sandbox.manifest.diff import OutputDiff
    from sandbox.manifest.output_estimate import OutputEstimate
    from sandbox.model import Progress

DEFAULT_SECONDS = 60.0
"""Groups are run without being asked for if that takes less time."""

START_SECONDS = 0.5
"""Time that a run takes beside the pipeline: its part of the sample, its folders, its start."""

EXTRA_RUNS = 7.0
"""Runs of the sample that checks take at most: both half-samples and the copied units."""


def estimate_by_groups(
    baseline: RunnableSide,
    candidate: RunnableSide,
    findings: DiffFindings,
    terms: ComparisonOptions,
    *,
    groups: bool | None,
    fresh: bool,
    progress: Progress,
) -> DiffFindings:
    """Estimate the totals of differing outputs whose rows name no unit.

    Args:
        baseline: The baseline, still ready to run.
        candidate: The candidate, likewise.
        findings: The findings, with all other estimates.
        terms: The options of the comparison.
        groups: Whether to run groups however long they take, or never; None runs them if they take less than a minute.
        fresh: Whether to ignore earlier runs and records.
        progress: Shows the steps.
    """
    project = baseline.context.project
    checks = project.settings.estimate.checks
    wanted = {name: output for name, output in findings.outputs.items() if _is_without_unit(output)}
    draws = terms.draws or {}
    if not wanted or findings.baseline_run is None or groups is False or checks == "none" or not draws:
        return findings
    if len(draws) > 1:
        units = " and ".join(draw.called or draw.table for draw in draws.values())
        return _explain_no_groups(
            findings,
            wanted,
            f"a sample of {units} has no random groups, and one of a single unit table has: [sample.also]",
        )
    [draw] = draws.values()
    if draw.is_complete:
        return findings
    # NumPy and DuckDB are slow to import, and rarely needed.
    from sandbox.impact.random_groups.assignment import group_sample  # noqa: PLC0415
    from sandbox.impact.random_groups.figures import estimate_output  # noqa: PLC0415
    from sandbox.impact.random_groups.group_runs import GroupRuns  # noqa: PLC0415

    sample = group_sample(baseline.context, draw)
    called = draw.called or draw.table
    if sample is None or not sample.has_light_tails:
        few, large = (
            f"too few {called} were drawn, or none of a stratum",
            f"a few large {called} may carry its totals: draw them by size ([sample] strata)",
        )
        return _explain_no_groups(
            findings, wanted, f"random groups would not tell, because {few if sample is None else large}"
        )
    sides = [
        GroupRuns(side=side, run=run, sample=sample, keys=_list_keys(wanted, side), checks=checks)
        for side, run in ((baseline, findings.baseline_run), (candidate, findings.candidate_run))
    ]
    known = [None if fresh else each.read_record() for each in sides]
    # A candidate that takes over outputs of the baseline's run is built whole on a part of the sample.
    longest = max(each.run.record.wall_seconds for each in sides)
    seconds = sum(
        (len(sample.parts) + (EXTRA_RUNS if checks == "full" else 0.0))
        * ((each.run.record.wall_seconds if each.request is each.side.request else longest) + START_SECONDS)
        for each, record in zip(sides, known, strict=True)
        if record is None
    )
    if groups is None and seconds >= DEFAULT_SECONDS:
        return _explain_no_groups(
            findings,
            wanted,
            f"random groups of {called} would tell, in about {_format_minutes(seconds)}: sandbox diff --groups",
        )
    records = [
        record or each.create_record(fresh=fresh, progress=progress) for each, record in zip(sides, known, strict=True)
    ]
    done = _replace_estimates(
        findings, {name: estimate_output(sample, name, output, *records) for name, output in wanted.items()}
    )
    for side in (baseline, candidate):
        some = {name: done.outputs[name] for name in wanted if done.outputs[name].estimate.groups is not None}
        if some and checks == "full":
            done = dataclasses.replace(done, outputs={**done.outputs, **withdraw_limited_estimates(side, some)})
    return done


def _explain_no_groups(findings: DiffFindings, outputs: Mapping[str, OutputDiff], why: str) -> DiffFindings:
    """Return the findings with the reason why some outputs have no estimate from random groups."""
    reason = f"{NO_UNIT_REASON}; {why}"
    return _replace_estimates(findings, {name: build_empty_estimate(reason) for name in outputs})


def _is_without_unit(output: OutputDiff) -> bool:
    return (
        output.status == "compared"
        and output.estimate.status == "not_estimated"
        and output.estimate.reason == NO_UNIT_REASON
        and output.rows.different > output.rows.noise
        and not output.flickering
    )


def _list_keys(outputs: Mapping[str, OutputDiff], side: RunnableSide) -> dict[str, tuple[str, ...]]:
    """Return the key's columns of each output in a side's names."""
    return {
        name: tuple(
            output.schema_.renamed.get(column, column) if side.role == "candidate" else column
            for column in output.key.columns
        )
        for name, output in outputs.items()
    }


def _replace_estimates(findings: DiffFindings, estimates: Mapping[str, OutputEstimate]) -> DiffFindings:
    outputs = {
        name: output.model_copy(update={"estimate": estimates[name]}) if name in estimates else output
        for name, output in findings.outputs.items()
    }
    return dataclasses.replace(findings, outputs=outputs)


def _format_minutes(seconds: float) -> str:
    """Return a duration in whole minutes, rounded up.

    >>> _format_minutes(61.0), _format_minutes(60.0)
    ('2 minutes', '1 minute')
    """
    return format_count(-int(-seconds // 60), "minute")
