"""``sandbox diff``: run production's code and the changed code on the sample, compare the outputs, write the report."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox import compare
from sandbox.commands.create import create
from sandbox.commands.run import code_of, environment_of, repository, request_for, require_command, run_once
from sandbox.config.settings import GateSection
from sandbox.errors import PipelineError, SandboxError
from sandbox.manifest.canonical import digest
from sandbox.manifest.diff import DiffDocument, EnvironmentReference, SampleReference, Side
from sandbox.report.html import html
from sandbox.report.markdown import comment
from sandbox.runner.outputs import as_tables
from sandbox.runner.run import require_success
from sandbox.store.folder import staged

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox.commands.create import Sandbox
    from sandbox.config import Project
    from sandbox.manifest.diff import OutputDiff, Verdict
    from sandbox.model import Progress
    from sandbox.runner.run import Run

REPORT = "report.html"


@dataclass(frozen=True, kw_only=True)
class DiffResult:
    """What was found, and where the report is (None for two plain tables)."""

    document: DiffDocument
    folder: Path | None

    @property
    def verdict(self) -> Verdict:
        """One of ``same``, ``within_gate``, ``outside_gate``."""
        return self.document.verdict

    def fields(self) -> dict[str, Any]:
        """Give the JSON of ``sandbox diff --json``: the same as ``diff.json``."""
        return self.document.fields()


@dataclass(frozen=True, kw_only=True)
class Versions:
    """Which versions to compare; None for the baseline is production's, for the candidate the working tree."""

    baseline: str | None = None
    candidate: str | None = None


def diff(
    project: Project,
    versions: Versions,
    *,
    name: str,
    fresh: bool,
    frozen: bool,
    progress: Progress,
    values: bool = True,
) -> DiffResult:
    """Compare two versions of the code on the project's sample; whatever is not ready yet is made ready.

    Args:
        project: The project.
        versions: Which versions.
        name: Which of its sandboxes.
        fresh: Run both again although they ran before.
        frozen: Refuse to change the lock or the sample.
        progress: Shows the steps.
        values: Whether ``comment.md``, which others will read, may show values of rows.

    Raises:
        SandboxError: Either version could not be judged; never a verdict then.
    """
    require_command(project)
    baseline_ref = versions.baseline or project.settings.pipeline.production
    repository(project).commit(baseline_ref)  # a ref that is not there must fail before any work is done
    ready = create(project, name=name, frozen=frozen, progress=progress)
    warnings = [ready.stack.warning] if ready.stack.warning else []
    sides: list[Run] = []
    with code_of(project, baseline_ref) as baseline, code_of(project, versions.candidate) as candidate:
        warnings += _unrelated(project, baseline.version.commit, candidate.version.commit, baseline_ref)
        for role, code in (("baseline", baseline), ("candidate", candidate)):
            environment = environment_of(ready.stack, code, ready.sample.sample, progress)
            request = request_for(project, code, ready.sample.sample, environment, name)
            try:
                done = run_once(project, ready.stack, request, fresh=fresh, progress=progress)
                require_success(done)
            except SandboxError as error:
                raise type(error)(f"the {role}: {error.message}", hint=error.hint) from error
            sides.append(done)
    outputs = _compare(project, sides[0], sides[1], ready, progress)
    document = _document(project, sides[0], sides[1], ready, outputs, warnings)
    return _written(project, document, values=values)


def diff_tables(baseline: str, candidate: str, *, key: list[str], progress: Progress) -> DiffResult:
    """Compare two existing tables, baseline first; nothing may differ."""
    sources = compare.tables(baseline, candidate)
    name = sources[0].name
    rules = {name: compare.Rules(key=tuple(key) or None)}
    outputs = compare.compare(
        {name: sources[0]},
        {name: sources[1]},
        rules=rules,
        units={},
        identical=(),
        memory=_memory(),
        threads=None,
        progress=progress,
        origin="tables",
    )
    verdict, gate = compare.judge(outputs, GateSection(), {})
    document = DiffDocument(
        id=_id({"baseline": baseline, "candidate": candidate}),
        created=_now(),
        project=None,
        verdict=verdict,
        baseline=_plain_side(baseline),
        candidate=_plain_side(candidate),
        sample=None,
        environment=None,
        outputs=outputs,
        tests=[],
        gate=gate,
        warnings=[],
        report=None,
    )
    return DiffResult(document=document, folder=None)


def _compare(
    project: Project, baseline: Run, candidate: Run, ready: Sandbox, progress: Progress
) -> dict[str, OutputDiff]:
    settings = project.settings
    declared = settings.outputs
    sides = [as_tables(run.output, run.record.outputs) for run in (baseline, candidate)]
    known = {*sides[0], *sides[1]}
    for name in declared:
        if name not in known:
            there = ", ".join(sorted(known))
            raise PipelineError(
                f"[outputs.{name}]: neither version made this output",
                hint=f"both together made {there}; correct the name in {project.file.name}, or the pipeline",
            )
    identical = [
        name
        for name, output in baseline.record.outputs.items()
        if name in candidate.record.outputs
        and [file.sha256 for file in output.files]
        == [file.sha256 for file in candidate.record.outputs[name].files]
        and output.format != "duckdb"
        and not (name in declared and declared[name].rename)
    ]
    return compare.compare(
        *sides,
        rules={name: compare.rules(section) for name, section in declared.items()},
        units={unit: tuple(draw.key) for unit, draw in ready.sample.manifest.units.items()},
        identical=identical,
        memory=_memory(),
        threads=None,
        progress=progress,
    )


def _document(
    project: Project,
    baseline: Run,
    candidate: Run,
    ready: Sandbox,
    outputs: Mapping[str, OutputDiff],
    warnings: list[str],
) -> DiffDocument:
    gates = {name: section.gate for name, section in project.settings.outputs.items()}
    verdict, gate = compare.judge(outputs, project.settings.gate, gates)
    manifest = ready.sample.manifest
    isolation = [run.record.isolation for run in (baseline, candidate)]
    identity = _id({"baseline": baseline.record.id, "candidate": candidate.record.id})
    return DiffDocument(
        id=identity,
        created=_now(),
        project=project.settings.project.name,
        verdict=verdict,
        baseline=_side(baseline),
        candidate=_side(candidate),
        sample=SampleReference(
            fingerprint=manifest.fingerprint,
            drawn=manifest.drawn,
            units={unit: sum(one.sampled for one in draw.strata) for unit, draw in manifest.units.items()},
            population={
                unit: sum(one.population for one in draw.strata) for unit, draw in manifest.units.items()
            },
        ),
        environment=EnvironmentReference(
            id=baseline.record.environment.id,
            runtime=baseline.record.environment.runtime,
            base=baseline.record.environment.base,
            candidate_id=candidate.record.environment.id,
            isolated=all(one is not None and one.complete for one in isolation),
        ),
        outputs=dict(outputs),
        tests=[],
        gate=gate,
        warnings=warnings,
        report=str(project.state / "diffs" / identity / REPORT),
    )


def _written(project: Project, document: DiffDocument, *, values: bool) -> DiffResult:
    folder = project.state / "diffs" / document.id
    with staged(folder) as place:
        (place / "diff.json").write_text(document.text(), "utf-8")
        (place / REPORT).write_text(html(document), "utf-8")
        (place / "comment.md").write_text(comment(document, values=values), "utf-8")
    return DiffResult(document=document, folder=folder)


def _side(run: Run) -> Side:
    record = run.record
    return Side(
        run=record.id,
        ref=run.version.ref,
        commit=run.version.commit,
        tree=run.version.tree,
        cached=run.cached,
        seconds=record.wall_seconds,
        cpu_seconds=record.cpu_seconds,
        peak_memory_bytes=record.peak_memory_bytes,
    )


def _plain_side(table: str) -> Side:
    return Side(
        run=None,
        ref=table,
        commit=None,
        tree=None,
        cached=False,
        seconds=None,
        cpu_seconds=None,
        peak_memory_bytes=None,
    )


def _unrelated(project: Project, baseline: str | None, candidate: str | None, ref: str) -> list[str]:
    """Warn where the candidate does not contain the baseline's commit: then production's own changes show as well."""
    code = repository(project)
    if baseline is None or candidate is None or code.contains(baseline, candidate):
        return []
    base = code.merge_base(baseline, candidate)
    instead = f"; to compare with where they parted: --baseline {base[:12]}" if base else ""
    return [
        f"the candidate does not contain {ref} ({baseline[:12]}), so {ref}'s own changes show as well{instead}"
    ]


def _memory() -> int:
    """Give the bytes that comparing may hold: half of this machine's, at most 4 GB."""
    return min(4 * 10**9, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)


def _id(parts: dict[str, Any]) -> str:
    return f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S}-{digest(parts)[:8]}-{os.urandom(2).hex()}"


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
