"""A plan as SQL that another database carries out by itself: one SELECT for the counts of strata, and one for each table. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.engine.rule import warehouse_queries
from sandbox.engine.rule.strata_labels import KeyColumnPair, LabelDefinition, ValueLookup
from sandbox.engine.sql import dialects, portable_condition
from sandbox.errors import DataRuleError
from sandbox.sources.checks.schema_check import pair_reference_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.config.settings import Reference
    from sandbox.model import SqlDialect
    from sandbox.sampler.plan.plan import SamplePlan, StrataColumn, TableStep, UnitPlan

COUNTS_TITLE, ROWS_TITLE = "the units of each stratum", "the rows of the sample"
DIALECT_NOTES: Mapping[SqlDialect, Sequence[str]] = {
    "snowflake": (
        "Names are quoted as they stand in the source; what was made there without quotes has them in capitals.",
    ),
    "bigquery": ("Names of tables are looked for in the default data set.",),
}


@dataclass(frozen=True, kw_only=True)
class WarehouseStatement:
    """One SELECT: what it gives, of which table, and its text."""

    title: str
    table: str
    sql: str

    def to_dict(self) -> dict[str, str]:
        """Give it as JSON."""
        return {"gives": self.title, "table": self.table, "sql": self.sql}


def compile_plan(plan: SamplePlan, dialect: SqlDialect) -> list[WarehouseStatement]:
    """Give the SQL of a plan: for each unit table the counts of its strata (N_h), then the rows of each table.

    Where keys or references repeat in a referenced table, its rows are those of the draw; nothing is masked.

    Raises:
        RuleError: Something cannot be said exactly in that dialect, or references go in a circle; nothing is compiled then.
    """
    return _PlanCompiler(plan=plan, dialect=dialect).compile()


@dataclass(kw_only=True)
class _PlanCompiler:
    plan: SamplePlan
    dialect: SqlDialect
    drawn_rows: dict[str, Any] = field(default_factory=dict)
    sampled_rows: dict[str, Any] = field(default_factory=dict)

    def compile(self) -> list[WarehouseStatement]:
        counted = [
            self._build_statement(COUNTS_TITLE, name, warehouse_queries.build_strata_counts(self._build_draw(unit)))
            for name, unit in self.plan.units.items()
        ]
        for step in self.plan.steps:
            self.drawn_rows[step.table] = self._build_drawn_rows(step)
        return counted + [
            self._build_statement(ROWS_TITLE, step.table, self._build_sampled_rows(step.table, ()))
            for step in self.plan.steps
        ]

    def _build_statement(self, gives: str, table: str, found: Any) -> WarehouseStatement:
        return WarehouseStatement(title=gives, table=table, sql=dialects.render_select(found, self.dialect))

    def _build_relation(self, name: str) -> Any:
        return warehouse_queries.build_table(name, self.plan.tables[name].columns, self.dialect)

    def _build_drawn_rows(self, step: TableStep) -> Any | None:
        """Give the rows of a table that are drawn before references are followed; None for none."""
        if step.role == "unit":
            return warehouse_queries.select_unit_rows(self._build_draw(self.plan.units[step.table]))
        if step.through is not None:
            parents = self.drawn_rows[step.through.table]
            return warehouse_queries.select_child_rows(
                self._build_relation(step.table), self._build_reference(step.table, step.through), parents
            )
        return self._build_relation(step.table) if step.keep == "all" else None

    def _build_draw(self, unit: UnitPlan) -> warehouse_queries.WarehouseDraw:
        table, source = self._build_relation(unit.table), self.plan.tables[unit.table]
        dialects.check_portable_key(self.dialect, source.columns, unit.key)
        dialects.check_portable_strata([(one.name, one.type) for one in unit.columns])
        if unit.where is not None:
            try:
                table = table.filter(portable_condition.build_condition(unit.where, source.columns, table))
            except DataRuleError as error:
                raise DataRuleError(f"[tables.{unit.table}] where: {error.message}", hint=error.hint) from None
        return warehouse_queries.WarehouseDraw(
            table=table,
            key=unit.key,
            coefficients=unit.coefficients,
            columns=[self._build_strata_column(unit.table, n, one) for n, one in enumerate(unit.columns)],
            strata=[([(label.kind, label.text) for label in one.labels], one.threshold) for one in unit.strata],
            has_shared_keys=unit.shared,
        )

    def _build_strata_column(
        self, unit: str, number: int, column: StrataColumn
    ) -> warehouse_queries.WarehouseStrataColumn:
        chain, table = [], unit
        for reference in column.path:
            chain.append((self._build_relation(reference.table), self._build_reference(table, reference)))
            table = reference.table
        lookup = None
        if chain:
            first = chain[0][1]
            pairs = [
                KeyColumnPair(column=own, type=other, as_text=(kind == "VARCHAR") != (other == "VARCHAR"))
                for (own, kind), (_, other) in first.pairs
            ]
            lookup = ValueLookup(table=f"values {number}", pairs=tuple(pairs), when=tuple(first.when))
        found = LabelDefinition(column=column.column, type=column.type, edges=column.edges, lookup=lookup)
        common = column.common if column.rare_below is not None else None
        return warehouse_queries.WarehouseStrataColumn(
            name=column.name, label=found, common_values=common, lookup_chain=chain, column=column.column
        )

    def _build_reference(self, table: str, reference: Reference) -> warehouse_queries.WarehouseReference:
        refers = warehouse_queries.WarehouseReference(
            pairs=pair_reference_columns(self.plan.tables, table, reference), when=reference.when
        )
        warehouse_queries.check_reference_types(f"{table} → {reference.table}", refers)
        return refers

    def _build_sampled_rows(self, name: str, asking: tuple[str, ...]) -> Any:
        """Give the rows of a table: the drawn ones, and those that the rows of other tables name.

        Args:
            name: The table.
            asking: The tables whose rows depend on it.

        Raises:
            RuleError: It depends on itself.
        """
        if name in asking:
            circle = " → ".join([*reversed(asking[asking.index(name) :]), asking[-1]])
            raise DataRuleError(
                f"references go in a circle, {circle}, which one SELECT cannot follow to its end",
                hint="draw the sample here, where they are followed: sandbox sample",
            )
        if name not in self.sampled_rows:
            found = self.drawn_rows[name]
            for holder, reference in self._list_references(name):
                rows = self._build_sampled_rows(holder, (*asking, name))
                if rows is not None:
                    found = warehouse_queries.add_referenced_rows(
                        self._build_relation(name), found, self._build_reference(holder, reference), rows
                    )
            self.sampled_rows[name] = found
        return self.sampled_rows[name]

    def _list_references(self, name: str) -> Sequence[tuple[str, Reference]]:
        """Give the references to a table that can name rows of it which are not drawn."""
        if self._find_step(name).keep == "all":
            return []
        return [
            (step.table, reference)
            for step in self.plan.steps
            for reference in step.references
            if reference.table == name and (reference != step.through or self._can_gain_rows(step.table, (name,)))
        ]

    def _can_gain_rows(self, name: str, asking: tuple[str, ...]) -> bool:
        """Say whether references can bring rows of a table that are not drawn."""
        if self._find_step(name).keep == "all":
            return False
        return name in asking or any(
            reference.table == name and (reference != step.through or self._can_gain_rows(step.table, (*asking, name)))
            for step in self.plan.steps
            for reference in step.references
        )

    def _find_step(self, name: str) -> TableStep:
        return next(step for step in self.plan.steps if step.table == name)


def format_script(found: Sequence[WarehouseStatement], plan: SamplePlan, dialect: SqlDialect) -> str:
    """Give statements as one text, with what a person has to know of them."""
    lines = [*_list_notes(plan, dialect)]
    for one in found:
        lines += ["", f"-- {one.title}: {_escape_comment(one.table)}", f"{one.sql};"]
    return "\n".join(lines) + "\n"


def _list_notes(plan: SamplePlan, dialect: SqlDialect) -> list[str]:
    run = (
        "tests carry such SQL out"
        if dialect in dialects.TESTED_DIALECTS
        else "compiled, not run: no test carries it out there"
    )
    notes = [
        f"The sample {plan.request[:12]} as SQL for {dialect}; {run}.",
        "It draws the rows that sandbox sample draws, where the tables hold the same values.",
        "Thresholds and bins are those of the source when it was counted just now.",
    ]
    if any(mask.kind != "none" for masks in plan.masks.values() for mask in masks.values()) or plan.personal_columns:
        notes.append("Nothing is masked: what these statements give is personal.")
    notes += DIALECT_NOTES.get(dialect, ())
    return [f"-- {note}" for note in notes]


def _escape_comment(name: str) -> str:
    """Give a name that ends no comment."""
    return json.dumps(name, ensure_ascii=False)[1:-1]
