"""Warn of small strata, in which masked rows can be attributed to a person of known stratum. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.formatting import format_count
from sandbox.masking.rules import describe_masks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.config.sections.sample import MaskEntry
    from sandbox.sampler.plan.plan import UnitPlan

MIN_POPULATION = 5  # below, statistical offices suppress a cell
MAX_EXAMPLES = 5


def list_warnings(units: Mapping[str, UnitPlan], masks: Mapping[str, Mapping[str, MaskEntry]]) -> list[str]:
    """Return a warning for each unit table with small strata, if anything is masked."""
    if not describe_masks(masks):
        return []
    return [sentence for unit in units.values() if (sentence := _format_warning(unit))]


def _format_warning(unit: UnitPlan) -> str:
    small = [stratum for stratum in unit.strata if stratum.population < MIN_POPULATION] if unit.columns else []
    if not small:
        return ""
    named = ", ".join(
        f"{'/'.join(str(value) for value in unit.describe_stratum(stratum).values())} (k = {stratum.population})"
        for stratum in small[:MAX_EXAMPLES]
    )
    more = f" and {len(small) - MAX_EXAMPLES} more" if len(small) > MAX_EXAMPLES else ""
    which = format_count(len(small), "stratum has", "strata have")
    return (
        f"{unit.table}: {which} fewer than {MIN_POPULATION} units in the population, and masks hide little there: {named}{more}; "
        "merge rare values with rare_below, or use fewer strata"
    )
