"""Find columns that are NULL in every row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.compare.columns import ComparedColumn, TableShape
    from sandbox.compare.relations import SideName
    from sandbox.engine.duckdb.session import Session

NullSides = Literal["both", "candidate"]

FIRST_ROWS = 1_000
"""Rows read first; only columns without a value there are looked at again."""


def find_null_columns(
    session: Session, columns: Sequence[ComparedColumn], shapes: Mapping[SideName, TableShape], *, doing: str
) -> dict[str, NullSides]:
    """Return the columns that are NULL throughout on both sides, or on the candidate's alone; empty tables have none.

    Args:
        session: Holds the tables.
        columns: The compared columns.
        shapes: The tables.
        doing: What a failure is the failure of.
    """
    if any(not shape.rows for shape in shapes.values()):
        return {}
    empty = _find_on_side(session, "candidate", shapes["candidate"], columns, doing=doing)
    before = {column.name for column in _find_on_side(session, "baseline", shapes["baseline"], empty, doing=doing)}
    return {column.name: "both" if column.name in before else "candidate" for column in empty}


def _find_on_side(
    session: Session, side: SideName, shape: TableShape, columns: Sequence[ComparedColumn], *, doing: str
) -> list[ComparedColumn]:
    if not columns:
        return []
    counts = ", ".join(f"count({column.format_raw_name(side)})" for column in columns)
    [first] = session.fetch_rows(f"select {counts} from (from {shape.relation} limit {FIRST_ROWS})", doing=doing)
    possible = [column for column, count in zip(columns, first, strict=True) if not count]
    return [
        column
        for column in possible
        if not session.fetch_rows(
            f"select 1 from {shape.relation} where {column.format_raw_name(side)} is not null limit 1", doing=doing
        )
    ]
