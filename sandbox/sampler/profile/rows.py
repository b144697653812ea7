"""Select the rows of a profile: production's in the frame, and the sample's with their unit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.sql.ibis_types import choose_unused_name
from sandbox.sampler.plan.plan import list_path_to_unit
from sandbox.sources.checks.key_check import build_not_null_condition
from sandbox.sources.checks.schema_check import (
    build_join_condition,
    build_when_condition,
    pair_reference_columns,
)
from sandbox.sources.projection import MAX_EXACT_ROWS, should_copy
from sandbox.sources.registry import build_select

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.engine.duckdb.session import Session
    from sandbox.sampler.plan.plan import SamplePlan, TableStep, UnitPlan

    TypedPairs = list[tuple[tuple[str, str], tuple[str, str]]]


@dataclass(frozen=True, kw_only=True)
class UnitFamily:
    """One unit table with its children in a session.

    Attributes:
        session: The query engine.
        plan: The plan of the draw.
        unit: The unit table's draw.
        steps: The unit table and its children, parents first.
        sample: Table -> SQL for the FROM clause: its rows in the sample, masked.
        columns: Table -> the sample's columns and types.
    """

    session: Session
    plan: SamplePlan
    unit: UnitPlan
    steps: tuple[TableStep, ...]
    sample: Mapping[str, str]
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def from_plan(cls, session: Session, plan: SamplePlan, unit: UnitPlan, sample: Mapping[str, str]) -> UnitFamily:
        """Build the family of one unit table without reading rows."""
        steps = list_family_steps(plan.steps, unit.table)
        columns = {
            step.table: {row[0]: row[1] for row in session.fetch_rows(f"describe select * from {sample[step.table]}")}
            for step in steps
        }
        return cls(session=session, plan=plan, unit=unit, steps=steps, sample=sample, columns=columns)

    def number_units(self, weights: str) -> list[int]:
        """Number the sampled units, and return the stratum of each in that order.

        ``weights`` is SQL for the FROM clause: the unit's key columns as in the sample, and ``stratum``.
        """
        units, key = (
            quote_identifier(_build_table_name("units", self.unit.table)),
            ", ".join(map(quote_identifier, self.unit.key)),
        )
        doing = f"comparing {self.unit.table}"
        self.session.execute(
            f"create or replace temp table {units} as "
            f"select {key}, stratum::integer as stratum, row_number() over (order by stratum, {key}) - 1 as unit "
            f"from {weights}",
            doing=doing,
        )
        self.copy_sources()
        return [row[0] for row in self.session.fetch_rows(f"select stratum from {units} order by unit", doing=doing)]

    def copy_sources(self) -> None:
        """Copy parsed tables into the session, which would be parsed again for every query."""
        for step in self.steps:
            table = self.plan.tables[step.table]
            if should_copy(table):
                name = quote_identifier(_build_table_name("source", step.table))
                self.session.execute(
                    f"create or replace temp table {name} as {build_select(table)}",
                    doing=f"reading {step.table}",
                )

    def drop_tables(self) -> None:
        """Drop the family's temporary tables."""
        for step in self.steps:
            for what in ("units", "owners", "source"):
                self.session.execute(f"drop table if exists {quote_identifier(_build_table_name(what, step.table))}")

    def is_small(self, step: TableStep) -> bool:
        """Check whether a table and all tables up to its unit are small enough to be read whole at every draw."""
        return all(
            self.plan.tables[ancestor.table].rows <= MAX_EXACT_ROWS for ancestor in list_path_to_unit(step, self.steps)
        )

    def build_population_query(self, step: TableStep) -> str:
        """Build the SELECT of production's rows of a table in the frame."""
        if step.through is None:
            where = f" and ({self.unit.where})" if self.unit.where is not None else ""
            return f"select * from {self._choose_source(step)} where {build_not_null_condition(self.unit.key)}{where}"
        on = self._build_join_condition(step)
        return f"select r.* from {self._choose_source(step)} r semi join ({self.build_population_query(self._find_parent(step))}) t on {on}"

    def build_approximate_query(self, step: TableStep) -> str:
        """Build a cheaper SELECT of rows similar to `build_population_query`'s.

        If the frame has no condition it includes rows of no unit, as excluding them takes a join with the parents.
        """
        if step.through is None or self.unit.where is not None:
            return self.build_population_query(step)
        return f"select * from {self._choose_source(step)} where {build_not_null_condition(step.through.columns)}"

    def build_group_query(self, step: TableStep, groups: int) -> tuple[str, str]:
        """Build the SELECT of production's rows of a table in the frame with a random group of their unit.

        Returns:
            It, and the name of the column with the group, from 0 to ``groups`` - 1.
        """
        columns = self.plan.tables[step.table].columns
        group = choose_unused_name("unit group", columns)
        named = quote_identifier(group)
        if step.through is None:
            key = ", ".join(f"r.{quote_identifier(column)}" for column in self.unit.key)
            return (
                f"select r.*, hash({key}) % {groups} as {named} from ({self.build_population_query(step)}) r",
                group,
            )
        parent = self._find_parent(step)
        rows, inner = self.build_group_query(parent, groups)
        key = ", ".join(quote_identifier(column) for column in step.through.key)
        own = quote_identifier(choose_unused_name("unit group", step.through.key))
        parents = (
            f"select {key}, min({quote_identifier(inner)}) as {own} from ({rows}) "
            f"where {build_not_null_condition(step.through.key)} group by {key}"
        )
        on = self._build_join_condition(step)
        return f"select r.*, t.{own} as {named} from {self._choose_source(step)} r join ({parents}) t on {on}", group

    def build_sample_query(self, step: TableStep) -> tuple[str, str]:
        """Build the SELECT of the sample's rows of drawn units; return it with the name of its unit column."""
        number = choose_unused_name("unit", self.columns[step.table])
        rows = self.sample[step.table]
        if step.through is None:
            key = " and ".join(
                f"r.{quote_identifier(column)} = t.{quote_identifier(column)}" for column in self.unit.key
            )
            units = quote_identifier(_build_table_name("units", self.unit.table))
            return (
                f"select r.*, t.unit as {quote_identifier(number)} from {rows} r join {units} t on {key}",
                number,
            )
        owners = quote_identifier(_build_table_name("owners", step.table))
        on = self._build_join_condition(step, sampled=True)
        name = quote_identifier(choose_unused_name("unit", step.through.key))
        return (
            f"select r.*, t.{name} as {quote_identifier(number)} from {rows} r join {owners} t on {on}",
            number,
        )

    def create_owner_table(self, step: TableStep) -> None:
        """Create the table of a child's parent keys with their unit; parents come first."""
        if step.through is None:
            return
        parents, number = self.build_sample_query(self._find_parent(step))
        key = ", ".join(quote_identifier(column) for column in step.through.key)
        name = quote_identifier(choose_unused_name("unit", step.through.key))
        self.session.execute(
            f"create or replace temp table {quote_identifier(_build_table_name('owners', step.table))} as "
            f"select {key}, min({quote_identifier(number)}) as {name} from ({parents}) where {build_not_null_condition(step.through.key)} "
            f"group by {key}",
            doing=f"comparing {step.table}",
        )

    def build_child_count_queries(self, step: TableStep) -> tuple[str, str]:
        """Build two SELECTs of the number of child rows per parent, ``c0``.

        Production's has the number of such parents beside it; the sample's has one row a parent, with ``unit``.
        """
        assert step.through is not None
        parent = self._find_parent(step)
        columns = ", ".join(quote_identifier(column) for column in step.through.columns)
        count = quote_identifier(choose_unused_name("rows", step.through.columns))

        condition = f"{build_not_null_condition(step.through.columns)} and {build_when_condition(step.through)}"

        def build_count_query(rows: str) -> str:
            return f"select {columns}, count(*) as {count} from {rows} where {condition} group by {columns}"

        source = build_count_query(self._choose_source(step))
        pairs = pair_reference_columns(self.plan.tables, step.table, step.through)
        population = (
            f"select coalesce(r.{count}, 0)::double as c0, count(*) from ({self.build_population_query(parent)}) t "
            f"left join ({source}) r on {build_join_condition(pairs, 'r', 't')} group by c0"
        )
        rows, number = self.build_sample_query(parent)
        sample = (
            f"select t.{quote_identifier(number)} as unit, coalesce(r.{count}, 0)::double as c0 from ({rows}) t "
            f"left join ({build_count_query(self.sample[step.table])}) r on {build_join_condition(self._list_sample_pairs(step), 'r', 't')}"
        )
        return population, sample

    def _choose_source(self, step: TableStep) -> str:
        table = self.plan.tables[step.table]
        return (
            quote_identifier(_build_table_name("source", step.table))
            if should_copy(table)
            else f"({build_select(table)})"
        )

    def _build_join_condition(self, step: TableStep, *, sampled: bool = False) -> str:
        """Build the SQL join condition between a child's row ``r`` and its parent ``t``."""
        assert step.through is not None
        pairs = (
            self._list_sample_pairs(step)
            if sampled
            else pair_reference_columns(self.plan.tables, step.table, step.through)
        )
        return f"{build_join_condition(pairs, 'r', 't')} and {build_when_condition(step.through, 'r')}"

    def _list_sample_pairs(self, step: TableStep) -> TypedPairs:
        """Return the column pairs of a child's reference in the sample, where masks can change types."""
        assert step.through is not None
        rows, parents = self.columns[step.table], self.columns[step.through.table]
        return [
            ((column, rows[column]), (target, parents[target]))
            for column, target in zip(step.through.columns, step.through.key, strict=True)
        ]

    def _find_parent(self, step: TableStep) -> TableStep:
        assert step.through is not None
        return next(other for other in self.steps if other.table == step.through.table)


def list_family_steps(steps: tuple[TableStep, ...], unit: str) -> tuple[TableStep, ...]:
    """Return a unit table's step and those of its children, parents first."""
    family: list[TableStep] = []
    for step in steps:
        names = {member.table for member in family}
        if step.table == unit or (step.role == "child" and step.through and step.through.table in names):
            family.append(step)
    return tuple(family)


def _build_table_name(what: str, table: str) -> str:
    """Return the name of a table of the session; DuckDB ignores the case of names."""
    return f"profile {what} {table.encode().hex()}"
