"""Run both versions on parts of the sample, and compare one output of theirs."""

from __future__ import annotations

import dataclasses
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.compare.rows.row_files import RowFileOptions
from sandbox.dbt import runs
from sandbox.errors import PipelineError, PipelineMemoryError, PipelineTimeoutError
from sandbox.impact.compare_outputs import ComparisonOptions, compare_tables
from sandbox.impact.witness.minimize import BudgetError
from sandbox.model import SilentProgress
from sandbox.runner.failures import check_success
from sandbox.runner.output_records import list_output_tables
from sandbox.runner.run import execute_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sandbox.compare import OutputRules
    from sandbox.impact.sides import RunnableSide
    from sandbox.manifest.diff import OutputDiff
    from sandbox.model import Sample, TableFiles
    from sandbox.runner.run import Run, RunRequest
    from sandbox.sampler.sub_sample import SubSample, SubSampleWriter

RUNS_PER_TRIAL = 2
_RUN_FAILURES = (PipelineError, PipelineTimeoutError, PipelineMemoryError)


@dataclass(kw_only=True)
class Budget:
    """The allowed runs and time of a search.

    Attributes:
        runs: The largest number of runs.
        seconds: The time after which no trial begins.
        used_runs: The number of runs so far.
    """

    runs: int
    seconds: float
    used_runs: int = 0
    started: float = field(default_factory=time.monotonic)

    def take(self) -> None:
        """Count the runs of one trial.

        Raises:
            BudgetError: They are not allowed any more.
        """
        if self.used_runs + RUNS_PER_TRIAL > self.runs or time.monotonic() - self.started > self.seconds:
            raise BudgetError
        self.used_runs += RUNS_PER_TRIAL


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A part of the sample on which the output differs.

    Attributes:
        part: The part.
        sample: Its files.
        output: The comparison.
        tables: The output of the baseline and of the candidate.
        rows: The folder of the differing rows.
    """

    part: SubSample
    sample: Sample
    output: OutputDiff
    tables: tuple[TableFiles | None, TableFiles | None]
    rows: Path


@dataclass(frozen=True, kw_only=True)
class TrialRunner:
    """Tries parts of the sample.

    Attributes:
        sides: The baseline and the candidate, ready to run.
        writer: Writes parts of the sample.
        name: The output.
        rules: Its rules, with the noise found in the whole sample.
        whole: Its comparison on the whole sample.
        units: The key of each unit table.
        folder: An empty folder, for samples and runs.
        budget: The allowed runs and time.
        advance: Called after each trial with the number of its runs.
    """

    sides: tuple[RunnableSide, RunnableSide]
    writer: SubSampleWriter
    name: str
    rules: OutputRules
    whole: OutputDiff
    units: dict[str, tuple[str, ...]]
    folder: Path
    budget: Budget
    advance: Callable[[float], None]

    def find_difference(self, part: SubSample) -> Trial | None:
        """Run both versions on a part; None if the output is the same there, or a version fails.

        Raises:
            BudgetError: No further run is allowed.
        """
        self.budget.take()
        place = self.folder / f"trial-{self.budget.used_runs}"
        sample = self.writer.write(part, place / "sample")
        try:
            trial = self._compare(part, sample, self._run_sides(sample, place), place)
        except _RUN_FAILURES:
            trial = None
        self.advance(RUNS_PER_TRIAL)
        if trial is None:
            shutil.rmtree(place, ignore_errors=True)
        return trial

    def _run_sides(self, sample: Sample, place: Path) -> tuple[Run, Run]:
        """Run both versions, at the same time unless the candidate builds on the baseline's run."""
        project = self.sides[1].context.project
        baseline, candidate = (dataclasses.replace(side.request, sample=sample) for side in self.sides)
        if runs.is_dbt_project(project):
            first = self._run(self.sides[0], baseline, place)
            return first, self._run(self.sides[1], runs.defer_to_baseline(project, candidate, first), place)
        with ThreadPoolExecutor(RUNS_PER_TRIAL) as pool:
            first, second = pool.map(self._run, self.sides, (baseline, candidate), (place, place))
        return first, second

    def _run(self, side: RunnableSide, request: RunRequest, place: Path) -> Run:
        done = execute_run(request, side.context.stack.runtime, place / "runs")
        check_success(done)
        return done

    def _compare(self, part: SubSample, sample: Sample, sides: tuple[Run, Run], place: Path) -> Trial | None:
        baseline, candidate = (
            list_output_tables(run.output_folder, run.record.outputs).get(self.name) for run in sides
        )
        rows = place / "rows"
        outputs = compare_tables(
            {self.name: baseline} if baseline else {},
            {self.name: candidate} if candidate else {},
            ComparisonOptions(
                rules={self.name: self.rules},
                units=self.units,
                details=False,
                row_files=RowFileOptions(folder=rows),
            ),
            progress=SilentProgress(),
        )
        output = outputs.get(self.name)
        if output is None or not _is_same_kind(output, self.whole):
            return None
        return Trial(part=part, sample=sample, output=output, tables=(baseline, candidate), rows=rows)


def _is_same_kind(part: OutputDiff, whole: OutputDiff) -> bool:
    """Return whether a part of the sample has differences, and only such as the whole sample has."""
    if part.rows.different <= part.rows.noise + part.rows.rounding or part.status != whole.status:
        return False
    if part.key.columns != whole.key.columns:
        return True  # rows are not paired alike: only whether any differ can be compared
    changed = {name for name, column in part.columns.items() if column.changed}
    return (
        changed <= {name for name, column in whole.columns.items() if column.changed}
        and not (part.rows.added and not whole.rows.added)
        and not (part.rows.removed and not whole.rows.removed)
        and not (part.rows.changed and not whole.rows.changed)
    )
