"""Comparing what two runs left, output by output."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sandbox.compare import key_inference
from sandbox.compare.columns import ColumnMatch, ComparedColumn, TableShape, match_columns
from sandbox.compare.prefilter import Prefilter
from sandbox.compare.profile.details import choose_sampling_interval, compute_details
from sandbox.compare.reading import table_reader
from sandbox.compare.reading.offending_lines import describe_offending_line
from sandbox.compare.relations import SIDES, SideName
from sandbox.compare.rows import row_matching
from sandbox.compare.rows.change_counts import ChangeCounts, count_changes, select_differing_columns
from sandbox.compare.rows.row_files import RowFileWriter
from sandbox.compare.rows.row_matching import (
    NO_KEY_REPEATS,
    ComparisonPlan,
    collect_differing_rows,
    create_value_views,
    has_mostly_changed_rows,
    match_repeated_keys,
    match_unique_keys,
)
from sandbox.compare.rules import NO_TOLERANCE, OutputRules, Tolerance, compute_engine_memory
from sandbox.compare.units import unit_key
from sandbox.compare.units.sampled_units import OutputUnits, build_empty_estimate
from sandbox.engine.duckdb.session import Session
from sandbox.errors import ConfigError, DataRuleError, PipelineError, SourceError
from sandbox.manifest.diff import AppliedTolerance, ColumnChanges, OutputDiff, RowCounts, RowKey

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sandbox.compare.relations import Differences, MatchedKeys, SideRows
    from sandbox.compare.rows.row_files import RowFileOptions
    from sandbox.compare.rules import TableOrigin
    from sandbox.compare.units.sampled_units import UnitTableDraw
    from sandbox.errors import SandboxError
    from sandbox.manifest.output_estimate import OutputEstimate
    from sandbox.model import Progress, TableFiles

_READ_ERRORS: dict[TableOrigin, type[SandboxError]] = {"project": PipelineError, "tables": SourceError}
_KEY_ERRORS: dict[TableOrigin, type[SandboxError]] = {"project": ConfigError, "tables": DataRuleError}


def compare_tables(  # noqa: PLR0913 -- each is needed, and all but two are named
    baseline: Mapping[str, TableFiles],
    candidate: Mapping[str, TableFiles],
    *,
    rules: Mapping[str, OutputRules],
    units: Mapping[str, tuple[str, ...]],
    draws: Mapping[str, UnitTableDraw] | None = None,
    identical: Collection[str],
    memory: int,
    threads: int | None,
    progress: Progress,
    origin: TableOrigin = "project",
    details: bool = True,
    row_files: RowFileOptions | None = None,
) -> dict[str, OutputDiff]:
    """Compare two sets of tables by name.

    Args:
        baseline: A name to where production's table is.
        candidate: The same for the changed version.
        rules: What is declared about an output; outputs without an entry have no rules.
        units: Each unit table to its key, the most important first; empty where there is no sample.
        draws: The draw of each unit table, to estimate by what the differences mean for production; None counts the
            sample alone.
        identical: Outputs whose files are the same, byte for byte: their rows are only counted.
        memory: Bytes that this process may take; what needs more spills to the disk.
        threads: How many it may use; None takes all processors.
        progress: Shows one step an output.
        origin: What a failure is: of a project's pipeline and file, or of two tables on the command line.
        details: Whether examples, distributions and segments are wanted too.
        row_files: Where to write all differing rows; None writes none.

    Returns:
        One entry a name, sorted by name.

    Raises:
        PipelineError: A table of a project's run cannot be read (for plain tables SourceError).
        ConfigError: A declared key is not in an output (for plain tables RuleError).
    """
    given = {}
    with Session(memory=compute_engine_memory(memory), threads=threads, failure=_READ_ERRORS[origin]) as session:
        reader = table_reader.TableReader(session, _READ_ERRORS[origin])
        for name in sorted({*baseline, *candidate}):
            with progress.step(f"comparing {name}"):
                work = _OutputComparison(
                    session=session,
                    reader=reader,
                    name=name,
                    rules=rules.get(name, OutputRules()),
                    units=units,
                    draws=draws or {},
                    origin=origin,
                    details=details,
                    memory=memory,
                    row_files=row_files,
                )
                if name not in candidate:
                    given[name] = work.compare_one_side("baseline", baseline[name])
                elif name not in baseline:
                    given[name] = work.compare_one_side("candidate", candidate[name])
                else:
                    both: dict[SideName, TableFiles] = {
                        "baseline": baseline[name],
                        "candidate": candidate[name],
                    }
                    given[name] = work.compare_both_sides(both, identical=name in identical)
    return given


@dataclass(frozen=True, kw_only=True)
class _RowMatch:
    """The plan with the key, the rows that may differ, and the keys whose rows differ; None where there is no key."""

    plan: ComparisonPlan
    rows: SideRows
    keys: MatchedKeys | None


@dataclass(frozen=True, kw_only=True)
class _OutputComparison:
    """One output's comparison."""

    session: Session
    reader: table_reader.TableReader
    name: str
    rules: OutputRules
    units: Mapping[str, tuple[str, ...]]
    draws: Mapping[str, UnitTableDraw]
    origin: TableOrigin
    details: bool
    memory: int
    row_files: RowFileOptions | None

    @property
    def row_writer(self) -> RowFileWriter | None:
        if self.row_files is None:
            return None
        return RowFileWriter(session=self.session, options=self.row_files, name=self.name, doing=self.doing)

    @property
    def doing(self) -> str:
        return f"comparing {self.name}"

    def compare_one_side(self, side: SideName, table: TableFiles) -> OutputDiff:
        """An output that only one side has: all of it is removed, or added."""
        shape = self.reader.open(side, table)
        if self.row_writer:
            self.row_writer.write_side(side, shape)
        removed, added = (shape.rows, 0) if side == "baseline" else (0, shape.rows)
        return OutputDiff(
            status="removed" if side == "baseline" else "added",
            identical=False,
            key=RowKey(columns=list(self.rules.key or ()), source="declared" if self.rules.key else "none"),
            rows=RowCounts(baseline=removed, candidate=added, added=added, removed=removed, changed=0, unchanged=0),
            estimate=build_empty_estimate(unit_key.ONE_SIDE_REASON if self.units else unit_key.NO_SAMPLE_REASON),
        )

    def compare_both_sides(self, tables: dict[SideName, TableFiles], *, identical: bool) -> OutputDiff:
        """An output that both sides have."""
        shapes = self.reader.open_tables(tables, self.rules.rename, self.rules.types)
        found = match_columns(shapes["baseline"].names, shapes["candidate"].names, self.rules)
        try:
            key_inference.check_declared_columns(self.name, self.rules, shapes, _KEY_ERRORS[self.origin])
            columns = table_reader.build_compared_columns(
                self.session, shapes, found, self.rules, _KEY_ERRORS[self.origin]
            )
            declared = key_inference.resolve_declared_key(
                self.name, self.rules, columns, shapes, _KEY_ERRORS[self.origin]
            )
            empty = self.reader.find_null_columns(columns, shapes, doing=self.doing)
            if identical:
                result = self._build_identical_diff(shapes, found, columns, declared)
            elif not columns:
                result = self._build_unmatched_diff(shapes, found)
            else:
                result = self._compare_rows(shapes, found, columns, declared)
            more = {"idle_tolerances": self._describe_idle_tolerances(columns, tables), "null_columns": empty}
            return result.model_copy(update=more)
        except _READ_ERRORS[self.origin]:
            for side in SIDES:  # if a file is damaged inside, say which
                self.reader.check(side, tables[side], shapes[side])
            raise

    def _describe_idle_tolerances(
        self, columns: list[ComparedColumn], tables: dict[SideName, TableFiles]
    ) -> dict[str, str]:
        """Return the columns of text files whose declared tolerance cannot act, with the line that is why."""
        described = {}
        for column in columns:
            if column.misplaced:
                numeric = not set(column.misplaced).isdisjoint({"abs", "rel"})
                lines = (describe_offending_line(table, column.name, numeric=numeric) for table in tables.values())
                line = next(filter(None, lines), None)
                why = f"{line} is {'no number' if numeric else 'no date or time'}" if line else f"it is {column.common}"
                described[column.name] = f"its tolerance says {' and '.join(column.misplaced)}, and {why}"
        return described

    def _build_identical_diff(
        self,
        shapes: dict[SideName, TableShape],
        found: ColumnMatch,
        columns: list[ComparedColumn],
        key: list[ComparedColumn] | None,
    ) -> OutputDiff:
        rows = shapes["baseline"].rows
        return self._build_diff(
            found,
            columns,
            RowKey(columns=[column.name for column in key or ()], source="declared" if key else "none"),
            ChangeCounts(
                rows=RowCounts(baseline=rows, candidate=rows, added=0, removed=0, changed=0, unchanged=rows),
                columns={column.name: ColumnChanges(changed=0, match_rate=1.0) for column in columns},
            ),
            self._estimate_no_change(columns),
            identical=True,
        )

    def _build_unmatched_diff(self, shapes: dict[SideName, TableShape], found: ColumnMatch) -> OutputDiff:
        """Tables without a common column: no row is another's equal, unless there is nothing but ignored columns."""
        baseline, candidate = (shapes[side].rows for side in SIDES)
        same = 0 if found.added or found.removed else min(baseline, candidate)
        if self.row_writer and not same:
            for side in SIDES:
                self.row_writer.write_side(side, shapes[side])
        rows = RowCounts(
            baseline=baseline,
            candidate=candidate,
            added=candidate - same,
            removed=baseline - same,
            changed=0,
            unchanged=same,
        )
        key = RowKey(columns=[], source="none")
        changes = ChangeCounts(rows=rows, columns={})
        return self._build_diff(found, [], key, changes, self._estimate_no_change([]), identical=False)

    def _compare_rows(
        self,
        shapes: dict[SideName, TableShape],
        found: ColumnMatch,
        columns: list[ComparedColumn],
        declared: list[ComparedColumn] | None,
    ) -> OutputDiff:
        one_in = choose_sampling_interval(shapes) if self.details else None
        plan = ComparisonPlan(columns=tuple(columns), key=tuple(declared or ()), one_in=one_in)
        all_rows = create_value_views(self.session, plan, shapes)
        prefilter = Prefilter(
            session=self.session,
            sources=self.reader.parquet_sources,
            shapes=shapes,
            rows=all_rows,
            columns=plan.columns,
            memory=self.memory,
            doing=self.doing,
        )
        repeated = NO_KEY_REPEATS
        if declared is None:
            match = self._infer_key(plan, prefilter)
        elif (unique_match := self._match_unique_keys(plan, prefilter)) is not None:
            match = unique_match
        else:
            keys, repeated = match_repeated_keys(self.session, plan, all_rows, doing=self.doing)
            match = _RowMatch(plan=plan, rows=all_rows, keys=keys)
        unique = repeated is NO_KEY_REPEATS and match.keys is not None
        direct = unique and match.keys and has_mostly_changed_rows(self.session, match.keys, all_rows, doing=self.doing)
        plan = replace(match.plan, unique=unique, direct=bool(direct))
        found_rows = collect_differing_rows(self.session, plan, all_rows, match.rows, match.keys, doing=self.doing)
        unit = unit_key.find_unit_key(self.rules, self.units, columns)
        changes = count_changes(self.session, plan, found_rows, doing=self.doing)
        plan = select_differing_columns(plan, changes)
        if self.row_writer:
            self.row_writer.write_differences(plan, found_rows, changes)
        units = unit_key.find_output_units(self.rules, self.units, self.draws, columns)
        estimate = self._estimate_differences(plan, found_rows, unit, units)
        key = RowKey(
            columns=[column.name for column in plan.key],
            source="declared" if declared is not None else "inferred" if plan.key else "none",
            baseline_duplicates=repeated.duplicates["baseline"],
            candidate_duplicates=repeated.duplicates["candidate"],
            baseline_nulls=repeated.nulls["baseline"],
            candidate_nulls=repeated.nulls["candidate"],
        )
        result = self._build_diff(found, columns, key, changes, estimate, identical=False)
        if not self.details or not changes.rows.different:
            return result
        return result.model_copy(
            update=compute_details(self.session, plan, found_rows, changes, units, doing=self.doing)
        )

    def _infer_key(self, plan: ComparisonPlan, prefilter: Prefilter) -> _RowMatch:
        """Match rows by the first likely key that is unique on both sides; else there is no key."""
        for columns in key_inference.suggest_likely_keys(self.name, plan.columns, tuple(self.units.values())):
            whole = replace(plan, key=tuple(columns))
            if not row_matching.can_be_unique(self.session, whole, prefilter.rows):
                continue
            declared = tuple(column.name for column in columns) in map(tuple, self.units.values())
            for part in [columns] if declared else key_inference.list_key_parts(columns):
                tried = replace(plan, key=tuple(part))
                if part == columns or row_matching.can_be_unique(self.session, tried, prefilter.rows):
                    match = self._match_unique_keys(tried, prefilter)
                    if match is not None:
                        return match
        return _RowMatch(plan=plan, rows=prefilter.exclude_equal_rows(plan), keys=None)

    def _match_unique_keys(self, plan: ComparisonPlan, prefilter: Prefilter) -> _RowMatch | None:
        """Find the keys whose rows differ; None where the key repeats on a side, or is null."""
        rows = prefilter.exclude_equal_rows(plan)
        keys = match_unique_keys(self.session, plan, rows, doing=self.doing)
        return _RowMatch(plan=plan, rows=rows, keys=keys) if keys else None

    def _estimate_differences(
        self,
        plan: ComparisonPlan,
        found_rows: Differences,
        unit: tuple[str, list[ComparedColumn]] | None,
        units: OutputUnits | None,
    ) -> OutputEstimate:
        """Estimate what the rows that differ mean for production; without a draw, count the sample's units."""
        if units is not None:
            return unit_key.estimate_differences(self.session, plan, found_rows, units, doing=self.doing)
        if unit is None:
            return build_empty_estimate(unit_key.explain_missing_unit_key(self.rules, self.units))
        table, columns = unit
        found = unit_key.count_affected_units(self.session, plan, found_rows, columns, doing=self.doing)
        return build_empty_estimate(unit_key.NO_DRAW_REASON, unit=table, sample=found)

    def _estimate_no_change(self, columns: list[ComparedColumn]) -> OutputEstimate:
        """Estimate what it means that no row differs."""
        units = unit_key.find_output_units(self.rules, self.units, self.draws, columns)
        if units is not None:
            return unit_key.estimate_no_change(self.session, units)
        unit = unit_key.find_unit_key(self.rules, self.units, columns)
        if unit is None:
            return build_empty_estimate(unit_key.explain_missing_unit_key(self.rules, self.units))
        return build_empty_estimate(unit_key.NO_DRAW_REASON, unit=unit[0], sample=0)

    def _build_diff(
        self,
        found: ColumnMatch,
        columns: list[ComparedColumn],
        key: RowKey,
        changes: ChangeCounts,
        estimate: OutputEstimate,
        *,
        identical: bool,
    ) -> OutputDiff:
        return OutputDiff(
            status="compared",
            identical=identical,
            key=key,
            schema_=found.build_schema_changes(columns),
            rows=changes.rows,
            columns=changes.columns,
            ignored=list(found.ignored),
            tolerances={
                column.name: _describe_tolerance(column.tolerance)
                for column in columns
                if column.tolerance != NO_TOLERANCE
            },
            tainted=[column.name for column in columns if column.is_nondeterministic],
            estimate=estimate,
        )


def _describe_tolerance(tolerance: Tolerance) -> AppliedTolerance:
    return AppliedTolerance(
        abs=tolerance.abs,
        rel=tolerance.rel,
        time=tolerance.seconds,
        case=tolerance.case,
        space=tolerance.space,
        set=tolerance.as_set,
    )
