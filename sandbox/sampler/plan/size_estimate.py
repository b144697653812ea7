"""Estimate the size of each table in the sample. Pure."""

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
    costs: Mapping[str, UnitCosts],
) -> dict[str, ExpectedSize]:
    """Estimate rows and bytes of each table.

    Units and children: as measured if a size was requested, else children in proportion to their units. Lookups: whole,
    or at most as often as they are named. Bytes: of a measured row, else of the source's files.
    """
    rows: dict[str, float] = {}
    named = {
        name: _estimate_lookup_rows(units[unit], unit_costs, name)
        for unit, unit_costs in costs.items()
        for name in unit_costs.lookup_rows_per_unit
    }
    for step in steps:
        count = tables[step.table].rows
        if step.unit is not None:
            unit = units[step.unit]
            rows[step.table] = _estimate_family_rows(
                step, tables[step.table], tables[unit.table], unit, costs.get(step.unit)
            )
        elif step.keep == "all":
            rows[step.table] = count
        else:
            naming = [other.table for other in steps if any(r.table == step.table for r in other.references)]
            at_most = named.get(step.table, sum(rows.get(name, count) for name in naming))
            rows[step.table] = min(count, at_most)
    row = {name: size for unit_costs in costs.values() for name, size in unit_costs.row_bytes.items()}
    return {
        name: ExpectedSize(rows=round(count), bytes=round(count * row.get(name, estimate_row_bytes(tables[name]))))
        for name, count in rows.items()
    }


def _estimate_family_rows(
    step: TableStep, table: SourceTable, whole: SourceTable, unit: UnitPlan, costs: UnitCosts | None
) -> float:
    """Estimate the rows of a table that follow their units; ``whole`` is the unit table."""
    if costs is not None:
        each = costs.rows_per_unit[step.table]
        return sum(stratum.expected_units * rows for stratum, rows in zip(unit.strata, each, strict=True))
    inside = 1 - (unit.outside + unit.null_keys) / max(1, whole.rows)
    return table.rows * inside * unit.expected_units / unit.population


def _estimate_lookup_rows(unit: UnitPlan, costs: UnitCosts, lookup: str) -> float:
    each = costs.lookup_rows_per_unit[lookup]
    return sum(stratum.expected_units * rows for stratum, rows in zip(unit.strata, each, strict=True))
