"""Run the separability check: a sample represents production only if a unit's rows do not depend on other units.

This cannot be inferred from code. So production's code is run again on a half-sample, and its output for the remaining
units is compared with that of the whole sample. For differing outputs the changed code is checked as well: a change may
introduce a rank or a share. The result is stored beside the runs.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.compare import OutputRules
from sandbox.compare.units.sampled_units import build_empty_estimate
from sandbox.compare.units.separability import SeparabilityInput, find_separability_problem
from sandbox.errors import PipelineError, PipelineMemoryError, PipelineTimeoutError, StoreError
from sandbox.impact.compare_outputs import compute_memory_limit
from sandbox.impact.comparison_cache import serialize_rules
from sandbox.impact.half_sample_run import run_half_sample
from sandbox.impact.separability_records import read_record, write_record
from sandbox.manifest.canonical_json import hash_json
from sandbox.manifest.separability import SeparabilityRecord
from sandbox.model import Sample
from sandbox.runner.failures import summarize_error
from sandbox.runner.output_records import list_output_tables
from sandbox.sampler.half_sample import selection

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sandbox.errors import SandboxError
    from sandbox.impact.compare_outputs import ComparisonOptions
    from sandbox.impact.document import DiffFindings
    from sandbox.impact.sides import RunnableSide
    from sandbox.manifest.diff import OutputDiff
    from sandbox.model import Progress
    from sandbox.runner.run import Run, RunRequest

_RUN_FAILURES = (PipelineError, PipelineTimeoutError, PipelineMemoryError, StoreError)
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
    outputs = {
        name: _withdraw_estimate(output, UNSTABLE_ROWS_REASON)
        if output.flickering and _has_estimate(output)
        else output
        for name, output in findings.outputs.items()
    }
    first, second = findings.baseline_run, findings.candidate_run
    if first is None or second is None:
        return dataclasses.replace(findings, outputs=outputs)
    for side, run in ((baseline, first), (candidate, second)):
        doubtful = {name: output for name, output in outputs.items() if _needs_check(output, side, terms)}
        if doubtful:
            check = _SeparabilityCheck(side=side, run=run, outputs=doubtful, terms=terms, baseline=baseline)
            record = _load_or_create_record(check, fresh=fresh, progress=progress)
            outputs |= {
                name: _withdraw_estimate(output, reason)
                for name, output in doubtful.items()
                if (reason := record.reasons[name]) is not None
            }
    return dataclasses.replace(findings, outputs=outputs)


@dataclass(frozen=True, kw_only=True)
class _SeparabilityCheck:
    """The check of one side: the outputs of its run on the whole sample, and the baseline."""

    side: RunnableSide
    run: Run
    outputs: Mapping[str, OutputDiff]
    terms: ComparisonOptions
    baseline: RunnableSide

    def build_request(self, *, fresh: bool, progress: Progress) -> RunRequest:
        """Build the request of the side's run on the half-sample."""
        ground = self.side.context
        half_ = Sample(
            fingerprint=selection.compute_fingerprint(ground.sample.manifest),
            path=ground.project.state_folder,
        )
        request = dataclasses.replace(self.side.request, sample=half_)
        if request.setup is None or request.setup.state is None:
            return request
        # Outputs that the candidate reuses have to come from the half-sample as well.
        first = dataclasses.replace(self.baseline.request, sample=half_)
        taken = run_half_sample(self.baseline.context, first, fresh=fresh, progress=progress)
        kit = dataclasses.replace(request.setup, state=taken.output_folder, state_run_id=taken.record.id)
        return dataclasses.replace(request, setup=kit)


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


def _load_or_create_record(check: _SeparabilityCheck, *, fresh: bool, progress: Progress) -> SeparabilityRecord:
    """Return the stored result for the same outputs of the same run, or compute it."""
    ground = check.side.context
    try:
        request = check.build_request(fresh=fresh, progress=progress)
    except _RUN_FAILURES as error:
        return _build_unknown_record(check, error, identity="")
    identity = _compute_identity(check, request)
    known = None if fresh else read_record(ground.project.state_folder, identity)
    if known is not None:
        return known
    try:
        halved = run_half_sample(ground, request, fresh=fresh, progress=progress)
    except _RUN_FAILURES as error:
        record = _build_unknown_record(check, error, identity)
        if not isinstance(error, PipelineError):
            return record  # memory or time may suffice another time
    else:
        with progress.step("comparing what half of the sample gave with the whole"):
            reasons = {
                name: _find_reason(check.side, name, output, (check.run, halved), check.terms)
                for name, output in check.outputs.items()
            }
        record = SeparabilityRecord(identity=identity, run=halved.record.id, reasons=reasons)
    write_record(ground.project.state_folder, record)
    return record


def _build_unknown_record(check: _SeparabilityCheck, error: SandboxError, identity: str) -> SeparabilityRecord:
    reason = (
        f"it cannot be told whether its rows depend on other units: on half of the sample, {summarize_error(error)}"
    )
    return SeparabilityRecord(identity=identity, run=None, reasons=dict.fromkeys(check.outputs, reason))


def _compute_identity(check: _SeparabilityCheck, request: RunRequest) -> str:
    outputs = check.outputs
    rules = {
        name: [
            serialize_rules(_build_side_rules(check.terms, check.side, output, name)),
            output.estimate.unit,
            output.key.columns,
        ]
        for name, output in outputs.items()
    }
    digests = {name: [file.sha256 for file in check.run.record.outputs[name].files] for name in outputs}
    return hash_json({"half": request.identity, "asked": rules, "made": digests})


def _find_reason(
    side: RunnableSide, name: str, output: OutputDiff, runs: tuple[Run, Run], terms: ComparisonOptions
) -> str | None:
    whole, halved = (list_output_tables(run.output_folder, run.record.outputs) for run in runs)
    where = "" if side.role == "baseline" else "in the changed version, "
    if name not in halved:
        return f"{where}on half of the sample it is not made"
    assert terms.draws is not None
    assert output.estimate.unit is not None
    sample = side.context.sample
    names = _map_column_names(side, output)
    question = SeparabilityInput(
        whole=whole[name],
        half=halved[name],
        draw=terms.draws[output.estimate.unit],
        half_units_sql=selection.build_half_units_query(sample.manifest, sample.sample.path, output.estimate.unit),
        rules=_build_side_rules(terms, side, output, name),
        key=tuple(names.get(column, column) for column in output.key.columns),
    )
    reason = find_separability_problem(question, memory=compute_memory_limit())
    return None if reason is None else where + reason


def _build_side_rules(terms: ComparisonOptions, side: RunnableSide, output: OutputDiff, name: str) -> OutputRules:
    """Build the rules of an output in terms of a side's column names."""
    rules = dataclasses.replace(terms.rules.get(name, OutputRules()), tainted=frozenset(output.tainted))
    if side.role == "baseline":
        return rules
    names = _map_column_names(side, output)

    def rename_columns(columns: Iterable[str]) -> tuple[str, ...]:
        return tuple(names.get(column, column) for column in columns)

    unit_key = rules.unit_key or terms.draws[str(output.estimate.unit)].key  # type: ignore[index]
    return dataclasses.replace(
        rules,
        unit_key=rename_columns(unit_key),
        ignore=frozenset({*rename_columns(rules.ignore), *output.schema_.added}),  # columns excluded from the check
        tainted=frozenset(rename_columns(rules.tainted)),
        tolerance=dict(zip(rename_columns(rules.tolerance), rules.tolerance.values(), strict=True)),
        rename={},
    )


def _map_column_names(side: RunnableSide, output: OutputDiff) -> Mapping[str, str]:
    """Return a side's names for production's columns that have another name there."""
    return output.schema_.renamed if side.role == "candidate" else {}
