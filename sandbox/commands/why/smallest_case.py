"""``sandbox why``: find the smallest part of the sample on which an output of two versions differs."""

from __future__ import annotations

import contextlib
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox import __version__
from sandbox.dbt.runs import is_dbt_project
from sandbox.errors import StoreError
from sandbox.impact.diff import open_comparison
from sandbox.impact.witness.preparation import (
    choose_output,
    find_differing_units,
    list_output_columns,
    open_trial_runner,
)
from sandbox.impact.witness.search import WitnessSearch
from sandbox.impact.witness.trials import Budget
from sandbox.manifest.canonical_json import hash_json
from sandbox.manifest.why.cause import OutputCause
from sandbox.manifest.why.witness import WitnessDocument
from sandbox.report.why import witness_files as files
from sandbox.report.why.stored_causes import add_causes, write_or_find_document
from sandbox.store.folder import make_staging_folder, publish_folder, restrict_access
from sandbox.store.seal_key import load_seal_key

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.impact.diff import Comparison
    from sandbox.impact.options import DiffOptions, DiffVersions
    from sandbox.impact.witness.search import SearchResult
    from sandbox.impact.witness.trials import Trial
    from sandbox.manifest.diff_sides import DiffSide
    from sandbox.model import Progress
    from sandbox.report.why.witness_files import ExpectedSide

WITNESS_FOLDER = "witness"


@dataclass(frozen=True, kw_only=True)
class WhyOptions:
    """The options of a search.

    Attributes:
        output: The output; None is the one with the largest share of differing rows.
        expect: The side whose rows the written test expects.
        target: The folder of the witness; None keeps it beside the report.
        diff: The options of the comparison.
    """

    output: str | None
    expect: ExpectedSide = "baseline"
    target: Path | None = None
    diff: DiffOptions


@dataclass(frozen=True, kw_only=True)
class WhyResult:
    """The witness and its folder; both None if none was found within the budget."""

    output: str
    runs: int
    witness: WitnessDocument | None
    folder: Path | None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of ``sandbox why --json``."""
        return {
            "format_version": 1,
            "output": self.output,
            "runs": self.runs,
            "found": self.witness is not None,
            "path": str(self.folder) if self.folder else None,
            "witness": self.witness.to_dict() if self.witness else None,
        }


def why(project: Project, versions: DiffVersions, options: WhyOptions, *, progress: Progress) -> WhyResult:
    """Compare two versions, and find the smallest part of the sample on which an output differs.

    Raises:
        UsageError: No row of the output differs, or the target holds other files.
        SandboxError: A version could not be judged.
    """
    if options.target is not None:
        files.check_target(options.target)
    with open_comparison(project, versions, options.diff, progress=progress) as comparison:
        stored = write_or_find_document(project, comparison.document, values=options.diff.values)
        assert stored.folder is not None
        name = choose_output(comparison.document, options.output)
        folder = options.target or stored.folder / WITNESS_FOLDER / name
        search = _Search(project=project, comparison=comparison, name=name, options=options)
        known = _copy_stored_witness(project, search.identity, folder)
        if known is not None:
            result = WhyResult(output=name, runs=0, witness=known, folder=folder)
        else:
            result = search.run(folder, progress)
    if result.witness is not None:
        cause = OutputCause(smallest=result.witness.rows, is_minimal=result.witness.is_minimal)
        add_causes(project, stored.folder, {name: cause})
    return result


@dataclass(frozen=True, kw_only=True)
class _Search:
    """The search for the witness of one output."""

    project: Project
    comparison: Comparison
    name: str
    options: WhyOptions

    @property
    def identity(self) -> str:
        """A digest of everything that determines the witness."""
        document, settings = self.comparison.document, self.project.settings
        output = document.outputs[self.name]
        return hash_json(
            {
                "version": __version__,
                "runs": [document.baseline.run, document.candidate.run],
                "output": self.name,
                "differences": output.rows.model_dump(mode="json"),
                "tainted": sorted(output.tainted),
                "expect": self.options.expect,
                "values": self.options.diff.values,
                "budget": [settings.why.runs, settings.why.time],
            }
        )

    def run(self, folder: Path, progress: Progress) -> WhyResult:
        """Search, and write the witness to a folder."""
        budget = Budget(runs=self.project.settings.why.runs, seconds=self.project.settings.why.time)
        with make_staging_folder(self.project.state_folder, label="why") as staged:
            trials = staged / "trials"
            trials.mkdir()
            with (
                progress.step(
                    f"finding the smallest difference in {self.name}", total=budget.runs, unit="runs"
                ) as advance,
                open_trial_runner(self.comparison, self.name, folder=trials, budget=budget, advance=advance) as runner,
            ):
                differing = find_differing_units(self.comparison, self.name, runner, staged)
                columns = list_output_columns(self.comparison, self.name)
                result = WitnessSearch(runner=runner, columns=columns).find(differing)
            if result.trial is None:
                return WhyResult(output=self.name, runs=budget.used_runs, witness=None, folder=None)
            with make_staging_folder(folder.absolute().parent, label="witness") as written:
                document = self._write_files(result.trial, self._describe(result, budget), written)
                restrict_access(written)
                shutil.rmtree(folder, ignore_errors=True)
                publish_folder(written, folder)
        return WhyResult(output=self.name, runs=budget.used_runs, witness=document, folder=folder)

    def _describe(self, result: SearchResult, budget: Budget) -> WitnessDocument:
        trial, document = result.trial, self.comparison.document
        assert trial is not None
        manifest = self.comparison.candidate.context.sample.manifest
        columns = {
            table: [
                column.name
                for column in manifest.tables[table].columns
                if (table, column.name) not in trial.part.nulled
            ]
            for table in trial.sample.tables
        }
        return WitnessDocument(
            identity=self.identity,
            output=self.name,
            unit=trial.part.unit_table,
            unit_count=len(trial.part.units),
            units=[list(unit) for unit in trial.part.units] if self.options.diff.values else None,
            rows=files.count_input_rows(trial),
            columns=columns,
            differences=trial.output.rows,
            is_minimal=result.is_minimal,
            differing_units=result.started_units,
            runs=budget.used_runs,
            seconds=round(time.monotonic() - budget.started, 1),
            baseline=format_version(document.baseline),
            candidate=format_version(document.candidate),
        )

    def _write_files(self, trial: Trial, document: WitnessDocument, folder: Path) -> WitnessDocument:
        """Write the witness; without values only its record."""
        if self.options.diff.values:
            files.write_inputs(trial, folder)
            files.write_expected_rows(trial, folder)
            settings = self.project.settings.pipeline
            missing = files.explain_missing_test(
                trial, list(settings.inputs), self.options.expect, is_dbt=is_dbt_project(self.project)
            )
            test = None
            if missing is None:
                what = files.WitnessTest(
                    command=str(settings.command),
                    variables=settings.env,
                    expect=self.options.expect,
                    versions=(document.baseline, document.candidate),
                )
                test = files.write_test(trial, self.name, what, folder)
            document = document.model_copy(update={"test": test, "test_missing_because": missing})
        (folder / files.WITNESS_FILE).write_text(document.to_json_text(key=load_seal_key()), "utf-8")
        return document


def format_version(side: DiffSide) -> str:
    """Return a side's ref, with its commit."""
    return f"{side.ref} ({side.commit[:12]})" if side.commit else side.ref


def _copy_stored_witness(project: Project, identity: str, folder: Path) -> WitnessDocument | None:
    """Copy the witness of the same runs and rules beside an earlier report; None if there is none."""
    for path in sorted((project.state_folder / "diffs").glob(f"*/{WITNESS_FOLDER}/**/{files.WITNESS_FILE}")):
        with contextlib.suppress(StoreError):
            document = WitnessDocument.read(path, key=load_seal_key())
            if document.identity == identity:
                if path.parent == folder:
                    return document
                with make_staging_folder(folder.absolute().parent, label="witness") as copied:
                    shutil.copytree(path.parent, copied, dirs_exist_ok=True)
                    restrict_access(copied)
                    shutil.rmtree(folder, ignore_errors=True)
                    publish_folder(copied, folder)
                return document
    return None
