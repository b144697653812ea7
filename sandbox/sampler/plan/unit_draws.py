"""Plan the draw of each unit table: its strata, their costs and their probabilities."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.formatting import format_count
from sandbox.model import SilentProgress
from sandbox.sampler.plan import pilot, target_size
from sandbox.sampler.plan.strata import strata
from sandbox.sampler.plan.total_precision import measure_total_precisions
from sandbox.sampler.sizes.size_columns import find_named_sizes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.config.settings import Settings
    from sandbox.engine.duckdb.session import Session
    from sandbox.model import Progress
    from sandbox.sampler.plan.pilot import UnitCosts
    from sandbox.sampler.plan.plan import TableStep, UnitPlan
    from sandbox.sources.table import SourceTable


@dataclass(frozen=True, kw_only=True)
class UnitDraw:
    """The planned draw of one unit table, its costs if a size is requested, and warnings."""

    plan: UnitPlan
    costs: UnitCosts | None
    warnings: list[str]


def plan_unit_draw(
    session: Session,
    settings: Settings,
    tables: Mapping[str, SourceTable],
    steps: tuple[TableStep, ...],
    name: str,
    progress: Progress | None = None,
) -> UnitDraw:
    """Plan the draw of one unit table.

    Args:
        session: The query engine.
        settings: The settings.
        tables: The tables of the source.
        steps: The tables in drawing order.
        name: The unit table.
        progress: Shows the steps; None shows none.
    """
    progress, draw = progress or SilentProgress(), settings.sample.draws[name]
    with progress.step(f"counting the strata of {name}"):
        unit = strata.count_strata(session, settings, tables, steps, name)
    costs = None
    if draw.size is not None:
        with progress.step(f"measuring the rows of {name}"):
            costs = pilot.measure_costs(session, tables, unit, steps, lookups=name == settings.sample.unit)
    slopes = target_size.compute_slopes(session, tables, unit, draw.allocation)
    target = target_size.build_target(draw, unit, costs)
    chosen, warnings = target_size.choose_probabilities(draw, unit, target, slopes)
    drawn = strata.merge_cells(strata.assign_probabilities(unit, chosen))
    if totals := find_named_sizes(settings, tables, steps, name):
        with progress.step(f"measuring the totals of {name}"):
            precisions = measure_total_precisions(session, tables, drawn, totals)
        drawn = dataclasses.replace(drawn, total_precisions=precisions)
    if unit.null_keys:
        warnings = [
            *warnings,
            f"{name}: {format_count(unit.null_keys, 'row has', 'rows have')} no whole key; never selected",
        ]
    return UnitDraw(plan=drawn, costs=costs, warnings=warnings)


def plan_unit_draws(
    session: Session,
    settings: Settings,
    tables: Mapping[str, SourceTable],
    steps: tuple[TableStep, ...],
    progress: Progress,
) -> dict[str, UnitDraw]:
    """Plan the draw of each unit table."""
    return {name: plan_unit_draw(session, settings, tables, steps, name, progress) for name in settings.sample.draws}
