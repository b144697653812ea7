"""Which units an output is about, and what its differences mean for production."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.compare.rows.change_counts import (
    render_accepted_sql,
    render_added_and_removed_sql,
    render_pair_differs_sql,
    render_pairs_sql,
)
from sandbox.compare.rows.row_matching import format_value_name
from sandbox.compare.units.sampled_units import OutputUnits, build_empty_estimate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.compare.columns import ComparedColumn
    from sandbox.compare.relations import Differences
    from sandbox.compare.rows.row_matching import ComparisonPlan
    from sandbox.compare.rules import OutputRules
    from sandbox.compare.units.sampled_units import UnitTableDraw
    from sandbox.engine.duckdb.session import Session
    from sandbox.manifest.output_estimate import OutputEstimate

NO_DRAW_REASON = "without a run of production's code on the sample nothing tells whether its rows can be scaled up"
NO_UNIT_REASON = "no column of this output names a sampling unit; declare unit_key if one does"
NO_SAMPLE_REASON = "two tables were compared that are no sample of anything known"
ONE_SIDE_REASON = "only one side has this output"
NO_KNOWN_UNIT_REASON = "no row of it belongs to a unit of the sample"


def find_unit_key(
    rules: OutputRules, units: Mapping[str, tuple[str, ...]], columns: Sequence[ComparedColumn]
) -> tuple[str, list[ComparedColumn]] | None:
    """Return the unit table that an output's rows belong to, and the columns that name a unit.

    A declared ``unit_key`` stands for the unit table with a key of that name, else for the first one with a key of as
    many columns; without a declaration it is the first unit table whose key's columns the output has.
    """
    known = {column.name: column for column in columns if column.common is not None}
    if rules.unit_key is not None:
        wanted = rules.unit_key
        near = [table for table, key in units.items() if set(key) == set(wanted)]
        near += [table for table, key in units.items() if len(key) == len(wanted)]
        table = near[0] if near else None
        if table is not None and set(units[table]) == set(wanted):
            wanted = units[table]
    else:
        fitting = [(table, key) for table, key in units.items() if key and all(name in known for name in key)]
        table, wanted = fitting[0] if fitting else (None, ())
    if table is None or not all(name in known for name in wanted):
        return None
    return table, [known[name] for name in wanted]


def find_output_units(
    rules: OutputRules,
    units: Mapping[str, tuple[str, ...]],
    draws: Mapping[str, UnitTableDraw],
    columns: Sequence[ComparedColumn],
) -> OutputUnits | None:
    """Return the names of an output's units in a drawn unit table: its key, or the key of rows belonging to it.

    An output with ``order_id`` alone has the units of its orders. A declared ``unit_key`` can be such a key
    too, unless a unit table has a key of that name. References of the rules count if no name tells.
    """
    known = {column.name: column for column in columns if column.common is not None}
    links = [(table, link) for table in units if table in draws for link in draws[table].links]
    if rules.unit_key is not None and not any(set(key) == set(rules.unit_key) for key in units.values()):
        known = {name: column for name, column in known.items() if (name,) == rules.unit_key}
        unit = None
    else:
        unit = find_unit_key(rules, units, columns)
        links = links if rules.unit_key is None and unit is None else []
    for table, link in links:
        named = [known[name] for name in link.column_names if name in known]
        if named:
            return OutputUnits(draw=draws[table], columns=named[:1], link=link)
    unit = unit or find_unit_key(rules, units, columns)
    if unit is not None:
        return OutputUnits(draw=draws[unit[0]], columns=unit[1]) if unit[0] in draws else None
    for reference in rules.references if rules.unit_key is None else ():
        if reference.column in known and reference.unit in draws:
            return OutputUnits(draw=draws[reference.unit], columns=[known[reference.column]], link=reference.link)
    return None


def explain_missing_unit_key(rules: OutputRules, units: Mapping[str, tuple[str, ...]]) -> str:
    """Describe why `find_unit_key` finds none."""
    if not units:
        return NO_SAMPLE_REASON
    if rules.unit_key is None:
        return NO_UNIT_REASON
    named = ", ".join(rules.unit_key)
    if not any(len(key) == len(rules.unit_key) for key in units.values()):
        keys = " or ".join(", ".join(key) for key in units.values())
        return f"its unit_key is {named}, and the sample's units have the key {keys}"
    return f"its unit_key {named} is not on both sides, with values that can be compared"


def estimate_differences(
    session: Session, plan: ComparisonPlan, differences: Differences, units: OutputUnits, *, doing: str
) -> OutputEstimate:
    """Estimate what an output's differences mean for production.

    One pass over each side sums every column of numbers or truth values within its unit, except nondeterministic columns
    and keys.

    Raises:
        StoreError: The weights cannot be read, or are not those of the draw.
    """
    problem = units.find_problem()
    if problem is not None:
        return build_empty_estimate(problem, unit=units.draw.table)
    # numpy is slow to import, and where nothing can be estimated there is no need of it
    from sandbox.compare.units.output_estimate import estimate_output  # noqa: PLC0415
    from sandbox.compare.units.unit_totals import (  # noqa: PLC0415
        create_drawn_units_table,
        create_unit_changes_table,
        select_summed_columns,
        sum_by_unit,
    )

    drawn = create_drawn_units_table(session, units.draw)
    changes = create_unit_changes_table(session, plan, differences, units, doing=doing)
    columns = select_summed_columns(plan, units)
    found = sum_by_unit(session, units, drawn, changes, differences.all_rows, columns, doing=doing)
    left = found.rows_without_unit
    if not any(part.any() for part in found.rows) and left is not None and (left.baseline or left.candidate):
        return build_empty_estimate(NO_KNOWN_UNIT_REASON, unit=units.draw.table)
    return _add_link(estimate_output(units.draw, found), units)


def _add_link(estimate: OutputEstimate, units: OutputUnits) -> OutputEstimate:
    """Return an estimate with the table through which its rows belong to units."""
    return estimate if units.link is None else estimate.model_copy(update={"through": units.link.table})


def estimate_no_change(session: Session, units: OutputUnits) -> OutputEstimate:
    """Estimate what it means for production that no row differs, without reading the output.

    Raises:
        StoreError: The weights cannot be read, or are not those of the draw.
    """
    problem = units.find_problem()
    if problem is not None:
        return build_empty_estimate(problem, unit=units.draw.table)
    from sandbox.compare.units.output_estimate import build_unchanged_totals, estimate_output  # noqa: PLC0415 - see `estimate_differences`
    from sandbox.compare.units.unit_totals import create_drawn_units_table, read_arrays  # noqa: PLC0415

    drawn = create_drawn_units_table(session, units.draw)
    strata = read_arrays(session, f"select stratum from {drawn}", doing="reading the sample's weights")
    return _add_link(estimate_output(units.draw, build_unchanged_totals(strata["stratum"])), units)


def count_affected_units(
    session: Session, plan: ComparisonPlan, differences: Differences, unit: Sequence[ComparedColumn], *, doing: str
) -> int:
    """Count the units of the sample with an added, removed or changed row, noise aside; a null names no unit.

    Where a row's unit itself changed, both units count.
    """
    rows = [
        ", ".join(f"{row}{format_value_name(column)} as u{place}" for place, column in enumerate(unit))
        for row in ("", "b.", "c.")
    ]
    found = render_added_and_removed_sql(plan, differences, rows[0], rows[0])
    if plan.key:
        where = f"({render_pair_differs_sql(plan)}) and not ({render_accepted_sql(plan)})"
        found += [f"select {row}, 0 as n from {render_pairs_sql(plan, differences)} where {where}" for row in rows[1:]]
    names = ", ".join(f"u{place}" for place in range(len(unit)))
    whole = " and ".join(f"u{place} is not null" for place in range(len(unit)))
    [(units,)] = session.fetch_rows(
        f"select count(*) from (select distinct {names} from ({' union all '.join(found)}) where {whole})",
        doing=doing,
    )
    return int(units)
