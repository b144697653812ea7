"""The separability check: only where a unit's rows do not depend on other units can a sample speak for production.

It cannot be read off code. So production's code is run once more, on half of the sample, and what it makes of the units
that are left is compared with what it made of them before; then the changed code, for what differs: a change may bring
in a rank or a share. Found once, it is remembered beside the runs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.compare import Rules
from sandbox.compare.units.sampled_units import refused
from sandbox.compare.units.separability import Question, entangled
from sandbox.errors import PipelineError, PipelineMemoryError, PipelineTimeoutError, StoreError
from sandbox.impact.compare_outputs import memory
from sandbox.impact.comparison_cache import written_rules
from sandbox.manifest.canonical_json import digest
from sandbox.manifest.separability import SeparabilityRecord
from sandbox.model import Sample
from sandbox.runner.failures import in_short, require_success
from sandbox.runner.output_records import as_tables
from sandbox.runner.run import carry_out, find
from sandbox.sampler.half_sample import selection
from sandbox.store.folder import staged, write

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sandbox.errors import SandboxError
    from sandbox.impact.compare_outputs import Terms
    from sandbox.impact.document import Findings
    from sandbox.impact.sides import Ground, Side
    from sandbox.manifest.diff import OutputDiff
    from sandbox.model import Progress
    from sandbox.runner.run import Request, Run

HALVES = "halves"
RECORDS = "separability"
_FAILURES = (PipelineError, PipelineTimeoutError, PipelineMemoryError, StoreError)
FLICKERING = "rows of it come and go between two runs of production's own code"


def checked(
    baseline: Side, candidate: Side, found: Findings, terms: Terms, *, fresh: bool, progress: Progress
) -> Findings:
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
        name: _refused(output, FLICKERING) if output.flickering and _estimated(output) else output
        for name, output in found.outputs.items()
    }
    first, second = found.baseline_run, found.candidate_run
    if first is None or second is None:
        return dataclasses.replace(found, outputs=outputs)
    for side, run in ((baseline, first), (candidate, second)):
        doubtful = {name: output for name, output in outputs.items() if _doubtful(output, side, terms)}
        if doubtful:
            asked = _Asked(side=side, run=run, outputs=doubtful, terms=terms, baseline=baseline)
            record = _record(asked, fresh=fresh, progress=progress)
            outputs |= {
                name: _refused(output, reason)
                for name, output in doubtful.items()
                if (reason := record.reasons[name]) is not None
            }
    return dataclasses.replace(found, outputs=outputs)


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What is asked about one side: the outputs that its run on the whole sample made; and who the baseline is."""

    side: Side
    run: Run
    outputs: Mapping[str, OutputDiff]
    terms: Terms
    baseline: Side

    def request(self, *, fresh: bool, progress: Progress) -> Request:
        """Give the request of the side's run on half of the sample."""
        ground = self.side.ground
        half_ = Sample(fingerprint=selection.fingerprint(ground.sample.manifest), path=ground.project.state)
        request = dataclasses.replace(self.side.request, sample=half_)
        if request.kit is None or request.kit.state is None:
            return request
        # What the candidate takes over has to come from half of the sample as well.
        first = dataclasses.replace(self.baseline.request, sample=half_)
        taken = _run(self.baseline.ground, first, fresh=fresh, progress=progress)
        kit = dataclasses.replace(request.kit, state=taken.output, since=taken.record.id)
        return dataclasses.replace(request, kit=kit)


def _doubtful(output: OutputDiff, side: Side, terms: Terms) -> bool:
    """Say whether an output's estimate stands or falls with the check; the candidate's where it differs at all."""
    if not _estimated(output) or (terms.draws or {})[str(output.estimate.unit)].complete:
        return False
    return side.role == "baseline" or output.rows.different > output.rows.noise


def _estimated(output: OutputDiff) -> bool:
    return output.estimate.status == "estimated"


def _refused(output: OutputDiff, reason: str) -> OutputDiff:
    units = output.estimate.units_affected
    none = refused(reason, unit=output.estimate.unit, sample=units.sample if units else None)
    return output.model_copy(update={"estimate": none})


def _record(asked: _Asked, *, fresh: bool, progress: Progress) -> SeparabilityRecord:
    """Give what was found before about the same outputs of the same run, or find it."""
    ground = asked.side.ground
    try:
        request = asked.request(fresh=fresh, progress=progress)
    except _FAILURES as error:
        return _unknown(asked, error)
    place = ground.project.state / RECORDS / f"{_identity(asked, request)}.json"
    if place.is_file() and not fresh:
        with contextlib.suppress(StoreError):  # a damaged one is made again
            return SeparabilityRecord.read(place)
    try:
        halved = _run(ground, request, fresh=fresh, progress=progress)
    except _FAILURES as error:
        record = _unknown(asked, error)
        if not isinstance(error, PipelineError):
            return record  # another time there may be room, or time, enough
    else:
        with progress.step("comparing what half of the sample gave with the whole"):
            reasons = {
                name: _reason(asked.side, name, output, (asked.run, halved), asked.terms)
                for name, output in asked.outputs.items()
            }
        record = SeparabilityRecord(run=halved.record.id, reasons=reasons)
    write(place, record.text())
    return record


def _unknown(asked: _Asked, error: SandboxError) -> SeparabilityRecord:
    reason = (
        f"it cannot be told whether its rows depend on other units: on half of the sample, {in_short(error)}"
    )
    return SeparabilityRecord(run=None, reasons=dict.fromkeys(asked.outputs, reason))


def _identity(asked: _Asked, request: Request) -> str:
    outputs = asked.outputs
    about = {
        name: [
            written_rules(_rules(asked.terms, asked.side, output, name)),
            output.estimate.unit,
            output.key.columns,
        ]
        for name, output in outputs.items()
    }
    made = {name: [file.sha256 for file in asked.run.record.outputs[name].files] for name in outputs}
    return digest({"half": request.identity, "asked": about, "made": made})


def _run(ground: Ground, request: Request, *, fresh: bool, progress: Progress) -> Run:
    """Give the baseline's run on half of the sample.

    Raises:
        PipelineError, PipelineTimeoutError, PipelineMemoryError: It did not succeed.
        StoreError: The half cannot be written.
    """
    runs = ground.project.state / "runs"
    done = None if fresh else find(runs, request, [])
    if done is None:
        sample = _half(ground, progress)
        ref = request.code.version.ref
        with progress.step(
            f"running the pipeline at {ref} on half of the sample, to see what depends on what"
        ):
            done = carry_out(dataclasses.replace(request, sample=sample), ground.stack.runtime, runs)
    require_success(done)
    return done


def _half(ground: Ground, progress: Progress) -> Sample:
    """Give half of the sample; made once, and instead of the half of any other sample."""
    manifest, sample = ground.sample.manifest, ground.sample.sample
    place = ground.project.state / HALVES / selection.fingerprint(manifest)[:16]
    made = selection.at(place, manifest)
    if not all(path.is_file() for table in made.tables.values() for path in table.paths):
        from sandbox.sampler.half_sample.writer import halved  # noqa: PLC0415 - Ibis is slow to import, and seldom needed

        for other in place.parent.glob("[0-9a-f]*"):
            shutil.rmtree(other, ignore_errors=True)
        with progress.step("taking half of the sample"), staged(place) as folder:
            halved(sample, manifest, ground.project.settings, folder)
    return made


def _reason(side: Side, name: str, output: OutputDiff, runs: tuple[Run, Run], terms: Terms) -> str | None:
    whole, halved = (as_tables(run.output, run.record.outputs) for run in runs)
    where = "" if side.role == "baseline" else "in the changed version, "
    if name not in halved:
        return f"{where}on half of the sample it is not made"
    assert terms.draws is not None
    assert output.estimate.unit is not None
    sample = side.ground.sample
    names = _names(side, output)
    question = Question(
        whole=whole[name],
        half=halved[name],
        drawn=terms.draws[output.estimate.unit],
        kept=selection.chosen(sample.manifest, sample.sample.path, output.estimate.unit),
        rules=_rules(terms, side, output, name),
        key=tuple(names.get(column, column) for column in output.key.columns),
    )
    reason = entangled(question, memory=memory())
    return None if reason is None else where + reason


def _rules(terms: Terms, side: Side, output: OutputDiff, name: str) -> Rules:
    """Give the rules of an output in the names that its columns have on a side."""
    rules = dataclasses.replace(terms.rules.get(name, Rules()), tainted=frozenset(output.tainted))
    if side.role == "baseline":
        return rules
    names = _names(side, output)

    def of(columns: Iterable[str]) -> tuple[str, ...]:
        return tuple(names.get(column, column) for column in columns)

    unit_key = rules.unit_key or terms.draws[str(output.estimate.unit)].key  # type: ignore[index]
    return dataclasses.replace(
        rules,
        unit_key=of(unit_key),
        ignore=frozenset({*of(rules.ignore), *output.schema_.added}),  # columns that nothing is said about
        tainted=frozenset(of(rules.tainted)),
        tolerance=dict(zip(of(rules.tolerance), rules.tolerance.values(), strict=True)),
        rename={},
    )


def _names(side: Side, output: OutputDiff) -> Mapping[str, str]:
    """Give what a side calls those of production's columns that have another name there."""
    return output.schema_.renamed if side.role == "candidate" else {}
