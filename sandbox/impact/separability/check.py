"""Run one side of a diff on a half-sample and compare its outputs with the whole sample's; keep the result."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.compare import OutputRules
from sandbox.compare.units.separability import SeparabilityInput, find_separability_problem
from sandbox.errors import PipelineError
from sandbox.impact.check_records import read_record, write_record
from sandbox.impact.compare_outputs import compute_memory_limit
from sandbox.impact.comparison_cache import serialize_rules
from sandbox.impact.separability.half_sample_run import RUN_FAILURES, HalfSample, run_half_sample
from sandbox.manifest.canonical_json import hash_json
from sandbox.manifest.separability import SeparabilityRecord
from sandbox.runner.failures import summarize_error
from sandbox.runner.output_records import list_output_tables
from sandbox.sampler.half_sample import selection

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sandbox.errors import SandboxError
    from sandbox.impact.compare_outputs import ComparisonOptions
    from sandbox.impact.sides import RunnableSide
    from sandbox.manifest.diff import OutputDiff
    from sandbox.model import Progress
    from sandbox.runner.run import Run, RunRequest


@dataclass(frozen=True, kw_only=True)
class SeparabilityCheck:
    """The check of one side on one half-sample: the outputs of its run on the whole sample, and the baseline."""

    side: RunnableSide
    run: Run
    outputs: Mapping[str, OutputDiff]
    terms: ComparisonOptions
    baseline: RunnableSide
    sample: HalfSample

    @property
    def sample_name(self) -> str:
        """What messages call the half-sample."""
        return "half of the sample" if self.sample.half == "first" else "the other half, enlarged"

    def build_request(self, *, fresh: bool, progress: Progress) -> RunRequest:
        """Build the request of the side's run on the half-sample."""
        request = dataclasses.replace(self.side.request, sample=self.sample.sample)
        if request.setup is None or request.setup.state is None:
            return request
        # Outputs that the candidate reuses have to come from the half-sample as well.
        first = dataclasses.replace(self.baseline.request, sample=self.sample.sample)
        taken = run_half_sample(self.sample, first, fresh=fresh, progress=progress)
        kit = dataclasses.replace(request.setup, state=taken.output_folder, state_run_id=taken.record.id)
        return dataclasses.replace(request, setup=kit)


def load_or_create_record(check: SeparabilityCheck, *, fresh: bool, progress: Progress) -> SeparabilityRecord:
    """Return the stored result for the same outputs of the same run, or compute it."""
    ground = check.side.context
    try:
        request = check.build_request(fresh=fresh, progress=progress)
    except RUN_FAILURES as error:
        return _build_unknown_record(check, error, identity="")
    identity = _compute_identity(check, request)
    known = None if fresh else read_record(SeparabilityRecord, ground.project.state_folder, identity)
    if known is not None:
        return known
    try:
        size = check.sample.prepare(progress)
        halved = run_half_sample(check.sample, request, fresh=fresh, progress=progress)
    except RUN_FAILURES as error:
        record = _build_unknown_record(check, error, identity)
        if not isinstance(error, PipelineError):
            return record  # memory or time may suffice another time
    else:
        with progress.step(f"separability check: comparing the outputs of {check.sample_name} with the whole sample's"):
            reasons = {name: _find_reason(check, name, output, halved) for name, output in check.outputs.items()}
        record = SeparabilityRecord(
            identity=identity, run=halved.record.id, reasons=reasons, units=size.units, cost=size.cost
        )
    write_record(ground.project.state_folder, record)
    return record


def _build_unknown_record(check: SeparabilityCheck, error: SandboxError, identity: str) -> SeparabilityRecord:
    reason = (
        f"it cannot be told whether its rows depend on other units: on {check.sample_name}, {summarize_error(error)}"
    )
    reasons: dict[str, str | None] = dict.fromkeys(check.outputs, reason)
    return SeparabilityRecord(identity=identity, run=None, reasons=reasons, units={}, cost=0.0)


def _compute_identity(check: SeparabilityCheck, request: RunRequest) -> str:
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


def _find_reason(check: SeparabilityCheck, name: str, output: OutputDiff, halved: Run) -> str | None:
    side, terms = check.side, check.terms
    whole, half = (list_output_tables(run.output_folder, run.record.outputs) for run in (check.run, halved))
    where = "" if side.role == "baseline" else "in the changed version, "
    if name not in half:
        return f"{where}on {check.sample_name} it is not made"
    assert terms.draws is not None
    assert output.estimate.unit is not None
    sample = side.context.sample
    names = _map_column_names(side, output)
    question = SeparabilityInput(
        whole=whole[name],
        half=half[name],
        half_name=check.sample_name,
        draw=terms.draws[output.estimate.unit],
        half_units_sql=selection.build_half_units_query(
            sample.manifest, sample.sample.path, output.estimate.unit, check.sample.half
        ),
        rules=_build_side_rules(terms, side, output, name),
        key=tuple(names.get(column, column) for column in output.key.columns),
    )
    reason = find_separability_problem(question, memory=compute_memory_limit())
    return None if reason is None else where + reason


def _build_side_rules(terms: ComparisonOptions, side: RunnableSide, output: OutputDiff, name: str) -> OutputRules:
    """Build the rules of an output in terms of a side's column names."""
    rules = dataclasses.replace(terms.rules.get(name, OutputRules()), nondeterministic=frozenset(output.tainted))
    if side.role == "baseline":
        return rules
    names = _map_column_names(side, output)

    def rename_columns(columns: Iterable[str]) -> tuple[str, ...]:
        return tuple(names.get(column, column) for column in columns)

    unit_key = () if output.estimate.through else _get_unit_key(rules, terms, output)
    return dataclasses.replace(
        rules,
        unit_key=rename_columns(unit_key) or None,
        ignore=frozenset({*rename_columns(rules.ignore), *output.schema_.added}),  # columns excluded from the check
        nondeterministic=frozenset(rename_columns(rules.nondeterministic)),
        tolerance=dict(zip(rename_columns(rules.tolerance), rules.tolerance.values(), strict=True)),
        rename={},
    )


def _get_unit_key(rules: OutputRules, terms: ComparisonOptions, output: OutputDiff) -> tuple[str, ...]:
    return rules.unit_key or terms.draws[str(output.estimate.unit)].key  # type: ignore[index]


def _map_column_names(side: RunnableSide, output: OutputDiff) -> Mapping[str, str]:
    """Return a side's names for production's columns that have another name there."""
    return output.schema_.renamed if side.role == "candidate" else {}
