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
    from sandbox.sampler.plan.pilot import Costs
    from sandbox.sampler.plan.plan import UnitPlan
    from sandbox.sources.table import SourceTable


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A target in the unit that it is given in.

    Attributes:
        name: As in ``sandbox.toml``: ``rate``, ``units`` or ``size``.
        ways: What the sample is to cost, and what each stratum costs when it is complete; where there are several ways
            to reckon, the one with the least cost holds.
        unit: For messages: ``units`` or ``bytes``.
    """

    name: str
    ways: Sequence[tuple[float, Sequence[float]]]
    unit: str


def slopes(session: Session, tables: Mapping[str, SourceTable], unit: UnitPlan, rule: str) -> list[float]:
    """Give how fast each stratum's probability rises with the target: a_h / N_h of the allocation."""
    if rule == "proportional":
        return [1.0] * len(unit.strata)
    if rule == "power":
        return [1 / math.sqrt(stratum.population) for stratum in unit.strata]
    return stratum_variance.deviations(session, tables, unit, rule.removeprefix("neyman:"))


def asked(draw: DrawSection, unit: UnitPlan, costs: Costs | None) -> Ask:
    """Give what a draw asks for; ``costs`` only where that is a size."""
    populations = [float(stratum.population) for stratum in unit.strata]
    if draw.size is not None:
        assert costs is not None, "a size is known with its costs only"
        return Ask(name="size", ways=costs.ways(draw.size, populations), unit="bytes")
    if draw.units is not None:
        return Ask(name="units", ways=[(draw.units, populations)], unit="units")
    assert draw.rate is not None, "the file is refused with none of the three"
    return Ask(name="rate", ways=[(draw.rate * unit.population, populations)], unit="units")


def probabilities(
    draw: DrawSection, unit: UnitPlan, ask: Ask, rising: Sequence[float]
) -> tuple[list[float], list[str]]:
    """Give each stratum's inclusion probability, and warnings where the target is out of reach."""
    least = allocation.floors([stratum.population for stratum in unit.strata], draw.min_per_stratum)
    if draw.rate is not None and draw.allocation == "proportional":
        return allocation.probabilities(rising, least, draw.rate), []
    # The sample costs the least of the ways, which all rise: it reaches the target where the last of them does.
    scale = max(allocation.scale_for(amount, costs, rising, least) for amount, costs in ask.ways)
    return allocation.probabilities(rising, least, scale), _remarks(draw, unit, ask, least, scale)


def _remarks(draw: DrawSection, unit: UnitPlan, ask: Ask, least: Sequence[float], scale: float) -> list[str]:
    given = f"{ask.name} = {_shown(getattr(draw, ask.name))}"
    if math.isinf(scale) and draw.rate is None:
        return [f"{unit.table}: {given} is more than all there is; every unit comes"]
    if scale > 0:
        return []
    if max(amount for amount, _ in ask.ways) <= 0:
        return [f"{unit.table}: {given} is less than the tables that come whole; only the fewest units come"]
    needed = min(math.fsum(c * floor for c, floor in zip(costs, least, strict=True)) for _, costs in ask.ways)
    floors = f"min_per_stratum = {draw.min_per_stratum} alone takes about {needed:,.0f} {ask.unit}"
    return [f"{unit.table}: {floors}, more than {given}"]


def _shown(amount: float) -> str:
    return f"{amount:,}"
