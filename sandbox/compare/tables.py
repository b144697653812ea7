"""Comparing what two runs left, output by output."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sandbox.compare import key_inference, table_reader
from sandbox.compare.columns import Column, Match, Shape, SideName, match
from sandbox.compare.profile import distributions
from sandbox.compare.profile.segments import segments
from sandbox.compare.rows import detail_sample
from sandbox.compare.rows.change_counts import Changes, count
from sandbox.compare.rows.examples import examples
from sandbox.compare.rows.row_matching import (
    NO_REPEATS,
    SIDES,
    Plan,
    collect,
    group,
    mostly_differ,
    pair,
    prepare,
)
from sandbox.compare.rules import Rules, engine_memory
from sandbox.compare.units import unit_key
from sandbox.compare.units.sampled_units import Units, refused
from sandbox.compare.units.unit_columns import owned
from sandbox.engine.duckdb.session import Session
from sandbox.errors import ConfigError, PipelineError, RuleError, SourceError
from sandbox.manifest.diff import ColumnChanges, Key, OutputDiff, Rows

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sandbox.compare.rules import Origin
    from sandbox.compare.units.sampled_units import Drawn
    from sandbox.errors import SandboxError
    from sandbox.manifest.diff import Estimate
    from sandbox.model import Progress, TableFiles

_READING: dict[Origin, type[SandboxError]] = {"project": PipelineError, "tables": SourceError}
_KEY: dict[Origin, type[SandboxError]] = {"project": ConfigError, "tables": RuleError}


def compare(  # noqa: PLR0913 -- each is needed, and all but two are named
    baseline: Mapping[str, TableFiles],
    candidate: Mapping[str, TableFiles],
    *,
    rules: Mapping[str, Rules],
    units: Mapping[str, tuple[str, ...]],
    draws: Mapping[str, Drawn] | None = None,
    identical: Collection[str],
    memory: int,
    threads: int | None,
    progress: Progress,
    origin: Origin = "project",
    details: bool = True,
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

    Returns:
        One entry a name, sorted by name.

    Raises:
        PipelineError: A table of a project's run cannot be read (for plain tables SourceError).
        ConfigError: A declared key is not in an output (for plain tables RuleError).
    """
    given = {}
    with Session(memory=engine_memory(memory), threads=threads, failure=_READING[origin]) as session:
        reader = table_reader.Reader(session, _READING[origin])
        for name in sorted({*baseline, *candidate}):
            with progress.step(f"comparing {name}"):
                work = _Work(
                    session=session,
                    reader=reader,
                    name=name,
                    rules=rules.get(name, Rules()),
                    units=units,
                    draws=draws or {},
                    origin=origin,
                    details=details,
                    memory=memory,
                )
                if name not in candidate:
                    given[name] = work.alone("baseline", baseline[name])
                elif name not in baseline:
                    given[name] = work.alone("candidate", candidate[name])
                else:
                    both: dict[SideName, TableFiles] = {
                        "baseline": baseline[name],
                        "candidate": candidate[name],
                    }
                    given[name] = work.both(both, identical=name in identical)
    return given


@dataclass(frozen=True, kw_only=True)
class _Work:
    """One output's comparison."""

    session: Session
    reader: table_reader.Reader
    name: str
    rules: Rules
    units: Mapping[str, tuple[str, ...]]
    draws: Mapping[str, Drawn]
    origin: Origin
    details: bool
    memory: int

    @property
    def doing(self) -> str:
        return f"comparing {self.name}"

    def alone(self, side: SideName, table: TableFiles) -> OutputDiff:
        """An output that only one side has: all of it is removed, or added."""
        shape = self.reader.open(side, table)
        removed, added = (shape.rows, 0) if side == "baseline" else (0, shape.rows)
        return OutputDiff(
            status="removed" if side == "baseline" else "added",
            identical=False,
            key=Key(columns=list(self.rules.key or ()), source="declared" if self.rules.key else "none"),
            rows=Rows(
                baseline=removed, candidate=added, added=added, removed=removed, changed=0, unchanged=0
            ),
            estimate=refused(unit_key.NOT_COMPARED if self.units else unit_key.NO_SAMPLE),
        )

    def both(self, tables: dict[SideName, TableFiles], *, identical: bool) -> OutputDiff:
        """An output that both sides have."""
        shapes = {side: self.reader.open(side, tables[side]) for side in SIDES}
        found = match(shapes["baseline"].names, shapes["candidate"].names, self.rules)
        try:
            key_inference.require_known(self.name, self.rules, shapes, _KEY[self.origin])
            columns = table_reader.columns(self.session, shapes, found, self.rules, _KEY[self.origin])
            declared = key_inference.declared(self.name, self.rules, columns, shapes, _KEY[self.origin])
            if identical:
                return self._identical(shapes, found, columns, declared)
            if not columns:
                return self._unlike(shapes, found)
            return self._differing(shapes, found, columns, declared)
        except _READING[self.origin]:
            for side in SIDES:  # if a file is damaged inside, say which
                self.reader.check(side, tables[side])
            raise

    def _identical(
        self, shapes: dict[SideName, Shape], found: Match, columns: list[Column], key: list[Column] | None
    ) -> OutputDiff:
        rows = shapes["baseline"].rows
        return self._result(
            found,
            columns,
            Key(columns=[column.name for column in key or ()], source="declared" if key else "none"),
            Changes(
                rows=Rows(baseline=rows, candidate=rows, added=0, removed=0, changed=0, unchanged=rows),
                columns={column.name: ColumnChanges(changed=0, match_rate=1.0) for column in columns},
            ),
            self._unaffected(columns),
            identical=True,
        )

    def _unlike(self, shapes: dict[SideName, Shape], found: Match) -> OutputDiff:
        """Tables without a common column: no row is another's equal, unless there is nothing but ignored columns."""
        baseline, candidate = (shapes[side].rows for side in SIDES)
        same = 0 if found.added or found.removed else min(baseline, candidate)
        rows = Rows(
            baseline=baseline,
            candidate=candidate,
            added=candidate - same,
            removed=baseline - same,
            changed=0,
            unchanged=same,
        )
        key = Key(columns=[], source="none")
        changes = Changes(rows=rows, columns={})
        return self._result(found, [], key, changes, self._unaffected([]), identical=False)

    def _differing(
        self,
        shapes: dict[SideName, Shape],
        found: Match,
        columns: list[Column],
        declared: list[Column] | None,
    ) -> OutputDiff:
        one_in = detail_sample.one_in(shapes) if self.details else None
        plan = Plan(columns=tuple(columns), key=tuple(declared or ()), one_in=one_in)
        prepare(self.session, plan)
        repeated = NO_REPEATS
        if declared is None:
            plan = self._inferred(plan, shapes)
        elif (paired := self._paired(plan, shapes)) is not None:
            plan = paired
        else:
            repeated = group(self.session, plan, doing=self.doing)
        unique = repeated is NO_REPEATS and bool(plan.key)
        direct = unique and mostly_differ(self.session, shapes, doing=self.doing)
        plan = replace(plan, unique=unique, direct=direct)
        collect(self.session, plan, doing=self.doing)
        unit = unit_key.unit_key(self.rules, self.units, columns)
        changes = count(self.session, plan, shapes, doing=self.doing)
        estimate = self._estimate(plan, unit)
        key = Key(
            columns=[column.name for column in plan.key],
            source="declared" if declared is not None else "inferred" if plan.key else "none",
            baseline_duplicates=repeated.duplicates["baseline"],
            candidate_duplicates=repeated.duplicates["candidate"],
            baseline_nulls=repeated.nulls["baseline"],
            candidate_nulls=repeated.nulls["candidate"],
        )
        result = self._result(found, columns, key, changes, estimate, identical=False)
        return result.model_copy(update=self._details(plan, changes, unit))

    def _details(self, plan: Plan, changes: Changes, unit: tuple[str, list[Column]] | None) -> dict[str, Any]:
        """Say more about rows that differ: examples, distributions, and where the differences lie."""
        if not self.details or not changes.rows.different:
            return {}
        of_both = distributions.wanted(plan, changes)
        drawn = Units(drawn=self.draws[unit[0]], columns=unit[1]) if unit and unit[0] in self.draws else None
        own = owned(self.session, drawn, plan.columns, doing=self.doing)
        part = detail_sample.take(self.session, plan, of_both, own, doing=self.doing)
        one_in = detail_sample.differing(self.session, plan, part, changes, doing=self.doing)
        return {
            "examples": examples(self.session, plan, changes, doing=self.doing),
            "profiles": distributions.profiles(self.session, part, changes, doing=self.doing),
            "segments": segments(self.session, part, changes.rows, one_in, doing=self.doing),
        }

    def _inferred(self, plan: Plan, shapes: dict[SideName, Shape]) -> Plan:
        """Find the rows that differ by the first likely key that is unique on both sides; else there is no key."""
        for columns in key_inference.likely(self.name, plan.columns, tuple(self.units.values())):
            tried = replace(plan, key=tuple(columns))
            if key_inference.plainly_unique(self.session, tried, shapes):
                paired = self._paired(tried, shapes)
                if paired is not None:
                    return paired
        return self._lessened(plan, shapes)[0]

    def _paired(self, plan: Plan, shapes: dict[SideName, Shape]) -> Plan | None:
        """Find the keys whose rows differ; None where the key repeats on a side, or is null."""
        less, left = self._lessened(plan, shapes)
        return less if pair(self.session, less, left, doing=self.doing) else None

    def _lessened(self, plan: Plan, shapes: dict[SideName, Shape]) -> tuple[Plan, dict[SideName, Shape]]:
        """Set the rows aside that both sides have, where there are so many that this saves time."""
        if plan.one_in == 1 or max(shape.rows for shape in shapes.values()) < detail_sample.ROWS:
            return plan, shapes
        from sandbox.compare.rows.hash_prefilter import lessened  # noqa: PLC0415 - numpy is slow to import

        given = lessened(self.session, plan, shapes, memory=self.memory, doing=self.doing)
        return given or (plan, shapes)

    def _estimate(self, plan: Plan, unit: tuple[str, list[Column]] | None) -> Estimate:
        """Estimate what the rows that differ mean for production; without a draw, count the sample's units."""
        if unit is None:
            return refused(unit_key.without(self.rules, self.units))
        table, columns = unit
        if table in self.draws:
            return unit_key.measured(
                self.session, plan, Units(drawn=self.draws[table], columns=columns), doing=self.doing
            )
        found = unit_key.affected(self.session, plan, columns, doing=self.doing)
        return refused(unit_key.NO_DRAW, unit=table, sample=found)

    def _unaffected(self, columns: list[Column]) -> Estimate:
        """Estimate what it means that no row differs."""
        unit = unit_key.unit_key(self.rules, self.units, columns)
        if unit is None:
            return refused(unit_key.without(self.rules, self.units))
        table, chosen = unit
        if table in self.draws:
            return unit_key.unchanged(self.session, Units(drawn=self.draws[table], columns=chosen))
        return refused(unit_key.NO_DRAW, unit=table, sample=0)

    def _result(
        self,
        found: Match,
        columns: list[Column],
        key: Key,
        changes: Changes,
        estimate: Estimate,
        *,
        identical: bool,
    ) -> OutputDiff:
        return OutputDiff(
            status="compared",
            identical=identical,
            key=key,
            schema_=found.schema(columns),
            rows=changes.rows,
            columns=changes.columns,
            ignored=list(found.ignored),
            tainted=[column.name for column in columns if column.tainted],
            estimate=estimate,
        )
