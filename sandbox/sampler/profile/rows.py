"""The rows that a profile compares: production's that belong to units of the frame, and the sample's with their unit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote
from sandbox.engine.sql.ibis_types import fresh
from sandbox.sources.checks.key_check import whole
from sandbox.sources.checks.schema_check import applies, matching, typed_pairs
from sandbox.sources.projection import EXACT_UP_TO
from sandbox.sources.table import reading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.engine.duckdb.session import Session
    from sandbox.sampler.plan.plan import Plan, Step, UnitPlan

    Pairs = list[tuple[tuple[str, str], tuple[str, str]]]


@dataclass(frozen=True, kw_only=True)
class Family:
    """One unit table with its children, ready in a session.

    Attributes:
        session: The engine.
        plan: What was drawn.
        unit: The unit table's draw.
        steps: The unit table and its children, parents first.
        sample: For each table SQL that can stand after ``from``: its rows in the sample, masked as they are there.
        columns: For each of those tables the sample's columns and types.
    """

    session: Session
    plan: Plan
    unit: UnitPlan
    steps: tuple[Step, ...]
    sample: Mapping[str, str]
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, session: Session, plan: Plan, unit: UnitPlan, sample: Mapping[str, str]) -> Family:
        """Give one unit table and its children, of which nothing is read yet.

        Args:
            session: The engine.
            plan: What was drawn.
            unit: The unit table's draw.
            sample: See `Family.sample`.
        """
        steps = family(plan.steps, unit.table)
        columns = {
            step.table: {
                row[0]: row[1] for row in session.rows(f"describe select * from {sample[step.table]}")
            }
            for step in steps
        }
        return cls(session=session, plan=plan, unit=unit, steps=steps, sample=sample, columns=columns)

    def numbered(self, weights: str) -> list[int]:
        """Number the sampled units, and give each one's stratum in the order of their numbers.

        Args:
            weights: SQL that can stand after ``from``: the unit's key columns as in the sample, and ``stratum``.
        """
        units, key = quote(_name("units", self.unit.table)), ", ".join(map(quote, self.unit.key))
        doing = f"comparing {self.unit.table}"
        self.session.execute(
            f"create or replace temp table {units} as "
            f"select {key}, stratum::integer as stratum, row_number() over (order by stratum, {key}) - 1 as unit "
            f"from {weights}",
            doing=doing,
        )
        for step in self.steps:
            table = self.plan.tables[step.table]
            if (
                table.format != "parquet" and table.rows <= EXACT_UP_TO
            ):  # else parsed again for every question
                name = quote(_name("source", step.table))
                self.session.execute(
                    f"create or replace temp table {name} as {reading(table)}", doing=f"reading {step.table}"
                )
        return [
            row[0] for row in self.session.rows(f"select stratum from {units} order by unit", doing=doing)
        ]

    def forget(self) -> None:
        """Give the memory back."""
        for step in self.steps:
            for what in ("units", "owners", "source"):
                self.session.execute(f"drop table if exists {quote(_name(what, step.table))}")

    def small(self, step: Step) -> bool:
        """Whether a table and all that lead to its unit are small enough to be read whole at every draw."""
        return all(self.plan.tables[one.table].rows <= EXACT_UP_TO for one in self._chain(step))

    def population(self, step: Step) -> str:
        """Give the SELECT of production's rows of a table that belong to units of the frame."""
        if step.through is None:
            where = f" and ({self.unit.where})" if self.unit.where is not None else ""
            return f"select * from {self._source(step)} where {whole(self.unit.key)}{where}"
        on = self._on(step)
        return f"select r.* from {self._source(step)} r semi join ({self.population(self._parent(step))}) t on {on}"

    def like(self, step: Step) -> str:
        """Give the SELECT of rows that are like `population`'s, and which costs less.

        Rows of no unit are among them where the frame takes all units: to leave them out takes a join with the parents.
        """
        if step.through is None or self.unit.where is not None:
            return self.population(step)
        return f"select * from {self._source(step)} where {whole(step.through.columns)}"

    def sampled(self, step: Step) -> tuple[str, str]:
        """Give the SELECT of the sample's rows of a table that belong to drawn units, and its column with the unit."""
        number = fresh("unit", self.columns[step.table])
        rows = self.sample[step.table]
        if step.through is None:
            key = " and ".join(f"r.{quote(one)} = t.{quote(one)}" for one in self.unit.key)
            units = quote(_name("units", self.unit.table))
            return f"select r.*, t.unit as {quote(number)} from {rows} r join {units} t on {key}", number
        owners = quote(_name("owners", step.table))
        on = self._on(step, sampled=True)
        name = quote(fresh("unit", step.through.key))
        return f"select r.*, t.{name} as {quote(number)} from {rows} r join {owners} t on {on}", number

    def own(self, step: Step) -> None:
        """Note which keys of a child's parents belong to which unit; parents come first."""
        if step.through is None:
            return
        parents, number = self.sampled(self._parent(step))
        key = ", ".join(quote(column) for column in step.through.key)
        name = quote(fresh("unit", step.through.key))
        self.session.execute(
            f"create or replace temp table {quote(_name('owners', step.table))} as "
            f"select {key}, min({quote(number)}) as {name} from ({parents}) where {whole(step.through.key)} "
            f"group by {key}",
            doing=f"comparing {step.table}",
        )

    def children(self, step: Step) -> tuple[str, str]:
        """Give two SELECTs of how many rows of a child table each parent has, ``c0``.

        Production's has how many parents that is so of beside it; the sample's is of each, with ``unit``.
        """
        assert step.through is not None
        parent = self._parent(step)
        columns = ", ".join(quote(column) for column in step.through.columns)
        count = quote(fresh("rows", step.through.columns))

        condition = f"{whole(step.through.columns)} and {applies(step.through)}"

        def counted(rows: str) -> str:
            return f"select {columns}, count(*) as {count} from {rows} where {condition} group by {columns}"

        source = counted(self._source(step))
        pairs = typed_pairs(self.plan.tables, step.table, step.through)
        population = (
            f"select coalesce(r.{count}, 0)::double as c0, count(*) from ({self.population(parent)}) t "
            f"left join ({source}) r on {matching(pairs, 'r', 't')} group by c0"
        )
        rows, number = self.sampled(parent)
        sample = (
            f"select t.{quote(number)} as unit, coalesce(r.{count}, 0)::double as c0 from ({rows}) t "
            f"left join ({counted(self.sample[step.table])}) r on {matching(self._pairs(step), 'r', 't')}"
        )
        return population, sample

    def _source(self, step: Step) -> str:
        table = self.plan.tables[step.table]
        kept = table.format != "parquet" and table.rows <= EXACT_UP_TO
        return quote(_name("source", step.table)) if kept else f"({reading(table)})"

    def _on(self, step: Step, *, sampled: bool = False) -> str:
        """Give the SQL condition that a child's row ``r`` belongs to the row ``t`` of its parent."""
        assert step.through is not None
        pairs = self._pairs(step) if sampled else typed_pairs(self.plan.tables, step.table, step.through)
        return f"{matching(pairs, 'r', 't')} and {applies(step.through, 'r')}"

    def _pairs(self, step: Step) -> Pairs:
        """Give a child's reference as the sample has it: masks may have changed the types."""
        assert step.through is not None
        rows, parents = self.columns[step.table], self.columns[step.through.table]
        return [
            ((column, rows[column]), (target, parents[target]))
            for column, target in zip(step.through.columns, step.through.key, strict=True)
        ]

    def _parent(self, step: Step) -> Step:
        assert step.through is not None
        return next(one for one in self.steps if one.table == step.through.table)

    def _chain(self, step: Step) -> list[Step]:
        chain = [step]
        while chain[-1].through is not None:
            chain.append(self._parent(chain[-1]))
        return chain


def family(steps: tuple[Step, ...], unit: str) -> tuple[Step, ...]:
    """Give a unit table's step and those of all tables that come with it, parents first."""
    found: list[Step] = []
    for step in steps:
        names = {one.table for one in found}
        if step.table == unit or (step.role == "child" and step.through and step.through.table in names):
            found.append(step)
    return tuple(found)


def _name(what: str, table: str) -> str:
    """Give the name of a table of the session; the engine takes "A" and "a" for one name."""
    return f"profile {what} {table.encode().hex()}"
