"""A part of either table that is small enough to be looked at in many ways.

Whether a row is in it depends on its key alone (without a key, on the whole row), so the two sides hold the same rows
and neither the order of rows nor the threads matter. Tables of up to `ROWS` rows are taken whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.compare.rows.change_counts import any_differs, only_noise, pairs
from sandbox.compare.rows.row_matching import SIDES
from sandbox.compare.sql_types import FLOATS, MOMENTS, is_numeric

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sandbox.compare.columns import Column, Shape, SideName
    from sandbox.compare.rows.change_counts import Changes
    from sandbox.compare.rows.row_matching import Plan
    from sandbox.compare.units.unit_columns import Owned
    from sandbox.engine.duckdb.session import Session

ROWS = 1 << 16
LONGEST = 201  # a character more than what is shown of a text
COLUMNS = 60
_PLAIN = frozenset({"VARCHAR", "BOOLEAN", "UUID"})


@dataclass(frozen=True, kw_only=True)
class Part:
    """What is in the tables ``part_baseline`` and ``part_candidate``: the columns as ``p<n>``.

    Attributes:
        columns: Those of the baseline that can be looked at.
        both: Those of them that the candidate's part has as well.
        owned: The columns of the rows' units, in ``part_baseline`` and ``part_differing``; None where there are none.
        one_in: Of so many rows one was taken; 1 where all were.
    """

    columns: tuple[Column, ...]
    both: tuple[Column, ...]
    owned: Owned | None
    one_in: int

    @property
    def sliced(self) -> tuple[Column, ...]:
        """The columns that may tell where the differences lie."""
        own = self.owned.columns if self.owned else ()
        return (*(column for column in self.columns if not column.tainted), *own)

    @property
    def whole(self) -> bool:
        """True where every row of both tables is in it."""
        return self.one_in == 1


def plain(column: Column) -> bool:
    """True for columns whose values can be counted and put in an order."""
    type_ = column.common
    return type_ is not None and (
        is_numeric(type_) or type_ in MOMENTS or type_ in _PLAIN or type_.startswith("ENUM(")
    )


def name(column: Column) -> str:
    """Give the name of a column in a part."""
    return f"p{column.baseline}"


def measure(column: Column, sql: str) -> str | None:
    """Give the SQL of a value as a DOUBLE, seconds for dates and times; NULL where it is not finite.

    None for columns whose values have no distance.
    """
    assert column.common is not None
    if column.common == "TIME":
        return f"epoch({sql})::DOUBLE"
    if column.common in MOMENTS:
        return f"case when isfinite({sql}) then epoch({sql})::DOUBLE end"
    if not is_numeric(column.common):
        return None
    return f"case when isfinite({sql}::DOUBLE) then {sql}::DOUBLE end"


def shown(column: Column, side: SideName, row: str = "") -> str:
    """Give the SQL of a column's value as a part holds it: of the common type, without tolerances, text cut."""
    return cut(column, uncut(column, side, row))


def cut(column: Column, sql: str) -> str:
    """Give the SQL of a value, cut if it is a text."""
    return f"left({sql}, {LONGEST})" if column.common == "VARCHAR" else sql


def uncut(column: Column, side: SideName, row: str = "") -> str:
    """Give the SQL of the same, but for text as it is."""
    value = column.value(side, key=True, row=row)
    return f"{value} + 0.0" if column.common in FLOATS else value


def one_in(shapes: dict[SideName, Shape]) -> int:
    """Say of how many rows one is in a part: a power of two, so that a hash tells quickly."""
    parts = -(-max(shape.rows for shape in shapes.values()) // ROWS)
    return 1 << max(parts - 1, 0).bit_length()


def take(
    session: Session, plan: Plan, of_both: Collection[Column], owned: Owned | None, *, doing: str
) -> Part:
    """Make ``part_baseline`` and, with the columns ``of_both`` alone, ``part_candidate``."""
    assert plan.one_in is not None
    columns = tuple(column for column in plan.columns if plain(column))[:COLUMNS]
    both = tuple(column for column in columns if column in of_both)
    for side, some, own in zip(SIDES, (columns, both), (owned, None), strict=True):
        query = f"select {_listed(some, side, own)} from kept_{side} where sampled"
        session.execute(
            f"create or replace temp table part_{side} as {own.beside(query) if own else query}", doing=doing
        )
    return Part(columns=columns, both=both, owned=owned, one_in=plan.one_in)


def _listed(columns: Sequence[Column], side: SideName, owned: Owned | None, row: str = "") -> str:
    """Give the values of columns, and the unit's key where its columns are wanted too."""
    given = [f"{shown(column, side, row)} as {name(column)}" for column in columns]
    return ", ".join([*given, *([owned.units.named(side, row)] if owned else [])]) or "1 as none"


def differing(session: Session, plan: Plan, part: Part, changes: Changes, *, doing: str) -> int:
    """Make ``part_differing``: the rows that differ and are no noise, as ``p<n>``, with how many each stands for, ``w``.

    Of a changed row production's values are taken. Of more than `ROWS` rows only a part is.

    Returns:
        Of how many rows one was taken.
    """
    few_of = max(1, changes.rows.different // ROWS)
    found = []
    if plan.key:
        sides = (f"hash({', '.join(f'{row}.{key}' for key in plan.keys)})" for row in "bc")
        few = "".join(f" and {side} % {few_of} = 0" for side in sides) if few_of > 1 else ""
        found.append(
            f"select {_listed(part.columns, 'baseline', part.owned, 'b')}, 1.0::DOUBLE as w from {pairs(plan)} "
            f"where ({any_differs(plan)}) and not ({only_noise(plan)}){few}"
        )
    for side, more in zip(SIDES, ("b - c", "c - b"), strict=True):
        few = f" and l.h % {few_of} = 0" if few_of > 1 else ""
        found.append(
            f"select {_listed(part.columns, side, part.owned, 't')}, ({more}) / greatest(l.b, l.c)::DOUBLE as w "
            f"from (select *, {plan.hashed} as row_hash from late_{side} where not paired) t "
            f"join loose l on l.h = t.row_hash where {more} > 0 and not noise{few}"
        )
    query = " union all ".join(found)
    query = part.owned.beside(query) if part.owned else query
    session.execute(f"create or replace temp table part_differing as {query}", doing=doing)
    return few_of
