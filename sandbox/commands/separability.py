"""The separability check: only where a unit's rows do not depend on other units can a sample speak for production.

It cannot be read off code. So production's code is run once more, on half of the sample, and what it makes of the units
that are left is compared with what it made of them before. Found once, it is remembered beside the runs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from typing import TYPE_CHECKING

from sandbox.commands.comparing import memory
from sandbox.commands.remembered import written_rules
from sandbox.compare import Rules
from sandbox.compare.drawn import refused
from sandbox.compare.separable import Question, entangled
from sandbox.errors import PipelineError, PipelineMemoryError, PipelineTimeoutError, StoreError
from sandbox.manifest.canonical import digest
from sandbox.manifest.separability import SeparabilityRecord
from sandbox.model import Sample
from sandbox.runner.recorded import as_tables
from sandbox.runner.run import carry_out, find, require_success
from sandbox.sampler import half
from sandbox.store.folder import staged, write

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.commands.comparing import Terms
    from sandbox.commands.documents import Findings
    from sandbox.commands.sides import Ground, Side
    from sandbox.manifest.diff import OutputDiff
    from sandbox.model import Progress
    from sandbox.runner.run import Request, Run

HALVES = "halves"
RECORDS = "separability"
FLICKERING = "rows of it come and go between two runs of production's own code"


def checked(baseline: Side, found: Findings, terms: Terms, *, fresh: bool, progress: Progress) -> Findings:
    """Take back the estimates of outputs whose units depend on each other, or of which that cannot be told.

    Args:
        baseline: Still ready to be run.
        found: What was found, estimates and noise included.
        terms: By what the outputs were compared.
        fresh: Run it again although it ran before.
        progress: Shows the steps.
    """
    outputs = {
        name: _refused(output, FLICKERING) if output.flickering and _estimated(output) else output
        for name, output in found.outputs.items()
    }
    draws = terms.draws or {}
    doubtful = {
        name: output
        for name, output in outputs.items()
        if _estimated(output) and not draws[str(output.estimate.unit)].complete
    }
    if doubtful and found.baseline_run is not None:
        record = _record(baseline, found.baseline_run, doubtful, terms, fresh=fresh, progress=progress)
        for name, output in doubtful.items():
            reason = record.reasons[name]
            if reason is not None:
                outputs[name] = _refused(output, reason)
    return dataclasses.replace(found, outputs=outputs)


def _estimated(output: OutputDiff) -> bool:
    return output.estimate.status == "estimated"


def _refused(output: OutputDiff, reason: str) -> OutputDiff:
    units = output.estimate.units_affected
    none = refused(reason, unit=output.estimate.unit, sample=units.sample if units else None)
    return output.model_copy(update={"estimate": none})


def _record(
    baseline: Side,
    run: Run,
    outputs: Mapping[str, OutputDiff],
    terms: Terms,
    *,
    fresh: bool,
    progress: Progress,
) -> SeparabilityRecord:
    """Give what was found before about the same outputs of the same run, or find it."""
    manifest = baseline.ground.sample.manifest
    request = dataclasses.replace(
        baseline.request,
        sample=Sample(fingerprint=half.fingerprint(manifest), path=baseline.ground.project.state),
    )
    asked = {
        name: [written_rules(_rules(terms, output, name)), output.estimate.unit, output.key.columns]
        for name, output in outputs.items()
    }
    made = {name: [file.sha256 for file in run.record.outputs[name].files] for name in outputs}
    identity = digest({"half": request.identity, "asked": asked, "made": made})
    place = baseline.ground.project.state / RECORDS / f"{identity}.json"
    if place.is_file() and not fresh:
        with contextlib.suppress(StoreError):  # a damaged one is made again
            return SeparabilityRecord.read(place)
    try:
        halved = _run(baseline.ground, request, fresh=fresh, progress=progress)
    except (PipelineError, PipelineTimeoutError, PipelineMemoryError, StoreError) as error:
        first = error.message.splitlines()[0]
        reason = f"it cannot be told whether its rows depend on other units: on half of the sample, {first}"
        record = SeparabilityRecord(run=None, reasons=dict.fromkeys(outputs, reason))
        if not isinstance(error, PipelineError):
            return record  # another time there may be room, or time, enough
    else:
        with progress.step("comparing what half of the sample gave with the whole"):
            reasons = {
                name: _reason(baseline.ground, name, output, (run, halved), terms)
                for name, output in outputs.items()
            }
        record = SeparabilityRecord(run=halved.record.id, reasons=reasons)
    write(place, record.text())
    return record


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
    place = ground.project.state / HALVES / half.fingerprint(manifest)[:16]
    made = half.at(place, manifest)
    if not all(path.is_file() for table in made.tables.values() for path in table.paths):
        from sandbox.sampler.halving import halved  # noqa: PLC0415 - Ibis is slow to import, and seldom needed

        for other in place.parent.glob("[0-9a-f]*"):
            shutil.rmtree(other, ignore_errors=True)
        with progress.step("taking half of the sample"), staged(place) as folder:
            halved(sample, manifest, ground.project.settings, folder)
    return made


def _reason(ground: Ground, name: str, output: OutputDiff, runs: tuple[Run, Run], terms: Terms) -> str | None:
    whole, halved = (as_tables(run.output, run.record.outputs) for run in runs)
    if name not in halved:
        return "on half of the sample production's code does not make it"
    assert terms.draws is not None
    assert output.estimate.unit is not None
    question = Question(
        whole=whole[name],
        half=halved[name],
        drawn=terms.draws[output.estimate.unit],
        kept=half.chosen(ground.sample.manifest, ground.sample.sample.path, output.estimate.unit),
        rules=_rules(terms, output, name),
        key=tuple(output.key.columns),
    )
    return entangled(question, memory=memory())


def _rules(terms: Terms, output: OutputDiff, name: str) -> Rules:
    return dataclasses.replace(terms.rules.get(name, Rules()), tainted=frozenset(output.tainted))
