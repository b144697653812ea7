"""The separability check: only where a unit's rows do not depend on other units can a sample speak for production.

It cannot be read off code. So production's code is run once more, on half of the sample, and what it makes of the units
that are left is compared with what it made of them before; then the changed code, for what differs: a change may bring
in a rank or a share. Found once, it is remembered beside the runs.
"""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.compare import OutputRules
from sandbox.compare.units.sampled_units import build_empty_estimate
from sandbox.compare.units.separability import SeparabilityInput, find_separability_problem
from sandbox.errors import PipelineError, PipelineMemoryError, PipelineTimeoutError, StoreError
from sandbox.impact.compare_outputs import compute_memory_limit
from sandbox.impact.comparison_cache import serialize_rules
from sandbox.manifest.canonical_json import hash_file, hash_json
from sandbox.manifest.separability import SeparabilityRecord
from sandbox.model import Sample
from sandbox.runner.failures import check_success, summarize_error
from sandbox.runner.output_records import list_output_tables
from sandbox.runner.run import execute_run, find_run
from sandbox.sampler.half_sample import selection
from sandbox.store.checked_folder import check_folder, list_folder_contents, read_checked_files, write_checked_files
from sandbox.store.folder import restrict_access, stage_folder, write_file
from sandbox.store.leases import acquire_lease, remove_if_unused
from sandbox.store.seal_key import load_seal_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sandbox.errors import SandboxError
    from sandbox.impact.compare_outputs import ComparisonOptions
    from sandbox.impact.document import DiffFindings
    from sandbox.impact.sides import RunnableSide, SideContext
    from sandbox.manifest.diff import OutputDiff
    from sandbox.model import Progress
    from sandbox.runner.run import Run, RunRequest

HALF_SAMPLES_FOLDER = "halves"
RECORDS_FOLDER = "separability"
_RUN_FAILURES = (PipelineError, PipelineTimeoutError, PipelineMemoryError, StoreError)
UNSTABLE_ROWS_REASON = "rows of it come and go between two runs of production's own code"


def withdraw_estimates(
    baseline: RunnableSide,
    candidate: RunnableSide,
    found: DiffFindings,
    terms: ComparisonOptions,
    *,
    fresh: bool,
    progress: Progress,
) -> DiffFindings:
    """Take back the estimates of outputs whose units depend on each other, or of which that cannot be told.

    Args:
        baseline: Still ready to be run.
        candidate: The same.
        found: What was found, estimates and noise included.
        terms: By what the outputs were compared.
        fresh: Run it again although it ran before.
        progress: Shows the steps.
    """
    outputs = {
        name: _withdraw_estimate(output, UNSTABLE_ROWS_REASON)
        if output.flickering and _has_estimate(output)
        else output
        for name, output in found.outputs.items()
    }
    first, second = found.baseline_run, found.candidate_run
    if first is None or second is None:
        return dataclasses.replace(found, outputs=outputs)
    for side, run in ((baseline, first), (candidate, second)):
        doubtful = {name: output for name, output in outputs.items() if _needs_check(output, side, terms)}
        if doubtful:
            asked = _SeparabilityCheck(side=side, run=run, outputs=doubtful, terms=terms, baseline=baseline)
            record = _load_or_create_record(asked, fresh=fresh, progress=progress)
            outputs |= {
                name: _withdraw_estimate(output, reason)
                for name, output in doubtful.items()
                if (reason := record.reasons[name]) is not None
            }
    return dataclasses.replace(found, outputs=outputs)


@dataclass(frozen=True, kw_only=True)
class _SeparabilityCheck:
    """What is asked about one side: the outputs that its run on the whole sample made; and who the baseline is."""

    side: RunnableSide
    run: Run
    outputs: Mapping[str, OutputDiff]
    terms: ComparisonOptions
    baseline: RunnableSide

    def build_request(self, *, fresh: bool, progress: Progress) -> RunRequest:
        """Give the request of the side's run on half of the sample."""
        ground = self.side.context
        half_ = Sample(
            fingerprint=selection.compute_fingerprint(ground.sample.manifest),
            path=ground.project.state_folder,
        )
        request = dataclasses.replace(self.side.request, sample=half_)
        if request.setup is None or request.setup.state is None:
            return request
        # What the candidate takes over has to come from half of the sample as well.
        first = dataclasses.replace(self.baseline.request, sample=half_)
        taken = _run_half_sample(self.baseline.context, first, fresh=fresh, progress=progress)
        kit = dataclasses.replace(request.setup, state=taken.output_folder, state_run_id=taken.record.id)
        return dataclasses.replace(request, setup=kit)


def _needs_check(output: OutputDiff, side: RunnableSide, terms: ComparisonOptions) -> bool:
    """Say whether an output's estimate stands or falls with the check; the candidate's where it differs at all."""
    if not _has_estimate(output) or (terms.draws or {})[str(output.estimate.unit)].is_complete:
        return False
    return side.role == "baseline" or output.rows.different > output.rows.noise


def _has_estimate(output: OutputDiff) -> bool:
    return output.estimate.status == "estimated"


def _withdraw_estimate(output: OutputDiff, reason: str) -> OutputDiff:
    units = output.estimate.units_affected
    none = build_empty_estimate(reason, unit=output.estimate.unit, sample=units.sample if units else None)
    return output.model_copy(update={"estimate": none})


def _load_or_create_record(asked: _SeparabilityCheck, *, fresh: bool, progress: Progress) -> SeparabilityRecord:
    """Give what was found before about the same outputs of the same run, or find it."""
    ground = asked.side.context
    try:
        request = asked.build_request(fresh=fresh, progress=progress)
    except _RUN_FAILURES as error:
        return _build_unknown_record(asked, error, identity="")
    identity = _compute_identity(asked, request)
    place = ground.project.state_folder / RECORDS_FOLDER / f"{identity}.json"
    if place.is_file() and not fresh:
        with contextlib.suppress(StoreError):  # a damaged or forged one is made again
            known = SeparabilityRecord.read(place, key=load_seal_key())
            if known.identity == identity:
                return known
    try:
        halved = _run_half_sample(ground, request, fresh=fresh, progress=progress)
    except _RUN_FAILURES as error:
        record = _build_unknown_record(asked, error, identity)
        if not isinstance(error, PipelineError):
            return record  # another time there may be room, or time, enough
    else:
        with progress.step("comparing what half of the sample gave with the whole"):
            reasons = {
                name: _find_reason(asked.side, name, output, (asked.run, halved), asked.terms)
                for name, output in asked.outputs.items()
            }
        record = SeparabilityRecord(identity=identity, run=halved.record.id, reasons=reasons)
    write_file(place, record.to_json_text(key=load_seal_key()), mode=0o600)
    return record


def _build_unknown_record(asked: _SeparabilityCheck, error: SandboxError, identity: str) -> SeparabilityRecord:
    reason = (
        f"it cannot be told whether its rows depend on other units: on half of the sample, {summarize_error(error)}"
    )
    return SeparabilityRecord(identity=identity, run=None, reasons=dict.fromkeys(asked.outputs, reason))


def _compute_identity(asked: _SeparabilityCheck, request: RunRequest) -> str:
    outputs = asked.outputs
    about = {
        name: [
            serialize_rules(_build_side_rules(asked.terms, asked.side, output, name)),
            output.estimate.unit,
            output.key.columns,
        ]
        for name, output in outputs.items()
    }
    made = {name: [file.sha256 for file in asked.run.record.outputs[name].files] for name in outputs}
    return hash_json({"half": request.identity, "asked": about, "made": made})


def _run_half_sample(ground: SideContext, request: RunRequest, *, fresh: bool, progress: Progress) -> Run:
    """Give the baseline's run on half of the sample.

    Raises:
        PipelineError, PipelineTimeoutError, PipelineMemoryError: It did not succeed.
        StoreError: The half cannot be written.
    """
    runs = ground.project.state_folder / "runs"
    done = None if fresh else find_run(runs, request, [])
    if done is None:
        sample = _prepare_half_sample(ground, progress)
        ref = request.code.version.ref
        with progress.step(f"running the pipeline at {ref} on half of the sample, to see what depends on what"):
            done = execute_run(dataclasses.replace(request, sample=sample), ground.stack.runtime, runs)
    check_success(done)
    return done


def _prepare_half_sample(ground: SideContext, progress: Progress) -> Sample:
    """Return half of the sample; made once, and instead of the half of any other sample."""
    manifest, sample = ground.sample.manifest, ground.sample.sample
    place = ground.project.state_folder / HALF_SAMPLES_FOLDER / selection.compute_fingerprint(manifest)[:16]
    files = read_checked_files(place) if acquire_lease(place) else None
    if files is None or check_folder(place, files, progress) is not None:
        from sandbox.sampler.half_sample.writer import write_half_sample  # noqa: PLC0415 - Ibis is slow to import, and seldom needed

        for other in place.parent.glob("[0-9a-f]*"):
            remove_if_unused(other)
        with progress.step("taking half of the sample"), stage_folder(place) as folder:
            write_half_sample(sample, manifest, ground.project.settings, folder)
            restrict_access(folder)
            stats, _ = list_folder_contents(folder)
            digests = {path: hash_file(folder / path) for path in stats}
        write_checked_files(place, digests, stats)
        acquire_lease(place)
    return selection.build_half_sample(place, manifest)


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
    """Give the rules of an output in the names that its columns have on a side."""
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
        ignore=frozenset({*rename_columns(rules.ignore), *output.schema_.added}),  # columns that nothing is said about
        tainted=frozenset(rename_columns(rules.tainted)),
        tolerance=dict(zip(rename_columns(rules.tolerance), rules.tolerance.values(), strict=True)),
        rename={},
    )


def _map_column_names(side: RunnableSide, output: OutputDiff) -> Mapping[str, str]:
    """Give what a side calls those of production's columns that have another name there."""
    return output.schema_.renamed if side.role == "candidate" else {}
