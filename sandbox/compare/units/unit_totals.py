"""What an output holds of each drawn unit, and what a difference does to it: SQL in the session of a comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sandbox.compare.relations import SIDES, DrawnUnits, UnitChanges, UnitSums, create_table
from sandbox.compare.rows.change_counts import (
    render_accepted_sql,
    render_added_and_removed_sql,
    render_pair_differs_sql,
    render_pairs_sql,
)
from sandbox.compare.rows.row_matching import format_value_name
from sandbox.compare.sql_types import has_exact_sums
from sandbox.compare.units.output_estimate import UnitTotals
from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.duckdb.table_functions import build_parquet_reader
from sandbox.errors import SandboxError, StoreError
from sandbox.manifest.output_estimate import RowsWithoutUnit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.compare.columns import ComparedColumn
    from sandbox.compare.relations import Differences, Relation, SideName, SideRows, ValueRows
    from sandbox.compare.rows.row_matching import ComparisonPlan
    from sandbox.compare.units.output_estimate import Array
    from sandbox.compare.units.sampled_units import OutputUnits, UnitTableDraw
    from sandbox.engine.duckdb.session import Session

_COLUMNS_PER_QUERY = 40  # columns in one query
_BATCH_ROWS = 1 << 16


def create_drawn_units_table(session: Session, drawn: UnitTableDraw) -> DrawnUnits:
    """Store the sampled units of a draw with their stratum and recorded sizes.

    Raises:
        StoreError: The weights cannot be read.
    """
    names = ", ".join([*(f"u{place}" for place in range(len(drawn.key))), *_list_size_names(drawn)])
    chosen = ", ".join(quote_identifier(name) for name in [*drawn.key, *(size.name for size in drawn.sizes)])
    weights = build_parquet_reader([drawn.weights])
    try:
        return create_table(
            session,
            DrawnUnits(name="drawn_units"),
            "select * replace (stratum::BIGINT as stratum) "
            f"from (select {chosen}, stratum from {weights}) as w({names}, stratum)",
            doing=f"reading the weights of {drawn.table}",
        )
    except SandboxError as error:
        raise StoreError(error.message, hint="sandbox verify") from error


def _list_size_names(drawn: UnitTableDraw) -> list[str]:
    """Return the names of the recorded sizes in `DrawnUnits`."""
    return [f"x{place}" for place in range(len(drawn.sizes))]


def create_unit_changes_table(
    session: Session, plan: ComparisonPlan, differences: Differences, units: OutputUnits, *, doing: str
) -> UnitChanges:
    """Store each unit with rows that differ, noise aside, and how many were added, removed and changed."""
    names = ", ".join(units.key_names)
    removed, added = render_added_and_removed_sql(
        plan, differences, units.render_key_columns_sql("baseline"), units.render_key_columns_sql("candidate")
    )
    parts = [
        f"select {names}, 0 as added, n as removed, 0 as changed from ({removed})",
        f"select {names}, n as added, 0 as removed, 0 as changed from ({added})",
    ]
    if plan.key:
        where = f"({render_pair_differs_sql(plan)}) and not ({render_accepted_sql(plan)})"
        pairs = render_pairs_sql(plan, differences)
        # A row whose unit changed is one changed row, of the baseline's unit; it affects both.
        parts += [
            f"select {units.render_key_columns_sql('baseline', 'b')}, 0, 0, 1 from {pairs} where {where}",
            f"select {units.render_key_columns_sql('candidate', 'c')}, 0, 0, 0 from {pairs} where {where}",
        ]
    return create_table(
        session,
        UnitChanges(name="unit_changes"),
        f"select {names}, sum(added)::BIGINT as added, "
        f"sum(removed)::BIGINT as removed, sum(changed)::BIGINT as changed from ({' union all '.join(parts)}) "
        "group by all",
        doing=doing,
    )


def select_summed_columns(plan: ComparisonPlan, units: OutputUnits) -> list[ComparedColumn]:
    """Return the columns that have totals: numbers and truth values, no keys, equal in two runs of the same code."""
    keys = {column.name for column in (*plan.key, *units.columns)}
    return [
        column
        for column in plan.columns
        if (column.is_numeric or column.common == "BOOLEAN")
        and not column.is_nondeterministic
        and column.name not in keys
    ]


def sum_by_unit(
    session: Session,
    units: OutputUnits,
    drawn: DrawnUnits,
    changes: UnitChanges,
    all_rows: SideRows,
    columns: Sequence[ComparedColumn],
    *,
    doing: str,
) -> UnitTotals:
    """Sum both sides within their units, beside the changes of the units."""
    parts: dict[str, Array] = {}
    sums: dict[SideName, UnitSums] = {}
    for start in range(0, max(len(columns), 1), _COLUMNS_PER_QUERY):
        some = columns[start : start + _COLUMNS_PER_QUERY]
        sums = {
            side: create_table(
                session,
                UnitSums(name=f"unit_sums_{side}"),
                _render_unit_sums_sql(side, units, all_rows[side], some),
                doing=doing,
            )
            for side in SIDES
        }
        parts |= read_arrays(session, _render_unit_totals_sql(units, drawn, changes, sums, some), doing=doing)
    return UnitTotals(
        stratum=parts["stratum"],
        affected=parts["affected"],
        added=parts["added"],
        removed=parts["removed"],
        changed=parts["changed"],
        rows=(parts["rows_b"], parts["rows_c"]),
        sums=_pair_arrays(parts, "s", columns),
        counts=_pair_arrays(parts, "n", columns),
        truth_columns=[column.name for column in columns if column.common == "BOOLEAN"],
        sizes=[parts[name] for name in _list_size_names(units.draw)],
        rows_without_unit=_count_rows_without_unit(session, units, drawn, changes, sums, doing=doing),
    )


def _pair_arrays(
    parts: Mapping[str, Array], what: str, columns: Sequence[ComparedColumn]
) -> dict[str, tuple[Array, Array]]:
    return {column.name: (parts[f"{what}b{column.baseline}"], parts[f"{what}c{column.baseline}"]) for column in columns}


def _render_unit_sums_sql(
    side: SideName, units: OutputUnits, rows: ValueRows, columns: Sequence[ComparedColumn]
) -> str:
    """Render each unit's number of rows, and of each column its sum and how often it is not null."""
    values = "".join(f", {format_value_name(column)}" for column in columns)
    sums = "".join(
        f", coalesce({_render_sum_sql(column)}, 0)::DOUBLE as s{column.baseline}, "
        f"count({format_value_name(column)})::DOUBLE as n{column.baseline}"
        for column in columns
    )
    names = ", ".join(units.key_names)
    return (
        f"select {names}, count(*)::BIGINT as rows{sums} "
        f"from (select {units.render_key_columns_sql(side)}{values} from {rows}) group by {names}"
    )


def _render_sum_sql(column: ComparedColumn) -> str:
    """Render the SQL of a sum that neither overflows nor shows the order of the rows."""
    assert column.common is not None
    name = format_value_name(column)
    if column.common == "BOOLEAN":
        return f"sum({name}::TINYINT)"
    return f"sum({name})" if has_exact_sums(column.common) else f"fsum({name}::DOUBLE)"


def _render_unit_totals_sql(
    units: OutputUnits,
    drawn: DrawnUnits,
    changes: UnitChanges,
    unit_sums: Mapping[SideName, UnitSums],
    columns: Sequence[ComparedColumn],
) -> str:
    """Render the sums and changes of each drawn unit, zeros where there are none."""
    given = [f"d.{name}" for name in _list_size_names(units.draw)]
    given += [f"coalesce({side}.rows, 0) as rows_{side}" for side in "bc"]
    given += [f"coalesce(t.{name}, 0) as {name}" for name in ("added", "removed", "changed")]
    given += [
        f"coalesce({side}.{what}{column.baseline}, 0) as {what}{side}{column.baseline}"
        for column in columns
        for side in "bc"
        for what in "sn"
    ]
    joins = " ".join(
        f"left join {table} {row} on " + " and ".join(f"d.{name} = {row}.{name}" for name in units.key_names)
        for table, row in ((unit_sums["baseline"], "b"), (unit_sums["candidate"], "c"), (changes, "t"))
    )
    order = ", ".join(f"d.{name}" for name in units.key_names)
    return (
        f"select d.stratum, (t.added is not null)::BIGINT as affected, {', '.join(given)} "
        f"from {drawn} d {joins} order by {order}"
    )


def _count_rows_without_unit(
    session: Session,
    units: OutputUnits,
    drawn: DrawnUnits,
    changes: UnitChanges,
    unit_sums: Mapping[SideName, UnitSums],
    *,
    doing: str,
) -> RowsWithoutUnit:
    """Count rows whose unit was not drawn, or is not named."""
    counts: list[tuple[Relation, str]] = [(unit_sums[side], "rows") for side in SIDES]
    counts.append((changes, "added + removed + changed"))
    queries = ", ".join(
        f"(select coalesce(sum({what}), 0)::BIGINT from {table} t anti join {drawn} d on {units.join_condition})"
        for table, what in counts
    )
    [(baseline, candidate, different)] = session.fetch_rows(f"select {queries}", doing=doing)
    return RowsWithoutUnit(baseline=baseline, candidate=candidate, different=different)


def read_arrays(session: Session, query: str, *, doing: str) -> dict[str, Array]:
    """Return the columns of a query, none of which is ever null, as arrays."""
    batches = list(session.fetch_batches(query, size=_BATCH_ROWS, doing=doing))
    if not batches:
        return {name: np.zeros(0, np.int64) for name, *_ in session.fetch_rows(f"describe {query}", doing=doing)}
    # Not `to_numpy`: it imports pandas, where there is one, and that takes longer than all the rest.
    return {
        name: np.concatenate([np.from_dlpack(batch.column(name)) for batch in batches])
        for name in batches[0].schema.names
    }
