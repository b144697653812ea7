"""Compile a plan into standalone SQL for another database: the counts of strata, then each table's rows. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.engine.rule import warehouse_queries
from sandbox.engine.rule.strata_labels import KeyColumnPair, LabelDefinition, ValueLookup
from sandbox.engine.sql import dialects, portable_condition
from sandbox.errors import DataRuleError
from sandbox.formatting import format_count
from sandbox.sources.checks.schema_check import pair_reference_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.config.sections.sample import Reference
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
    """A SELECT with its title and table."""

    title: str
    table: str
    sql: str

    def to_dict(self) -> dict[str, str]:
        return {"gives": self.title, "table": self.table, "sql": self.sql}


def compile_plan(plan: SamplePlan, dialect: SqlDialect) -> list[WarehouseStatement]:
    """Compile a plan into SQL: the counts of strata (N_h) of each unit table, then the rows of each table.

    If keys or references repeat in a referenced table, its rows are those of the draw; nothing is masked.

    Raises:
        DataRuleError: The dialect cannot express the plan exactly, or references are circular; nothing is compiled
            then.
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

    def _build_statement(self, title: str, table: str, select: Any) -> WarehouseStatement:
        return WarehouseStatement(title=title, table=table, sql=dialects.render_select(select, self.dialect))

    def _build_relation(self, name: str) -> Any:
        return warehouse_queries.build_table(name, self.plan.tables[name].columns, self.dialect)

    def _build_drawn_rows(self, step: TableStep) -> Any | None:
        """Build a table's rows drawn before references are followed; None for none."""
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
        for column in unit.columns:
            if column.size is not None:
                raise DataRuleError(
                    f"strata by the {column.name} are not compiled: their sums need not be the same in another database",
                    hint="draw the sample here: sandbox sample",
                )
        dialects.check_portable_key(self.dialect, source.columns, unit.key)
        dialects.check_portable_strata([(column.name, column.type) for column in unit.columns])
        if unit.where is not None:
            try:
                table = table.filter(portable_condition.build_condition(unit.where, source.columns, table))
            except DataRuleError as error:
                raise DataRuleError(f"[tables.{unit.table}] where: {error.message}", hint=error.hint) from None
        return warehouse_queries.WarehouseDraw(
            table=table,
            key=unit.key,
            coefficients=unit.coefficients,
            columns=[self._build_strata_column(unit.table, n, column) for n, column in enumerate(unit.columns)],
            strata=[([(label.kind, label.text) for label in s.labels], s.threshold) for s in unit.strata],
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
                KeyColumnPair(column=column_name, type=other, as_text=(kind == "VARCHAR") != (other == "VARCHAR"))
                for (column_name, kind), (_, other) in first.pairs
            ]
            lookup = ValueLookup(table=f"values {number}", pairs=tuple(pairs), when=tuple(first.when))
        label = LabelDefinition(column=column.column, type=column.type, edges=column.edges, lookup=lookup)
        common = column.common if column.rare_below is not None else None
        return warehouse_queries.WarehouseStrataColumn(
            name=column.name, label=label, common_values=common, lookup_chain=chain, column=column.column
        )

    def _build_reference(self, table: str, reference: Reference) -> warehouse_queries.WarehouseReference:
        refers = warehouse_queries.WarehouseReference(
            pairs=pair_reference_columns(self.plan.tables, table, reference), when=reference.when
        )
        warehouse_queries.check_reference_types(f"{table} → {reference.table}", refers)
        return refers

    def _build_sampled_rows(self, name: str, asking: tuple[str, ...]) -> Any:
        """Build the rows of a table: the drawn ones and those named by other tables' rows.

        ``asking`` are the tables whose rows depend on it.

        Raises:
            DataRuleError: It depends on itself.
        """
        if name in asking:
            circle = " → ".join([*reversed(asking[asking.index(name) :]), asking[-1]])
            raise DataRuleError(
                f"references go in a circle, {circle}, which one SELECT cannot follow to its end",
                hint="draw the sample here, where they are followed: sandbox sample",
            )
        if name not in self.sampled_rows:
            rows_of_table = self.drawn_rows[name]
            for holder, reference in self._list_references(name):
                rows = self._build_sampled_rows(holder, (*asking, name))
                if rows is not None:
                    rows_of_table = warehouse_queries.add_referenced_rows(
                        self._build_relation(name), rows_of_table, self._build_reference(holder, reference), rows
                    )
            self.sampled_rows[name] = rows_of_table
        return self.sampled_rows[name]

    def _list_references(self, name: str) -> Sequence[tuple[str, Reference]]:
        """Return the references to a table that can add rows to the drawn ones."""
        if self._find_step(name).keep == "all":
            return []
        return [
            (step.table, reference)
            for step in self.plan.steps
            for reference in step.references
            if _is_followed(step, reference)
            and reference.table == name
            and (reference != step.through or self._can_gain_rows(step.table, (name,)))
        ]

    def _can_gain_rows(self, name: str, asking: tuple[str, ...]) -> bool:
        """Check whether references can add rows to a table's drawn ones."""
        if self._find_step(name).keep == "all":
            return False
        return name in asking or any(
            reference.levels != 0
            and reference.table == name
            and (reference != step.through or self._can_gain_rows(step.table, (*asking, name)))
            for step in self.plan.steps
            for reference in step.references
        )

    def _find_step(self, name: str) -> TableStep:
        return next(step for step in self.plan.steps if step.table == name)


def _is_followed(step: TableStep, reference: Reference) -> bool:
    """Return whether a reference is followed.

    Raises:
        DataRuleError: It is followed for a number of levels.
    """
    if reference.levels:
        raise DataRuleError(
            f"{step.table} → {reference.table} is followed for {format_count(reference.levels, 'level')}, which no SELECT does",
            hint="draw the sample here, or write follow = false or true at the reference",
        )
    return reference.levels is None


def format_script(statements: Sequence[WarehouseStatement], plan: SamplePlan, dialect: SqlDialect) -> str:
    """Format statements as one text with notes."""
    lines = [*_list_notes(plan, dialect)]
    for statement in statements:
        lines += ["", f"-- {statement.title}: {_escape_comment(statement.table)}", f"{statement.sql};"]
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
    """Escape a name so that it cannot end a comment."""
    return json.dumps(name, ensure_ascii=False)[1:-1]
