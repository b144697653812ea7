"""Which units an output is about, and what its differences mean for production."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.compare.rows.change_counts import any_differs, differing, only_noise, pairs
from sandbox.compare.rows.row_matching import value
from sandbox.compare.units.sampled_units import Units, refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.compare.columns import Column
    from sandbox.compare.rows.row_matching import Plan
    from sandbox.compare.rules import Rules
    from sandbox.engine.duckdb.session import Session
    from sandbox.manifest.diff import Estimate

NO_DRAW = "without a run of production's code on the sample nothing tells whether its rows can be scaled up"
NO_UNIT = "no column of this output names a sampling unit; declare unit_key if one does"
NO_SAMPLE = "two tables were compared that are no sample of anything known"
NOT_COMPARED = "only one side has this output"
NONE_KNOWN = "no row of it belongs to a unit of the sample"


def unit_key(
    rules: Rules, units: Mapping[str, tuple[str, ...]], columns: Sequence[Column]
) -> tuple[str, list[Column]] | None:
    """Give the unit table that an output's rows belong to, and the columns that name a unit.

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


def without(rules: Rules, units: Mapping[str, tuple[str, ...]]) -> str:
    """Say why `unit_key` finds none."""
    if not units:
        return NO_SAMPLE
    if rules.unit_key is None:
        return NO_UNIT
    named = ", ".join(rules.unit_key)
    if not any(len(key) == len(rules.unit_key) for key in units.values()):
        keys = " or ".join(", ".join(key) for key in units.values())
        return f"its unit_key is {named}, and the sample's units have the key {keys}"
    return f"its unit_key {named} is not on both sides, with values that can be compared"


def measured(session: Session, plan: Plan, units: Units, *, doing: str) -> Estimate:
    """Estimate what an output's differences mean for production; `collect` has found the rows that differ.

    One pass over each side sums every numeric column within its unit, tainted ones and keys aside.

    Raises:
        StoreError: The weights cannot be read, or are not those of the draw.
    """
    problem = units.problem()
    if problem is not None:
        return refused(problem, unit=units.drawn.table)
    # numpy is slow to import, and where nothing can be estimated there is no need of it
    from sandbox.compare.units.output_estimate import estimate  # noqa: PLC0415
    from sandbox.compare.units.unit_totals import load, numeric, summed_up, touched  # noqa: PLC0415

    load(session, units.drawn)
    touched(session, plan, units, doing=doing)
    found = summed_up(session, units, numeric(plan, units), doing=doing)
    left = found.left_out
    if not any(part.any() for part in found.rows) and left is not None and (left.baseline or left.candidate):
        return refused(NONE_KNOWN, unit=units.drawn.table)
    return estimate(units.drawn, found)


def unchanged(session: Session, units: Units) -> Estimate:
    """Estimate what it means for production that no row differs, without reading the output.

    Raises:
        StoreError: The weights cannot be read, or are not those of the draw.
    """
    problem = units.problem()
    if problem is not None:
        return refused(problem, unit=units.drawn.table)
    from sandbox.compare.units.output_estimate import estimate, untouched  # noqa: PLC0415 - see `measured`
    from sandbox.compare.units.unit_totals import arrays, load  # noqa: PLC0415

    load(session, units.drawn)
    strata = arrays(session, "select stratum from drawn", doing="reading the sample's weights")
    return estimate(units.drawn, untouched(strata["stratum"]))


def affected(session: Session, plan: Plan, unit: Sequence[Column], *, doing: str) -> int:
    """Count the units of the sample with an added, removed or changed row, noise aside; a null names no unit.

    Where a row's unit itself changed, both units count.
    """
    rows = [
        ", ".join(f"{row}{value(column)} as u{place}" for place, column in enumerate(unit))
        for row in ("", "b.", "c.")
    ]
    found = differing(plan, rows[0], rows[0])
    if plan.key:
        where = f"({any_differs(plan)}) and not ({only_noise(plan)})"
        found += [f"select {row}, 0 as n from {pairs(plan)} where {where}" for row in rows[1:]]
    names = ", ".join(f"u{place}" for place in range(len(unit)))
    whole = " and ".join(f"u{place} is not null" for place in range(len(unit)))
    [(units,)] = session.rows(
        f"select count(*) from (select distinct {names} from ({' union all '.join(found)}) where {whole})",
        doing=doing,
    )
    return int(units)
