"""What is known of the drawn rows: the columns that references, weights and checks need, as the source has them.

They are in the session only, never in the draw's folder: what is written there is masked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote
from sandbox.engine.sql import predicate
from sandbox.engine.sql.ibis_types import fresh

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sandbox.engine.duckdb.session import Session
    from sandbox.sampler.plan.plan import Plan
    from sandbox.sources.table import SourceTable


@dataclass(frozen=True, kw_only=True)
class Marks:
    """The names of the columns that stand beside a table's own, none of which is called so.

    Attributes:
        place: A row's place in its file.
        stratum: The index of its stratum, in a unit table.
        unit: The number of the unit that it belongs to; NULL for lookups.
        turn: 0 for what was drawn, else the turn of the closure that brought it.
    """

    place: str
    stratum: str
    unit: str
    turn: str

    @classmethod
    def beside(cls, columns: Mapping[str, str]) -> Marks:
        """Give names that are not taken; ``stratum`` and ``unit`` are those of `sandbox.sampler.plan.frame`."""
        return cls(
            place=fresh("place", columns),
            stratum=fresh("stratum", columns),
            unit=fresh("unit number", columns),
            turn=fresh("turn", columns),
        )


@dataclass(frozen=True, kw_only=True)
class Known:
    """The rows of one table that are in the sample.

    Attributes:
        relation: SQL that can stand after ``from``.
        columns: Which of the table's columns it has; beside them stratum, unit and turn.
        marks: What these are called.
    """

    relation: str
    columns: tuple[str, ...]
    marks: Marks

    @property
    def drawn(self) -> str:
        """SQL that can stand after ``from``: without what only closure brought."""
        return f"(select * from {self.relation} where {quote(self.marks.turn)} = 0)"

    def add(self, session: Session, rows: str, turn: int, *, doing: str) -> None:
        """Add rows of a relation (SQL that can stand after ``from``) with the table's columns, stratum and unit."""
        names = ", ".join(quote(name) for name in (*self.columns, self.marks.stratum, self.marks.unit))
        session.execute(f"insert into {self.relation} select {names}, {turn} from {rows}", doing=doing)


def needed_columns(plan: Plan, keys: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
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


def deciding_columns(plan: Plan, needed: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Give for each table also the columns that narrow its frame.

    Args:
        plan: The plan.
        needed: What `needed_columns` gives.
    """
    found = {name: list(columns) for name, columns in needed.items()}
    for name, unit in plan.units.items():
        if unit.where is not None:
            found[name] += predicate.columns_of(unit.where, plan.tables[name].columns)
    return found


def empty(session: Session, table: SourceTable, columns: tuple[str, ...]) -> Known:
    """Make the table that the rows of a table are added to as they are drawn."""
    marks = Marks.beside(table.columns)
    name = quote(f"known of {table.name.encode().hex()}")  # the engine takes "A" and "a" for one name
    kinds = [f"{quote(column)} {table.columns[column]}" for column in columns]
    kinds += [
        f"{quote(marks.stratum)} INTEGER",
        f"{quote(marks.unit)} BIGINT",
        f"{quote(marks.turn)} INTEGER",
    ]
    session.execute(f"create temp table {name} ({', '.join(kinds)})")
    return Known(relation=name, columns=columns, marks=marks)


def complete(session: Session, table: SourceTable, columns: tuple[str, ...], source: str) -> Known:
    """Give the rows of a table that comes whole: they are read where they lie.

    Args:
        session: The engine.
        table: The table.
        columns: The columns.
        source: SQL that can stand after ``from`` and has these columns: the table as the source has it.
    """
    marks = Marks.beside(table.columns)
    name = quote(f"known of {table.name.encode().hex()}")
    names = [quote(column) for column in columns]
    names += [f"null::integer as {quote(marks.stratum)}", f"null::bigint as {quote(marks.unit)}"]
    session.execute(
        f"create temp view {name} as select {', '.join(names)}, 0 as {quote(marks.turn)} from {source}"
    )
    return Known(relation=name, columns=columns, marks=marks)
