"""A part of either table that is small enough to be looked at in many ways.

Whether a row is in it depends on its key alone (without a key, on the whole row), so the two sides hold the same rows
and neither the order of rows nor the threads matter. Tables of up to `MAX_SAMPLE_ROWS` rows are taken whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.compare.relations import SIDES, SampleRows, create_table
from sandbox.compare.rows.change_counts import (
    render_accepted_sql,
    render_pair_differs_sql,
    render_pairs_sql,
)
from sandbox.compare.rows.sample_columns import MAX_SAMPLE_COLUMNS, format_sample_name, is_countable, render_cut_sql
from sandbox.compare.sql_types import FLOAT_TYPES, TEMPORAL_TYPES, is_numeric

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sandbox.compare.columns import ComparedColumn
    from sandbox.compare.relations import Differences, SideName
    from sandbox.compare.rows.change_counts import ChangeCounts
    from sandbox.compare.rows.row_matching import ComparisonPlan
    from sandbox.compare.units.unit_columns import UnitColumns
    from sandbox.engine.duckdb.session import Session

MAX_SAMPLE_ROWS = 1 << 16


@dataclass(frozen=True, kw_only=True)
class DetailSample:
    """A sample of the rows of both sides.

    Attributes:
        rows: Those of each side.
        columns: Those of the baseline that can be looked at.
        shared_columns: Those of them that the candidate's rows have as well.
        unit_columns: The columns of the units, in the baseline's and in the differing rows; None where there are none.
        one_in: Of so many rows one was taken; 1 where all were.
    """

    rows: Mapping[SideName, SampleRows]
    columns: tuple[ComparedColumn, ...]
    shared_columns: tuple[ComparedColumn, ...]
    unit_columns: UnitColumns | None
    one_in: int

    @property
    def slice_columns(self) -> tuple[ComparedColumn, ...]:
        """The columns that may tell where the differences lie."""
        own = self.unit_columns.columns if self.unit_columns else ()
        return (*(column for column in self.columns if not column.is_nondeterministic), *own)

    @property
    def is_whole(self) -> bool:
        """True where every row of both tables is in it."""
        return self.one_in == 1


@dataclass(frozen=True, kw_only=True)
class DifferingSample:
    """The rows that differ and are no noise; ``one_in``: of so many one was taken."""

    rows: SampleRows
    one_in: int


def render_measure_sql(column: ComparedColumn, sql: str) -> str | None:
    """Render the SQL of a value as a DOUBLE, seconds for dates and times; NULL where it is not finite.

    None for columns whose values have no distance.
    """
    assert column.common is not None
    if column.common == "TIME":
        return f"epoch({sql})::DOUBLE"
    if column.common in TEMPORAL_TYPES:
        return f"case when isfinite({sql}) then epoch({sql})::DOUBLE end"
    if not is_numeric(column.common):
        return None
    return f"case when isfinite({sql}::DOUBLE) then {sql}::DOUBLE end"


def render_sample_value_sql(column: ComparedColumn, side: SideName, row: str = "") -> str:
    """Render the SQL of a column's value as a part holds it: of the common type, without tolerances, text cut."""
    return render_cut_sql(column, render_full_value_sql(column, side, row))


def render_full_value_sql(column: ComparedColumn, side: SideName, row: str = "") -> str:
    """Render the SQL of the same, but for text as it is."""
    value = column.render_value_sql(side, key=True, row=row)
    return f"{value} + 0.0" if column.common in FLOAT_TYPES else value


def create_detail_sample(
    session: Session,
    plan: ComparisonPlan,
    differences: Differences,
    of_both: Collection[ComparedColumn],
    owned: UnitColumns | None,
    *,
    doing: str,
) -> DetailSample:
    """Store the sampled rows of the baseline and, with the columns ``of_both`` alone, of the candidate."""
    assert plan.one_in is not None
    columns = tuple(column for column in plan.columns if is_countable(column))[:MAX_SAMPLE_COLUMNS]
    both = tuple(column for column in columns if column in of_both)
    rows = {}
    for side, some, own in zip(SIDES, (columns, both), (owned, None), strict=True):
        query = f"select {_render_columns_sql(some, side, own)} from {differences.collected[side]} where sampled"
        query = own.render_joined_sql(query) if own else query
        rows[side] = create_table(session, SampleRows(name=f"sample_{side}"), query, doing=doing)
    return DetailSample(rows=rows, columns=columns, shared_columns=both, unit_columns=owned, one_in=plan.one_in)


def _render_columns_sql(
    columns: Sequence[ComparedColumn], side: SideName, owned: UnitColumns | None, row: str = ""
) -> str:
    """Render the values of columns, and the unit's key where its columns are wanted too."""
    given = [f"{render_sample_value_sql(column, side, row)} as {format_sample_name(column)}" for column in columns]
    return ", ".join([*given, *([owned.units.render_key_columns_sql(side, row)] if owned else [])]) or "1 as none"


def create_differing_sample(
    session: Session,
    plan: ComparisonPlan,
    differences: Differences,
    part: DetailSample,
    changes: ChangeCounts,
    *,
    doing: str,
) -> DifferingSample:
    """Store the rows that differ and are no noise; of more than `MAX_SAMPLE_ROWS` only a part.

    Of a changed row production's values are taken.
    """
    few_of = max(1, changes.rows.different // MAX_SAMPLE_ROWS)
    found = []
    if plan.key:
        sides = (f"hash({', '.join(f'{row}.{key}' for key in plan.key_names)})" for row in "bc")
        few = "".join(f" and {side} % {few_of} = 0" for side in sides) if few_of > 1 else ""
        found.append(
            f"select {_render_columns_sql(part.columns, 'baseline', part.unit_columns, 'b')}, 1.0::DOUBLE as w from {render_pairs_sql(plan, differences)} "
            f"where ({render_pair_differs_sql(plan)}) and not ({render_accepted_sql(plan)}){few}"
        )
    surplus = (changes.rows.removed, changes.rows.added)
    for side, more, rows in zip(SIDES, ("b - c", "c - b"), surplus, strict=True):
        if not rows and found:
            continue
        few = f" and l.h % {few_of} = 0" if few_of > 1 else ""
        found.append(
            f"select {_render_columns_sql(part.columns, side, part.unit_columns, 't')}, ({more}) / greatest(l.b, l.c)::DOUBLE as w "
            f"from ({plan.render_unpaired_rows_sql(differences.differing[side], differences.surplus, f'{more} > 0')}) t "
            f"join {differences.surplus} l on l.d = t.row_digest where {more} > 0 and not noise{few}"
        )
    query = " union all ".join(found)
    query = part.unit_columns.render_joined_sql(query) if part.unit_columns else query
    stored = create_table(session, SampleRows(name="sample_differing"), query, doing=doing)
    return DifferingSample(rows=stored, one_in=few_of)
