"""Keep unmasked columns of drawn rows for references, weights and checks.

They stay in the session and are never written to the draw's folder, whose files are masked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.sql import predicate
from sandbox.engine.sql.ibis_types import choose_unused_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sandbox.engine.duckdb.session import Session
    from sandbox.sampler.plan.plan import SamplePlan
    from sandbox.sources.table import SourceTable


@dataclass(frozen=True, kw_only=True)
class MarkColumns:
    """Names of the additional columns beside a table's own, distinct from all of them.

    Attributes:
        row_number: The row number in its file.
        stratum: The index of its stratum, in a unit table.
        unit: The number of its unit; NULL for lookups.
        turn: 0 for drawn rows, else the turn of the closure that added it.
    """

    row_number: str
    stratum: str
    unit: str
    turn: str

    @classmethod
    def from_columns(cls, columns: Mapping[str, str]) -> MarkColumns:
        """Choose unused names; ``stratum`` and ``unit`` are those of `sandbox.sampler.plan.frame`."""
        return cls(
            row_number=choose_unused_name("place", columns),
            stratum=choose_unused_name("stratum", columns),
            unit=choose_unused_name("unit number", columns),
            turn=choose_unused_name("turn", columns),
        )


@dataclass(frozen=True, kw_only=True)
class SampledRows:
    """The rows of one table in the sample.

    Attributes:
        relation: SQL for the FROM clause.
        columns: The table's kept columns; stratum, unit and turn are beside them.
        marks: The names of these.
    """

    relation: str
    columns: tuple[str, ...]
    marks: MarkColumns

    @property
    def drawn_relation(self) -> str:
        """SQL for the FROM clause, without rows added by the closure."""
        return f"(select * from {self.relation} where {quote_identifier(self.marks.turn)} = 0)"

    def build_mark_query(self, select: str) -> str:
        """Build the SELECT of the kept columns, row numbers, strata and units of selected rows."""
        marks = self.marks
        names = [*self.columns, marks.row_number, marks.stratum, marks.unit]
        return f"select {', '.join(map(quote_identifier, dict.fromkeys(names)))} from ({select})"

    def add(self, session: Session, rows: str, turn: int, *, doing: str) -> None:
        """Insert rows of a relation (SQL for the FROM clause) with the table's columns, stratum and unit."""
        names = ", ".join(quote_identifier(name) for name in (*self.columns, self.marks.stratum, self.marks.unit))
        session.execute(f"insert into {self.relation} select {names}, {turn} from {rows}", doing=doing)


def list_needed_columns(plan: SamplePlan, keys: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """Return for each table its key and the columns on either side of references."""
    columns: dict[str, dict[str, None]] = {step.table: {} for step in plan.steps}
    for name, key in keys.items():
        columns[name].update(dict.fromkeys(key))
    for step in plan.steps:
        for reference in step.references:
            columns[step.table].update(dict.fromkeys(reference.columns))
            columns[step.table].update(dict.fromkeys(column for column, _ in reference.when))
            columns[reference.table].update(dict.fromkeys(reference.key))
    return {table: tuple(names) for table, names in columns.items()}


def add_frame_columns(plan: SamplePlan, needed: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Add the columns in the frame's conditions to the needed columns of each table."""
    extended = {name: list(columns) for name, columns in needed.items()}
    for name, unit in plan.units.items():
        if unit.where is not None:
            extended[name] += predicate.find_condition_columns(unit.where, plan.tables[name].columns)
    return extended


def create_empty_table(session: Session, table: SourceTable, columns: tuple[str, ...]) -> SampledRows:
    """Create the table for a table's drawn rows."""
    marks = MarkColumns.from_columns(table.columns)
    name = quote_identifier(f"known of {table.name.encode().hex()}")  # DuckDB ignores the case of names
    kinds = [f"{quote_identifier(column)} {table.columns[column]}" for column in columns]
    kinds += [
        f"{quote_identifier(marks.stratum)} INTEGER",
        f"{quote_identifier(marks.unit)} BIGINT",
        f"{quote_identifier(marks.turn)} INTEGER",
    ]
    session.execute(f"create temp table {name} ({', '.join(kinds)})")
    return SampledRows(relation=name, columns=columns, marks=marks)


def create_whole_table_view(session: Session, table: SourceTable, columns: tuple[str, ...], source: str) -> SampledRows:
    """Create the view of a table sampled whole over ``source``: SQL for the FROM clause with its columns."""
    marks = MarkColumns.from_columns(table.columns)
    name = quote_identifier(f"known of {table.name.encode().hex()}")
    names = [quote_identifier(column) for column in columns]
    names += [
        f"null::integer as {quote_identifier(marks.stratum)}",
        f"null::bigint as {quote_identifier(marks.unit)}",
    ]
    session.execute(
        f"create temp view {name} as select {', '.join(names)}, 0 as {quote_identifier(marks.turn)} from {source}"
    )
    return SampledRows(relation=name, columns=columns, marks=marks)
