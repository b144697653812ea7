"""Convert the target of a draw into probabilities of counted strata."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.sampler.plan import allocation
from sandbox.sampler.plan.strata import stratum_variance
from sandbox.sampler.plan.strata.strata_labels import build_size_lookup_name
from sandbox.sampler.sizes.size_strata import measure_group_deviations

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from sandbox.config.sections.sample import DrawSection
    from sandbox.engine.duckdb.session import Session
    from sandbox.sampler.plan.pilot import UnitCosts
    from sandbox.sampler.plan.plan import StrataColumn, UnitPlan
    from sandbox.sources.table import SourceTable


RAISED_SHARE = 1.25  # of the rate, from which a plan explains why more units come


@dataclass(frozen=True, kw_only=True)
class SampleTarget:
    """A target size in its own unit.

    Attributes:
        name: As in ``sandbox.toml``: ``rate``, ``units`` or ``size``.
        budgets: Alternative (budget, cost of each complete stratum); the least cost applies.
        unit: For messages: ``units`` or ``bytes``.
    """

    name: str
    budgets: Sequence[tuple[float, Sequence[float]]]
    unit: str


def compute_slopes(session: Session, tables: Mapping[str, SourceTable], unit: UnitPlan, rule: str) -> list[float]:
    """Compute each stratum's increase of probability with the target: a_h / N_h of the allocation.

    With strata by size it is the standard deviation of sizes in the stratum's group, whatever the rule.
    """
    if (sizes := find_size_groups(unit)) is not None:
        index, of_cell = sizes
        edges = unit.columns[index].edges or ()
        deviations = measure_group_deviations(session, build_size_lookup_name(unit.table), edges)
        return [deviations[group] for group in of_cell]
    if rule == "proportional":
        return [1.0] * len(unit.strata)
    if rule == "power":
        return [1 / math.sqrt(stratum.population) for stratum in unit.strata]
    return stratum_variance.compute_deviations(session, tables, unit, rule.removeprefix("neyman:"))


def build_target(draw: DrawSection, unit: UnitPlan, costs: UnitCosts | None) -> SampleTarget:
    """Return the target of a draw; ``costs`` are needed for a size only."""
    populations = [float(stratum.population) for stratum in unit.strata]
    if draw.size is not None:
        assert costs is not None, "a size is known with its costs only"
        return SampleTarget(name="size", budgets=costs.list_budgets(draw.size, populations), unit="bytes")
    if draw.units is not None:
        return SampleTarget(name="units", budgets=[(draw.units, populations)], unit="units")
    assert draw.rate is not None, "the file is refused with none of the three"
    return SampleTarget(name="rate", budgets=[(draw.rate * unit.population, populations)], unit="units")


def choose_probabilities(
    draw: DrawSection, unit: UnitPlan, target: SampleTarget, slopes: Sequence[float]
) -> tuple[list[float], list[str]]:
    """Compute each stratum's inclusion probability, and warnings if the target is out of reach."""
    least = compute_least_probabilities(draw, unit, target)
    if find_size_groups(unit) is None and draw.rate is not None and draw.allocation == "proportional":
        return allocation.compute_probabilities(slopes, least, draw.rate), _list_floor_warnings(draw, unit, draw.rate)
    # The least of increasing costs applies, so the target is reached at the largest scale.
    scale = max(allocation.solve_scale(amount, costs, slopes, least) for amount, costs in target.budgets)
    return allocation.compute_probabilities(slopes, least, scale), _list_warnings(draw, unit, target, least, scale)


def _list_floor_warnings(draw: DrawSection, unit: UnitPlan, rate: float) -> list[str]:
    """Explain a rate that the floors raise, with the largest ``min_per_stratum`` that does not."""
    populations = [stratum.population for stratum in unit.strata]
    expected = _compute_expected_rate(populations, draw.min_per_stratum, rate)
    if expected <= RAISED_SHARE * rate:
        return []
    raised = sum(floor > rate for floor in allocation.compute_floors(populations, draw.min_per_stratum))
    enough = next(
        minimum
        for minimum in range(draw.min_per_stratum - 1, -1, -1)
        if _compute_expected_rate(populations, minimum, rate) <= RAISED_SHARE * rate
    )
    why = f"min_per_stratum = {draw.min_per_stratum} raises the rate of {raised:,} of {len(populations):,} strata"
    ways = f"write min_per_stratum = {enough}, merge small strata with rare_below, or name fewer columns in strata"
    return [
        f"{unit.table}: rate = {rate:g}, and about {expected:.2g} of the units come: {why}; to come near the rate, {ways}"
    ]


def _compute_expected_rate(populations: Sequence[int], minimum: int, rate: float) -> float:
    probabilities = (max(rate, floor) for floor in allocation.compute_floors(populations, minimum))
    units = math.fsum(population * p for population, p in zip(populations, probabilities, strict=True))
    return units / sum(populations)


def find_size_groups(unit: UnitPlan) -> tuple[int, list[int]] | None:
    """Return the index of the strata column that is a size, and the group of each stratum; None without one."""
    index = next((index for index, column in enumerate(unit.columns) if column.size is not None), None)
    if index is None:
        return None
    return index, [int(stratum.labels[index].text or 0) for stratum in unit.strata]


def compute_least_probabilities(draw: DrawSection, unit: UnitPlan, target: SampleTarget) -> list[float]:
    """Compute each stratum's floor.

    With strata by size, cells are not crossed: a size group has its floor and at least half of the overall rate, and each
    combination of the other columns has its floor, over all groups. The group of the largest units is drawn whole.
    """
    populations = [stratum.population for stratum in unit.strata]
    sizes = find_size_groups(unit)
    if sizes is None:
        return allocation.compute_floors(populations, draw.min_per_stratum)
    index, groups = sizes
    others = [stratum.labels[:index] + stratum.labels[index + 1 :] for stratum in unit.strata]
    half = max(amount / math.fsum(costs) for amount, costs in target.budgets) / 2
    of_group = _compute_shared_floors(groups, populations, draw.min_per_stratum)
    of_cell = _compute_shared_floors(others, populations, draw.min_per_stratum)
    certain = find_certain_group(unit.columns[index])
    return [
        1.0 if group == certain else min(1.0, max(of_group[group], of_cell[other], half))
        for group, other in zip(groups, others, strict=True)
    ]


def find_certain_group(column: StrataColumn) -> int | None:
    """Return the number of the size group that is always drawn; None if no unit is large enough."""
    assert column.size is not None
    return len(column.edges or ()) if column.size.has_certain_group else None


def _compute_shared_floors(
    labels: Sequence[Hashable], populations: Sequence[int], minimum: int
) -> dict[Hashable, float]:
    """Compute the floor of each label over all strata that share it."""
    totals: dict[Hashable, int] = {}
    for label, population in zip(labels, populations, strict=True):
        totals[label] = totals.get(label, 0) + population
    return dict(zip(totals, allocation.compute_floors(list(totals.values()), minimum), strict=True))


def _list_warnings(
    draw: DrawSection, unit: UnitPlan, target: SampleTarget, least: Sequence[float], scale: float
) -> list[str]:
    declared = f"{target.name} = {_format_amount(getattr(draw, target.name))}"
    if math.isinf(scale) and draw.rate is None:
        return [f"{unit.table}: {declared} is more than all there is; every unit comes"]
    if scale > 0:
        return []
    if max(amount for amount, _ in target.budgets) <= 0:
        return [f"{unit.table}: {declared} is less than the tables that come whole; only the fewest units come"]
    needed = min(math.fsum(c * floor for c, floor in zip(costs, least, strict=True)) for _, costs in target.budgets)
    floors = f"min_per_stratum = {draw.min_per_stratum} alone takes about {needed:,.0f} {target.unit}"
    return [f"{unit.table}: {floors}, more than {declared}"]


def _format_amount(amount: float) -> str:
    return f"{amount:,}"
