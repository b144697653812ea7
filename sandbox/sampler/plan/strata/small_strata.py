"""Strata so small that masks hide little: who knows a person's stratum knows which rows are theirs. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.masking.rules import described

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.config.settings import Mask
    from sandbox.sampler.plan.plan import UnitPlan

FEW = 5  # units in the population; below, statistical offices suppress a cell
NAMED = 5


def warnings(units: Mapping[str, UnitPlan], masks: Mapping[str, Mapping[str, Mask]]) -> list[str]:
    """Give a sentence for each unit table with strata of few units, where anything is masked at all."""
    if not described(masks):
        return []
    return [sentence for unit in units.values() if (sentence := _warning(unit))]


def _warning(unit: UnitPlan) -> str:
    small = [stratum for stratum in unit.strata if stratum.population < FEW] if unit.columns else []
    if not small:
        return ""
    named = ", ".join(
        f"{'/'.join(str(value) for value in unit.values(stratum).values())} (k = {stratum.population})"
        for stratum in small[:NAMED]
    )
    more = f" and {len(small) - NAMED} more" if len(small) > NAMED else ""
    which = "1 stratum has" if len(small) == 1 else f"{len(small)} strata have"
    return (
        f"{unit.table}: {which} fewer than {FEW} units in the population, and masks hide little there: {named}{more}; "
        "merge rare values with rare_below, or use fewer strata"
    )
