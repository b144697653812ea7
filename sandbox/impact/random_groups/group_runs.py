"""Run one side on random groups of units, and check that what it makes of them adds up."""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.compare.units.cell_totals import MAX_CELLS, CellTotals, count_unequal_cells, read_cell_totals
from sandbox.engine.duckdb.session import Session
from sandbox.errors import StoreError
from sandbox.formatting import format_count
from sandbox.impact.check_records import read_record, write_record
from sandbox.impact.compare_outputs import compute_memory_limit
from sandbox.impact.separability.half_sample_run import RUN_FAILURES, HalfSample, run_half_sample
from sandbox.manifest.canonical_json import hash_json
from sandbox.manifest.separability import CellGroups, GroupsRecord, OutputGroups
from sandbox.runner.failures import check_success, summarize_error
from sandbox.runner.output_records import list_output_tables
from sandbox.runner.run import execute_run
from sandbox.sampler.sub_sample import SubSampleWriter
from sandbox.scratch import make_scratch_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from sandbox.config.sections.estimate import CheckExtent
    from sandbox.impact.random_groups.assignment import GroupedSample
    from sandbox.impact.sides import RunnableSide
    from sandbox.model import Progress, TableFiles
    from sandbox.runner.run import Run, RunRequest
    from sandbox.sampler.sub_sample import SubSample

_Totals = dict[str, CellTotals]


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupRuns:
    """The runs of one side on the groups of a sample.

    Attributes:
        side: The side, ready to run.
        run: Its run on the whole sample.
        sample: The groups.
        keys: The key's columns of each output, in the side's names.
        checks: What is checked.
    """

    side: RunnableSide
    run: Run
    sample: GroupedSample
    keys: Mapping[str, Sequence[str]]
    checks: CheckExtent

    @property
    def request(self) -> RunRequest:
        """The side's request without outputs of another run: those are of the whole sample, and not of a part."""
        request = self.side.request
        if request.setup is None or request.setup.state is None:
            return request
        return dataclasses.replace(request, setup=request.setup.drop_state())

    @property
    def identity(self) -> str:
        """A digest of everything that the record depends on."""
        outputs = self.run.record.outputs
        return hash_json(
            {
                "groups of": self.request.identity,
                "parts": [part.compute_fingerprint(self.sample.manifest.fingerprint) for part in self.sample.parts],
                "keys": {name: list(key) for name, key in sorted(self.keys.items())},
                "made": {name: [file.sha256 for file in outputs[name].files] for name in self.keys},
                "checks": self.checks,
            }
        )

    def read_record(self) -> GroupsRecord | None:
        """Read the stored record; None if there is none."""
        return read_record(GroupsRecord, self.side.context.project.state_folder, self.identity)

    def create_record(self, *, fresh: bool, progress: Progress) -> GroupsRecord:
        """Run the groups, check that their sums add up, and store the record.

        A group on which the code fails leaves the outputs without estimates.
        """
        try:
            record = self._run_groups(fresh=fresh, progress=progress)
        except RUN_FAILURES as error:
            where = "" if self.side.role == "baseline" else "in the changed version, "
            reason = f"{where}on groups of {self.sample.draw.table}, {summarize_error(error)}"
            outputs = {name: OutputGroups(reason=reason) for name in self.keys}
            return GroupsRecord(identity=self.identity, outputs=outputs, units=0)
        write_record(self.side.context.project.state_folder, record)
        return record

    def _run_groups(self, *, fresh: bool, progress: Progress) -> GroupsRecord:
        whole = self._read_totals(self.run, self.keys)
        usable = {name: key for name, key in self.keys.items() if name in whole}
        parts = self.sample.parts
        count, units = self.sample.assignment.groups.count, len(self.sample.keys)
        copied: list[tuple[float, _Totals]] = []
        enlarged: _Totals | None = None
        with make_scratch_folder("groups") as folder, self._open_writer() as session:
            writer = SubSampleWriter(
                session,
                self.side.context.sample.sample,
                self.sample.manifest,
                self.side.context.project.settings,
                whole_lookups=True,
            )
            ref = self.side.request.code.version.ref
            what = f"running the pipeline at {ref} on {format_count(count, 'random group')} of {self.sample.draw.table}"
            with progress.step(f"{what} (1 run of the sample)"):
                made = [self._run_part(writer, part, folder, usable) for part in parts]
            if self.checks == "full":
                enlarged, factors, units = self._run_enlarged(usable, fresh=fresh, progress=progress)
                with progress.step(f"running the pipeline at {ref} on the copied {self.sample.draw.table} alone"):
                    copied += [(factor, self._run_part(writer, part, folder, usable)) for factor, part in factors]
                copied += [(1.0, whole), (-1.0, self._run_first_half(usable, fresh=fresh, progress=progress))]
        outputs = {}
        for name in self.keys:
            if name not in usable:
                outputs[name] = OutputGroups(reason=f"it has more than {format_count(MAX_CELLS, 'row')}")
                continue
            tests = [("groups", whole[name], [(1.0, part[name]) for part in made if name in part])]
            if enlarged is not None and name not in enlarged:
                outputs[name] = OutputGroups(reason="on the enlarged half-sample it is not made, or has too many rows")
                continue
            if enlarged is not None:
                pieces = [(factor, part[name]) for factor, part in copied if name in part]
                tests.append(("the enlarged half-sample", enlarged[name], pieces))
            outputs[name] = self._build_output(name, whole[name], made[:count], tests)
        return GroupsRecord(identity=self.identity, outputs=outputs, units=units)

    def _open_writer(self) -> Session:
        return Session(memory=self.side.context.project.settings.sample.memory, failure=StoreError)

    def _run_part(
        self, writer: SubSampleWriter, part: SubSample, folder: Path, keys: Mapping[str, Sequence[str]]
    ) -> _Totals:
        place = folder / "part"
        sample = writer.write(part, place / "sample")
        request = dataclasses.replace(self.request, sample=sample)
        done = execute_run(request, self.side.context.stack.runtime, place / "runs")
        check_success(done)
        totals = self._read_totals(done, keys)
        shutil.rmtree(place, ignore_errors=True)
        return totals

    def _run_first_half(self, keys: Mapping[str, Sequence[str]], *, fresh: bool, progress: Progress) -> _Totals:
        memory = self.side.request.limits.memory_bytes
        half = HalfSample(ground=self.side.context, half="first", memory=memory)
        request = dataclasses.replace(self.request, sample=half.sample)
        return self._read_totals(run_half_sample(half, request, fresh=fresh, progress=progress), keys)

    def _run_enlarged(
        self, keys: Mapping[str, Sequence[str]], *, fresh: bool, progress: Progress
    ) -> tuple[_Totals, list[tuple[float, SubSample]], int]:
        """Run the enlarged half-sample; return its sums, its copied units by their copies, and its number of units."""
        memory = self.side.request.limits.memory_bytes
        half = HalfSample(ground=self.side.context, half="second", memory=memory)
        request = dataclasses.replace(self.request, sample=half.sample)
        record = half.prepare(progress)
        totals = self._read_totals(run_half_sample(half, request, fresh=fresh, progress=progress), keys)
        by_copies: dict[int, list[tuple[str, ...]]] = {}
        for unit in record.copied:
            by_copies.setdefault(unit.copies, []).append(tuple(unit.key))
        factors = [(float(copies), self.sample.build_part(tuple(some))) for copies, some in sorted(by_copies.items())]
        return totals, factors, record.units.get(self.sample.draw.table, 0)

    def _read_totals(self, run: Run, keys: Mapping[str, Sequence[str]]) -> _Totals:
        """Read the sums of the outputs that a run made; outputs with too many cells are left out."""
        tables: Mapping[str, TableFiles] = list_output_tables(run.output_folder, run.record.outputs)
        read = {
            name: read_cell_totals(tables[name], key, memory=compute_memory_limit())
            for name, key in keys.items()
            if name in tables
        }
        return {name: totals for name, totals in read.items() if totals is not None}

    def _build_output(
        self,
        name: str,
        whole: CellTotals,
        groups: Sequence[Mapping[str, CellTotals]],
        tests: Iterable[tuple[str, CellTotals, list[tuple[float, CellTotals]]]],
    ) -> OutputGroups:
        where = "" if self.side.role == "baseline" else "in the changed version, "
        checks = list(tests)
        columns: dict[str, str | None] = {}
        for column in whole.types:
            columns[column] = None
            for what, total, parts in checks:
                unequal, cells = count_unequal_cells(column, total, parts)
                if unequal:
                    columns[column] = (
                        f"{where}the sums of {what} of {self.sample.draw.table} do not add up to the whole: in "
                        f"{unequal:,} of {format_count(cells, 'row')}"
                    )
                    break
        made = [group.get(name) or CellTotals(types={}, sums={}) for group in groups]
        additive = [column for column, reason in columns.items() if reason is None]
        cells_by_key = sorted(
            whole.sums.keys() | {cell for group in made for cell in group.sums},
            key=lambda cell: tuple((value is None, value or "") for value in cell),
        )
        cells_list = [
            CellGroups(
                key=list(cell),
                sums={
                    column: [group.get_sum(cell, column) if column in group.types else 0.0 for group in made]
                    for column in additive
                },
            )
            for cell in cells_by_key
        ]
        return OutputGroups(reason=None, columns=columns, cells=cells_list if additive else [])
