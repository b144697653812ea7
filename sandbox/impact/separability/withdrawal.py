"""Withdraw the estimates of outputs whose rows depend on other units, or may do so.

A sample represents production only if a unit's rows do not depend on other units. This cannot be inferred from code. So
production's code is run again on two half-samples, and its output for their units is compared with that of the whole
sample. The second half-sample is enlarged by copies of some units, so that bounds bind that the sample does not reach.
For differing outputs the changed code is checked as well: a change may introduce a rank or a share.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from sandbox.compare.units.sampled_units import build_empty_estimate
from sandbox.impact.separability.check import SeparabilityCheck, load_or_create_record
from sandbox.impact.separability.half_sample_run import HalfSample
from sandbox.impact.separability.literal_limits import find_output_limits
from sandbox.manifest.separability import SeparabilityChecks
from sandbox.runner.code.text_files import read_text_files
from sandbox.sampler.half_sample import selection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.config.sections.estimate import CheckExtent
    from sandbox.impact.compare_outputs import ComparisonOptions
    from sandbox.impact.document import DiffFindings
    from sandbox.impact.sides import RunnableSide
    from sandbox.manifest.diff import OutputDiff
    from sandbox.manifest.separability import SeparabilityRecord
    from sandbox.model import Progress

NO_CHECKS_REASON = 'its separability is not checked: [estimate] checks = "none"'
UNSTABLE_ROWS_REASON = "rows of it come and go between two runs of production's own code"


def withdraw_estimates(
    baseline: RunnableSide,
    candidate: RunnableSide,
    findings: DiffFindings,
    terms: ComparisonOptions,
    *,
    fresh: bool,
    progress: Progress,
) -> DiffFindings:
    """Remove the estimates of outputs with dependent units, or of unknown dependence.

    Args:
        baseline: The baseline, still ready to run.
        candidate: The candidate, likewise.
        findings: The findings, estimates and noise included.
        terms: The options of the comparison.
        fresh: Whether to ignore earlier separability runs.
        progress: Shows the steps.
    """
    checks = baseline.context.project.settings.estimate.checks
    outputs = {name: _withdraw_unfounded_estimate(output, terms, checks) for name, output in findings.outputs.items()}
    first, second = findings.baseline_run, findings.candidate_run
    if first is None or checks == "none":
        return dataclasses.replace(findings, outputs=outputs)
    records = []
    for side, run in ((baseline, first), (candidate, second)):
        for half in selection.HALVES if checks == "full" else selection.HALVES[:1]:
            doubtful = {name: output for name, output in outputs.items() if _needs_check(output, side, terms)}
            if not doubtful:
                break
            sample = HalfSample(ground=side.context, half=half, memory=side.request.limits.memory_bytes)
            check = SeparabilityCheck(
                side=side, run=run, outputs=doubtful, terms=terms, baseline=baseline, sample=sample
            )
            record = load_or_create_record(check, fresh=fresh, progress=progress)
            outputs |= {name: _apply_record(output, name, record, terms) for name, output in doubtful.items()}
            records.append(record)
        doubtful = {name: output for name, output in outputs.items() if _needs_check(output, side, terms)}
        outputs |= withdraw_limited_estimates(side, doubtful)
    return dataclasses.replace(findings, outputs=outputs, separability=_summarize_records(checks, records))


def _withdraw_unfounded_estimate(output: OutputDiff, terms: ComparisonOptions, checks: CheckExtent) -> OutputDiff:
    """Remove an estimate that no check could support."""
    if not _has_estimate(output):
        return output
    if output.flickering:
        return _withdraw_estimate(output, UNSTABLE_ROWS_REASON)
    if checks == "none" and not (terms.draws or {})[str(output.estimate.unit)].is_complete:
        return _withdraw_estimate(output, NO_CHECKS_REASON)
    return output


def _apply_record(output: OutputDiff, name: str, record: SeparabilityRecord, terms: ComparisonOptions) -> OutputDiff:
    """Remove the estimate if its rows depend on other units; else note up to how many units that was checked."""
    reason = record.reasons[name]
    if reason is not None:
        return _withdraw_estimate(output, reason)
    unit = str(output.estimate.unit)
    sampled = sum(stratum.sampled for stratum in (terms.draws or {})[unit].strata)
    checked = max(record.units[unit], sampled, output.estimate.checked_units or 0)
    return output.model_copy(update={"estimate": output.estimate.model_copy(update={"checked_units": checked})})


def withdraw_limited_estimates(side: RunnableSide, outputs: Mapping[str, OutputDiff]) -> dict[str, OutputDiff]:
    """Remove the estimates of outputs whose code has a literal limit that no check could see."""
    manifest = side.context.sample.manifest
    most = max((table.source_rows for table in manifest.tables.values() if table.role != "lookup"), default=0)
    checked = {name: output.estimate.checked_units or 0 for name, output in outputs.items()}
    if all(units >= most for units in checked.values()):
        return dict(outputs)
    limits = find_output_limits(
        read_text_files(side.request.code), list(outputs), checked=min(checked.values()), most=most
    )
    where = "" if side.role == "baseline" else "in the changed version, "
    return {
        name: output
        if name not in limits
        else _withdraw_estimate(
            output,
            f"{where}{limits[name]}, and the separability check ran on {checked[name]:,} {output.estimate.unit}: "
            "whether it binds in production would not be seen",
        )
        for name, output in outputs.items()
    }


def _summarize_records(checks: CheckExtent, records: Sequence[SeparabilityRecord]) -> SeparabilityChecks | None:
    """Return what the checks of both sides cost; None if none was needed."""
    if not records:
        return None
    runs = [record.run for record in records if record.run is not None]
    return SeparabilityChecks(checks=checks, runs=runs, cost=round(sum(record.cost for record in records), 2))


def _needs_check(output: OutputDiff, side: RunnableSide, terms: ComparisonOptions) -> bool:
    """Check whether an output's estimate depends on the check; the candidate's does if the output differs at all."""
    if not _has_estimate(output) or (terms.draws or {})[str(output.estimate.unit)].is_complete:
        return False
    return side.role == "baseline" or output.rows.different > output.rows.noise


def _has_estimate(output: OutputDiff) -> bool:
    return output.estimate.status == "estimated"


def _withdraw_estimate(output: OutputDiff, reason: str) -> OutputDiff:
    units = output.estimate.units_affected
    none = build_empty_estimate(reason, unit=output.estimate.unit, sample=units.sample if units else None)
    return output.model_copy(update={"estimate": none})
