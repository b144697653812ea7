"""What each table will take in the sample, roughly. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.sampler.plan.pilot import guessed
from sandbox.sampler.plan.plan import Expected

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.sampler.plan.pilot import Costs
    from sandbox.sampler.plan.plan import Step, UnitPlan
    from sandbox.sources.table import SourceTable


def expected(
    steps: Sequence[Step],
    tables: Mapping[str, SourceTable],
    units: Mapping[str, UnitPlan],
    paid: Mapping[str, Costs],
) -> dict[str, Expected]:
    """Give rows and bytes of each table.

    Units and children: as measured where a size was asked for, else children come like their units. Lookups come whole,
    or at most as often as they are named. Bytes are those of a measured row, else those of the source's files.
    """
    rows: dict[str, float] = {}
    named = {name: _named(units[unit], one, name) for unit, one in paid.items() for name in one.lookups}
    for step in steps:
        count = tables[step.table].rows
        if step.unit is not None:
            unit = units[step.unit]
            rows[step.table] = _belonging(
                step, tables[step.table], tables[unit.table], unit, paid.get(step.unit)
            )
        elif step.keep == "all":
            rows[step.table] = count
        else:
            naming = [one.table for one in steps if any(r.table == step.table for r in one.references)]
            at_most = named.get(step.table, sum(rows.get(name, count) for name in naming))
            rows[step.table] = min(count, at_most)
    row = {name: size for one in paid.values() for name, size in one.row.items()}
    return {
        name: Expected(rows=round(count), bytes=round(count * row.get(name, guessed(tables[name]))))
        for name, count in rows.items()
    }


def _belonging(
    step: Step, table: SourceTable, whole: SourceTable, unit: UnitPlan, paid: Costs | None
) -> float:
    """Give the rows of a table that come with their units; ``whole`` is the unit table."""
    if paid is not None:
        each = paid.rows[step.table]
        return sum(one.expected * rows for one, rows in zip(unit.strata, each, strict=True))
    inside = 1 - (unit.outside + unit.null_keys) / max(1, whole.rows)
    return table.rows * inside * unit.expected / unit.population


def _named(unit: UnitPlan, paid: Costs, lookup: str) -> float:
    each = paid.lookups[lookup]
    return sum(one.expected * rows for one, rows in zip(unit.strata, each, strict=True))
