"""What each table will take in the sample, roughly. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.sampler.plan.pilot import estimate_row_bytes
from sandbox.sampler.plan.plan import ExpectedSize

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.sampler.plan.pilot import UnitCosts
    from sandbox.sampler.plan.plan import TableStep, UnitPlan
    from sandbox.sources.table import SourceTable


def estimate_sizes(
    steps: Sequence[TableStep],
    tables: Mapping[str, SourceTable],
    units: Mapping[str, UnitPlan],
    paid: Mapping[str, UnitCosts],
) -> dict[str, ExpectedSize]:
    """Give rows and bytes of each table.

    Units and children: as measured where a size was asked for, else children come like their units. Lookups come whole,
    or at most as often as they are named. Bytes are those of a measured row, else those of the source's files.
    """
    rows: dict[str, float] = {}
    named = {
        name: _estimate_lookup_rows(units[unit], one, name)
        for unit, one in paid.items()
        for name in one.lookup_rows_per_unit
    }
    for step in steps:
        count = tables[step.table].rows
        if step.unit is not None:
            unit = units[step.unit]
            rows[step.table] = _estimate_family_rows(
                step, tables[step.table], tables[unit.table], unit, paid.get(step.unit)
            )
        elif step.keep == "all":
            rows[step.table] = count
        else:
            naming = [one.table for one in steps if any(r.table == step.table for r in one.references)]
            at_most = named.get(step.table, sum(rows.get(name, count) for name in naming))
            rows[step.table] = min(count, at_most)
    row = {name: size for one in paid.values() for name, size in one.row_bytes.items()}
    return {
        name: ExpectedSize(rows=round(count), bytes=round(count * row.get(name, estimate_row_bytes(tables[name]))))
        for name, count in rows.items()
    }


def _estimate_family_rows(
    step: TableStep, table: SourceTable, whole: SourceTable, unit: UnitPlan, paid: UnitCosts | None
) -> float:
    """Give the rows of a table that come with their units; ``whole`` is the unit table."""
    if paid is not None:
        each = paid.rows_per_unit[step.table]
        return sum(one.expected_units * rows for one, rows in zip(unit.strata, each, strict=True))
    inside = 1 - (unit.outside + unit.null_keys) / max(1, whole.rows)
    return table.rows * inside * unit.expected_units / unit.population


def _estimate_lookup_rows(unit: UnitPlan, paid: UnitCosts, lookup: str) -> float:
    each = paid.lookup_rows_per_unit[lookup]
    return sum(one.expected_units * rows for one, rows in zip(unit.strata, each, strict=True))
