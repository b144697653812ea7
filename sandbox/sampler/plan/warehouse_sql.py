"""A plan as SQL that another database carries out by itself: one SELECT for the counts of strata, and one for each table. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.engine.rule import warehouse_queries
from sandbox.engine.rule.strata_labels import Labelled, Lookup, Pair
from sandbox.engine.sql import dialects, portable_condition
from sandbox.errors import RuleError
from sandbox.sources.checks.schema_check import typed_pairs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.config.settings import Reference
    from sandbox.model import Dialect
    from sandbox.sampler.plan.plan import Plan, Step, StrataColumn, UnitPlan

COUNTS, ROWS = "the units of each stratum", "the rows of the sample"
NOTES: Mapping[Dialect, Sequence[str]] = {
    "snowflake": (
        "Names are quoted as they stand in the source; what was made there without quotes has them in capitals.",
    ),
    "bigquery": ("Names of tables are looked for in the default data set.",),
}


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One SELECT: what it gives, of which table, and its text."""

    gives: str
    table: str
    sql: str

    def fields(self) -> dict[str, str]:
        """Give it as JSON."""
        return {"gives": self.gives, "table": self.table, "sql": self.sql}


def statements(plan: Plan, dialect: Dialect) -> list[Statement]:
    """Give the SQL of a plan: for each unit table the counts of its strata (N_h), then the rows of each table.

    Where keys or references repeat in a referenced table, its rows are those of the draw; nothing is masked.

    Raises:
        RuleError: Something cannot be said exactly in that dialect, or references go in a circle; nothing is compiled then.
    """
    return _Compiler(plan=plan, dialect=dialect).statements()


@dataclass(kw_only=True)
class _Compiler:
    plan: Plan
    dialect: Dialect
    drawn: dict[str, Any] = field(default_factory=dict)
    rows: dict[str, Any] = field(default_factory=dict)

    def statements(self) -> list[Statement]:
        counted = [
            self._statement(COUNTS, name, warehouse_queries.counts(self._draw(unit)))
            for name, unit in self.plan.units.items()
        ]
        for step in self.plan.steps:
            self.drawn[step.table] = self._drawn(step)
        return counted + [
            self._statement(ROWS, step.table, self._whole(step.table, ())) for step in self.plan.steps
        ]

    def _statement(self, gives: str, table: str, found: Any) -> Statement:
        return Statement(gives=gives, table=table, sql=dialects.text(found, self.dialect))

    def _table(self, name: str) -> Any:
        return warehouse_queries.relation(name, self.plan.tables[name].columns, self.dialect)

    def _drawn(self, step: Step) -> Any | None:
        """Give the rows of a table that are drawn before references are followed; None for none."""
        if step.role == "unit":
            return warehouse_queries.units(self._draw(self.plan.units[step.table]))
        if step.through is not None:
            parents = self.drawn[step.through.table]
            return warehouse_queries.children(
                self._table(step.table), self._refers(step.table, step.through), parents
            )
        return self._table(step.table) if step.keep == "all" else None

    def _draw(self, unit: UnitPlan) -> warehouse_queries.Drawn:
        table, source = self._table(unit.table), self.plan.tables[unit.table]
        dialects.check_key(self.dialect, source.columns, unit.key)
        dialects.check_strata([(one.name, one.type) for one in unit.columns])
        if unit.where is not None:
            try:
                table = table.filter(portable_condition.condition(unit.where, source.columns, table))
            except RuleError as error:
                raise RuleError(f"[tables.{unit.table}] where: {error.message}", hint=error.hint) from None
        return warehouse_queries.Drawn(
            table=table,
            key=unit.key,
            coefficients=unit.coefficients,
            columns=[self._strata(unit.table, n, one) for n, one in enumerate(unit.columns)],
            strata=[
                ([(label.kind, label.text) for label in one.labels], one.threshold) for one in unit.strata
            ],
            shared=unit.shared,
        )

    def _strata(self, unit: str, number: int, column: StrataColumn) -> warehouse_queries.Strata:
        chain, table = [], unit
        for reference in column.path:
            chain.append((self._table(reference.table), self._refers(table, reference)))
            table = reference.table
        lookup = None
        if chain:
            first = chain[0][1]
            pairs = [
                Pair(column=own, type=other, as_text=(kind == "VARCHAR") != (other == "VARCHAR"))
                for (own, kind), (_, other) in first.pairs
            ]
            lookup = Lookup(table=f"values {number}", pairs=tuple(pairs), when=tuple(first.when))
        found = Labelled(column=column.column, type=column.type, edges=column.edges, lookup=lookup)
        common = column.common if column.rare_below is not None else None
        return warehouse_queries.Strata(
            name=column.name, found=found, common=common, chain=chain, column=column.column
        )

    def _refers(self, table: str, reference: Reference) -> warehouse_queries.Refers:
        refers = warehouse_queries.Refers(
            pairs=typed_pairs(self.plan.tables, table, reference), when=reference.when
        )
        warehouse_queries.check_equal(f"{table} → {reference.table}", refers)
        return refers

    def _whole(self, name: str, asking: tuple[str, ...]) -> Any:
        """Give the rows of a table: the drawn ones, and those that the rows of other tables name.

        Args:
            name: The table.
            asking: The tables whose rows depend on it.

        Raises:
            RuleError: It depends on itself.
        """
        if name in asking:
            circle = " → ".join([*reversed(asking[asking.index(name) :]), asking[-1]])
            raise RuleError(
                f"references go in a circle, {circle}, which one SELECT cannot follow to its end",
                hint="draw the sample here, where they are followed: sandbox sample",
            )
        if name not in self.rows:
            found = self.drawn[name]
            for holder, reference in self._links(name):
                rows = self._whole(holder, (*asking, name))
                if rows is not None:
                    found = warehouse_queries.with_named(
                        self._table(name), found, self._refers(holder, reference), rows
                    )
            self.rows[name] = found
        return self.rows[name]

    def _links(self, name: str) -> Sequence[tuple[str, Reference]]:
        """Give the references to a table that can name rows of it which are not drawn."""
        if self._step(name).keep == "all":
            return []
        return [
            (step.table, reference)
            for step in self.plan.steps
            for reference in step.references
            if reference.table == name and (reference != step.through or self._gains(step.table, (name,)))
        ]

    def _gains(self, name: str, asking: tuple[str, ...]) -> bool:
        """Say whether references can bring rows of a table that are not drawn."""
        if self._step(name).keep == "all":
            return False
        return name in asking or any(
            reference.table == name
            and (reference != step.through or self._gains(step.table, (*asking, name)))
            for step in self.plan.steps
            for reference in step.references
        )

    def _step(self, name: str) -> Step:
        return next(step for step in self.plan.steps if step.table == name)


def script(found: Sequence[Statement], plan: Plan, dialect: Dialect) -> str:
    """Give statements as one text, with what a person has to know of them."""
    lines = [*_notes(plan, dialect)]
    for one in found:
        lines += ["", f"-- {one.gives}: {_visible(one.table)}", f"{one.sql};"]
    return "\n".join(lines) + "\n"


def _notes(plan: Plan, dialect: Dialect) -> list[str]:
    run = (
        "tests carry such SQL out"
        if dialect in dialects.RUN
        else "compiled, not run: no test carries it out there"
    )
    notes = [
        f"The sample {plan.request[:12]} as SQL for {dialect}; {run}.",
        "It draws the rows that sandbox sample draws, where the tables hold the same values.",
        "Thresholds and bins are those of the source when it was counted just now.",
    ]
    if any(mask.kind != "none" for masks in plan.masks.values() for mask in masks.values()) or plan.suspects:
        notes.append("Nothing is masked: what these statements give is personal.")
    notes += NOTES.get(dialect, ())
    return [f"-- {note}" for note in notes]


def _visible(name: str) -> str:
    """Give a name that ends no comment."""
    return json.dumps(name, ensure_ascii=False)[1:-1]
