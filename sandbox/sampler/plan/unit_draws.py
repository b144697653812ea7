"""Plan the draw of each unit table: its strata, their costs and their probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.formatting import format_count
from sandbox.sampler.plan import pilot, target_size
from sandbox.sampler.plan.strata import strata

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.config.settings import Settings
    from sandbox.engine.duckdb.session import Session
    from sandbox.model import Progress
    from sandbox.sampler.plan.pilot import UnitCosts
    from sandbox.sampler.plan.plan import TableStep, UnitPlan
    from sandbox.sources.table import SourceTable


def plan_unit_draws(
    session: Session,
    settings: Settings,
    tables: Mapping[str, SourceTable],
    steps: tuple[TableStep, ...],
    progress: Progress,
) -> tuple[dict[str, UnitPlan], dict[str, UnitCosts], list[str]]:
    """Return the plan of each unit table's draw, its costs if a size is requested, and warnings."""
    units: dict[str, UnitPlan] = {}
    costs: dict[str, UnitCosts] = {}
    warnings: list[str] = []
    for name, draw in settings.sample.draws.items():
        with progress.step(f"counting the strata of {name}"):
            unit = strata.count_strata(session, settings, tables, steps, name)
        if draw.size is not None:
            with progress.step(f"measuring the rows of {name}"):
                first = name == settings.sample.unit
                costs[name] = pilot.measure_costs(session, tables, unit, steps, lookups=first)
        slopes = target_size.compute_slopes(session, tables, unit, draw.allocation)
        target = target_size.build_target(draw, unit, costs.get(name))
        chosen, remarks = target_size.choose_probabilities(draw, unit, target, slopes)
        drawn = strata.merge_cells(strata.assign_probabilities(unit, chosen))
        units[name] = target_size.measure_precision(session, drawn)
        warnings += remarks
        if unit.null_keys:
            warnings.append(
                f"{name}: {format_count(unit.null_keys, 'row has', 'rows have')} no whole key; never selected"
            )
    return units, costs, warnings
