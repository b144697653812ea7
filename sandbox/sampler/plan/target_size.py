"""From a target to probabilities: what `[sample]` asks for, over strata that are counted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.sampler.plan import allocation
from sandbox.sampler.plan.strata import stratum_variance

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.config.settings import DrawSection
    from sandbox.engine.duckdb.session import Session
    from sandbox.sampler.plan.pilot import UnitCosts
    from sandbox.sampler.plan.plan import UnitPlan
    from sandbox.sources.table import SourceTable


@dataclass(frozen=True, kw_only=True)
class SampleTarget:
    """A target in the unit that it is given in.

    Attributes:
        name: As in ``sandbox.toml``: ``rate``, ``units`` or ``size``.
        budgets: What the sample is to cost, and what each stratum costs when it is complete; where there are several ways
            to reckon, the one with the least cost holds.
        unit: For messages: ``units`` or ``bytes``.
    """

    name: str
    budgets: Sequence[tuple[float, Sequence[float]]]
    unit: str


def compute_slopes(session: Session, tables: Mapping[str, SourceTable], unit: UnitPlan, rule: str) -> list[float]:
    """Give how fast each stratum's probability rises with the target: a_h / N_h of the allocation."""
    if rule == "proportional":
        return [1.0] * len(unit.strata)
    if rule == "power":
        return [1 / math.sqrt(stratum.population) for stratum in unit.strata]
    return stratum_variance.compute_deviations(session, tables, unit, rule.removeprefix("neyman:"))


def build_target(draw: DrawSection, unit: UnitPlan, costs: UnitCosts | None) -> SampleTarget:
    """Give what a draw asks for; ``costs`` only where that is a size."""
    populations = [float(stratum.population) for stratum in unit.strata]
    if draw.size is not None:
        assert costs is not None, "a size is known with its costs only"
        return SampleTarget(name="size", budgets=costs.list_budgets(draw.size, populations), unit="bytes")
    if draw.units is not None:
        return SampleTarget(name="units", budgets=[(draw.units, populations)], unit="units")
    assert draw.rate is not None, "the file is refused with none of the three"
    return SampleTarget(name="rate", budgets=[(draw.rate * unit.population, populations)], unit="units")


def choose_probabilities(
    draw: DrawSection, unit: UnitPlan, ask: SampleTarget, rising: Sequence[float]
) -> tuple[list[float], list[str]]:
    """Give each stratum's inclusion probability, and warnings where the target is out of reach."""
    least = allocation.compute_floors([stratum.population for stratum in unit.strata], draw.min_per_stratum)
    if draw.rate is not None and draw.allocation == "proportional":
        return allocation.compute_probabilities(rising, least, draw.rate), []
    # The sample costs the least of the ways, which all rise: it reaches the target where the last of them does.
    scale = max(allocation.solve_scale(amount, costs, rising, least) for amount, costs in ask.budgets)
    return allocation.compute_probabilities(rising, least, scale), _list_warnings(draw, unit, ask, least, scale)


def _list_warnings(
    draw: DrawSection, unit: UnitPlan, ask: SampleTarget, least: Sequence[float], scale: float
) -> list[str]:
    given = f"{ask.name} = {_format_amount(getattr(draw, ask.name))}"
    if math.isinf(scale) and draw.rate is None:
        return [f"{unit.table}: {given} is more than all there is; every unit comes"]
    if scale > 0:
        return []
    if max(amount for amount, _ in ask.budgets) <= 0:
        return [f"{unit.table}: {given} is less than the tables that come whole; only the fewest units come"]
    needed = min(math.fsum(c * floor for c, floor in zip(costs, least, strict=True)) for _, costs in ask.budgets)
    floors = f"min_per_stratum = {draw.min_per_stratum} alone takes about {needed:,.0f} {ask.unit}"
    return [f"{unit.table}: {floors}, more than {given}"]


def _format_amount(amount: float) -> str:
    return f"{amount:,}"
