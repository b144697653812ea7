"""Run the parts of a change, each alone and each left out, and attribute the differing rows to them."""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.compare import OutputRules
from sandbox.compare.rows.row_files import RowFileOptions
from sandbox.dbt import runs
from sandbox.errors import PipelineError, PipelineMemoryError, PipelineTimeoutError, SandboxError, UsageError
from sandbox.impact.attribution.commits import list_commit_parts
from sandbox.impact.attribution.explanations import explain_rows
from sandbox.impact.attribution.row_names import RowNamer
from sandbox.impact.compare_outputs import build_comparison_options, compare_tables
from sandbox.impact.noise.detection import OutputNoise, add_noise_to_rules
from sandbox.manifest.why.attribution import AttributionDocument, OutputAttribution, RowExplanation
from sandbox.model import SilentProgress
from sandbox.runner.code.code_parts import CodeChange, check_part_count
from sandbox.runner.failures import summarize_error
from sandbox.runner.output_records import list_output_tables

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence
    from pathlib import Path

    from sandbox.impact.attribution.explanations import Explanation
    from sandbox.impact.diff import Comparison
    from sandbox.impact.sides import RunnableSide
    from sandbox.model import Progress, TableFiles
    from sandbox.runner.code.code_parts import CodePart, CommitPart, PartKind

    Part = CodePart | CommitPart

MAX_PARTS = 12
_RUN_FAILURES = (PipelineError, PipelineTimeoutError, PipelineMemoryError)
Tables = dict[str, "TableFiles"]


def attribute_change(
    comparison: Comparison, *, kind: PartKind | None, folder: Path, progress: Progress
) -> AttributionDocument:
    """Attribute the differing rows of all outputs to the parts of the change.

    Args:
        comparison: The comparison of both versions.
        kind: The kind of the parts. None takes files, or the hunks of the only changed file.
        folder: An empty folder for rows.
        progress: Shows the runs.

    Raises:
        UsageError: Nothing of the code differs, there are too many parts, or the stacks differ.
    """
    sides = comparison.baseline, comparison.candidate
    if sides[0].request.environment.id != sides[1].request.environment.id:
        raise UsageError(
            "the two versions have different stacks, and parts of the code are run in one stack",
            hint="compare the stacks alone: sandbox diff --stack FILE",
        )
    change = CodeChange(sides[0].request.code, sides[1].request.code)
    with contextlib.ExitStack() as opened:
        parts = list_commit_parts(change, *sides, opened) if kind == "commit" else _choose_parts(change, kind)
        return _attribute_parts(comparison, change, parts, folder=folder, progress=progress)


def _attribute_parts(
    comparison: Comparison, change: CodeChange, parts: Sequence[Part], *, folder: Path, progress: Progress
) -> AttributionDocument:
    if not parts:
        raise UsageError("no file of the code differs between the two versions", hint="sandbox diff")
    check_part_count(parts, MAX_PARTS)
    trials = _PartTrials(comparison=comparison, change=change, parts=parts)
    with progress.step("running the parts of the change", total=2 * len(parts), unit="runs") as advance:
        for number in range(len(parts)):
            trials.run_part(number)
            advance(2)
    with progress.step("attributing the rows that differ"):
        outputs = trials.attribute_outputs(folder)
    return AttributionDocument(
        parts=[part.label for part in parts], runs=trials.runs, outputs=outputs, failed=trials.failed
    )


def _choose_parts(change: CodeChange, kind: PartKind | None) -> Sequence[Part]:
    if kind is not None:
        return change.list_parts(kind)
    found = change.list_parts("file")
    return change.list_parts("hunk") if len(found) == 1 else found


@dataclass(kw_only=True)
class _PartTrials:
    """The runs of the parts.

    Attributes:
        alone: By part, the outputs of the baseline with it; equal to the candidate's for an only part.
        without: By part, the outputs of the candidate without it.
        failed: The labels of parts that could not be run, with the reason.
        runs: The number of runs.
    """

    comparison: Comparison
    change: CodeChange
    parts: Sequence[Part]
    alone: dict[int, Tables] = field(default_factory=dict)
    without: dict[int, Tables] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    runs: int = 0

    def run_part(self, number: int) -> None:
        """Run the baseline with a part, and the candidate without it."""
        part = self.parts[number]
        others = [other for other in self.parts if other != part]
        baseline, candidate = self.comparison.baseline, self.comparison.candidate
        for side, chosen, results, words in (
            (baseline, [part], self.alone, "with"),
            (candidate, others, self.without, "without"),
        ):
            try:
                results[number] = self._run(side, chosen, f"{self._name_side(side)} {words} {part.label}")
            except _RUN_FAILURES as error:
                self.failed[part.label] = f"{words} it alone, {summarize_error(error)}"

    def attribute_outputs(self, folder: Path) -> dict[str, OutputAttribution]:
        """Attribute the differing rows of each output."""
        findings = self.comparison.findings
        assert findings.baseline_run is not None
        baseline, candidate = (
            list_output_tables(run.output_folder, run.record.outputs)
            for run in (findings.baseline_run, findings.candidate_run)
        )
        return {
            name: self._attribute_output(name, baseline, candidate, folder)
            for name, output in findings.outputs.items()
            if output.rows.different > output.rows.noise + output.rows.rounding
        }

    def _run(self, side: RunnableSide, chosen: Sequence[Part], ref: str) -> Tables:
        code = self.change.build_version(chosen, ref)
        changed = dataclasses.replace(side, request=dataclasses.replace(side.request, code=code))
        project = side.context.project
        if runs.is_dbt_project(project) and self.comparison.findings.baseline_run is not None:
            plain = dataclasses.replace(changed.request, setup=self.comparison.baseline.request.setup)
            request = runs.defer_to_baseline(project, plain, self.comparison.findings.baseline_run)
            changed = dataclasses.replace(changed, request=request)
        self.runs += 1
        try:
            run = changed.run(fresh=False, progress=SilentProgress())
        except SandboxError as error:
            if isinstance(error, _RUN_FAILURES):
                raise
            raise type(error)(f"{ref}: {error.message}", hint=error.hint) from error
        return list_output_tables(run.output_folder, run.record.outputs)

    def _name_side(self, side: RunnableSide) -> str:
        return side.request.code.version.ref

    def _attribute_output(self, name: str, baseline: Tables, candidate: Tables, folder: Path) -> OutputAttribution:
        namer = RowNamer(comparison=self.comparison, name=name, columns=self._list_columns(name))
        output = self.comparison.findings.outputs[name]
        if not namer.key:
            reason = "it has no key, neither of a row nor of a unit"
            return OutputAttribution(rows=output.rows.different, explanations=[], reason=reason)
        differing = self._find_rows(namer, baseline, candidate, folder / "whole")
        alone = {
            number: self._find_rows(namer, baseline, tables, folder / f"alone-{number}")
            for number, tables in self.alone.items()
        }
        without = {
            number: self._find_rows(namer, tables, candidate, folder / f"without-{number}")
            for number, tables in self.without.items()
        }
        groups = explain_rows(differing, alone, without)
        explanations = [self._describe(namer, explanation, rows) for explanation, rows in groups.items()]
        return OutputAttribution(
            rows=output.rows.different,
            explanations=sorted(explanations, key=lambda explanation: (-explanation.rows, explanation.parts)),
        )

    def _find_rows(self, namer: RowNamer, baseline: Tables, candidate: Tables, folder: Path) -> set[Hashable]:
        """Return the names of the rows of an output that differ between two runs."""
        name = namer.name
        terms = build_comparison_options(
            self.comparison.candidate.context.project, self.comparison.candidate.context.sample.manifest
        )
        output = self.comparison.findings.outputs[name]
        noise = OutputNoise(columns=frozenset(output.tainted), rounding=output.noise_tolerances)
        rules = add_noise_to_rules(terms.rules.get(name, OutputRules()), noise)
        if output.key.columns and rules.key is None:
            rules = dataclasses.replace(rules, key=tuple(output.key.columns))
        before, after = ({name: tables[name]} if name in tables else {} for tables in (baseline, candidate))
        if not (before or after):
            return set()
        compared = compare_tables(
            before,
            after,
            dataclasses.replace(terms, rules={name: rules}, details=False, row_files=RowFileOptions(folder=folder)),
            progress=SilentProgress(),
        )
        return namer.read_names(before.get(name), compared[name], folder.joinpath(*name.split("/")))

    def _list_columns(self, name: str) -> list[str]:
        findings = self.comparison.findings
        runs_with_output = [run for run in (findings.baseline_run, findings.candidate_run) if run is not None]
        found = next((run.record.outputs[name] for run in runs_with_output if name in run.record.outputs), None)
        return list(found.columns) if found else []

    def _describe(self, namer: RowNamer, explanation: Explanation, rows: Sequence[Hashable]) -> RowExplanation:
        units = namer.count_units(rows)
        return RowExplanation(
            kind=explanation.kind,
            parts=[self.parts[number].label for number in explanation.parts],
            rows=len(rows),
            units=units[0] if units else None,
            production_units=units[1] if units else None,
        )
