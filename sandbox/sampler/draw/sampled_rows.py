"""What is known of the drawn rows: the columns that references, weights and checks need, as the source has them.

They are in the session only, never in the draw's folder: what is written there is masked.
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
    """The names of the columns that stand beside a table's own, none of which is called so.

    Attributes:
        row_number: A row's place in its file.
        stratum: The index of its stratum, in a unit table.
        unit: The number of the unit that it belongs to; NULL for lookups.
        turn: 0 for what was drawn, else the turn of the closure that brought it.
    """

    row_number: str
    stratum: str
    unit: str
    turn: str

    @classmethod
    def from_columns(cls, columns: Mapping[str, str]) -> MarkColumns:
        """Give names that are not taken; ``stratum`` and ``unit`` are those of `sandbox.sampler.plan.frame`."""
        return cls(
            row_number=choose_unused_name("place", columns),
            stratum=choose_unused_name("stratum", columns),
            unit=choose_unused_name("unit number", columns),
            turn=choose_unused_name("turn", columns),
        )


@dataclass(frozen=True, kw_only=True)
class SampledRows:
    """The rows of one table that are in the sample.

    Attributes:
        relation: SQL that can stand after ``from``.
        columns: Which of the table's columns it has; beside them stratum, unit and turn.
        marks: What these are called.
    """

    relation: str
    columns: tuple[str, ...]
    marks: MarkColumns

    @property
    def drawn_relation(self) -> str:
        """SQL that can stand after ``from``: without what only closure brought."""
        return f"(select * from {self.relation} where {quote_identifier(self.marks.turn)} = 0)"

    def add(self, session: Session, rows: str, turn: int, *, doing: str) -> None:
        """Add rows of a relation (SQL that can stand after ``from``) with the table's columns, stratum and unit."""
        names = ", ".join(quote_identifier(name) for name in (*self.columns, self.marks.stratum, self.marks.unit))
        session.execute(f"insert into {self.relation} select {names}, {turn} from {rows}", doing=doing)


def list_needed_columns(plan: SamplePlan, keys: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """Give for each table the columns that references start from or lead to, and its key.

    Args:
        plan: The plan.
        keys: The declared keys.
    """
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
    """Give for each table also the columns that narrow its frame.

    Args:
        plan: The plan.
        needed: What `list_needed_columns` gives.
    """
    found = {name: list(columns) for name, columns in needed.items()}
    for name, unit in plan.units.items():
        if unit.where is not None:
            found[name] += predicate.find_condition_columns(unit.where, plan.tables[name].columns)
    return found


def create_empty_table(session: Session, table: SourceTable, columns: tuple[str, ...]) -> SampledRows:
    """Make the table that the rows of a table are added to as they are drawn."""
    marks = MarkColumns.from_columns(table.columns)
    name = quote_identifier(f"known of {table.name.encode().hex()}")  # the engine takes "A" and "a" for one name
    kinds = [f"{quote_identifier(column)} {table.columns[column]}" for column in columns]
    kinds += [
        f"{quote_identifier(marks.stratum)} INTEGER",
        f"{quote_identifier(marks.unit)} BIGINT",
        f"{quote_identifier(marks.turn)} INTEGER",
    ]
    session.execute(f"create temp table {name} ({', '.join(kinds)})")
    return SampledRows(relation=name, columns=columns, marks=marks)


def create_whole_table_view(session: Session, table: SourceTable, columns: tuple[str, ...], source: str) -> SampledRows:
    """Give the rows of a table that comes whole: they are read where they lie.

    Args:
        session: The engine.
        table: The table.
        columns: The columns.
        source: SQL that can stand after ``from`` and has these columns: the table as the source has it.
    """
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
