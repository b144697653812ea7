"""Propose a stratum by size where a few large units carry a total."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from sandbox.config.sections.sample import MaskEntry
from sandbox.engine.duckdb.session import Session
from sandbox.engine.sql.type_names import FLOAT_TYPES
from sandbox.errors import SandboxError
from sandbox.sampler.plan.table_order import order_tables
from sandbox.sampler.plan.total_precision import measure_total_precisions
from sandbox.sampler.plan.unit_draws import plan_unit_draw
from sandbox.sampler.sizes.size_columns import list_recorded_sizes
from sandbox.sources.open_table import attach_tables
from sandbox.suggest.naming import KEY_PART_WORDS, split_words
from sandbox.suggest.resolve import build_settings
from sandbox.suggest.strata import SuggestedSize

if TYPE_CHECKING:
    from sandbox.config.settings import Settings
    from sandbox.model import Progress
    from sandbox.sampler.plan.plan import TableStep
    from sandbox.sampler.sizes.unit_totals import SizeColumn
    from sandbox.suggest import Proposal

MEMORY_BYTES = 2**30
HEAVY_HALF_WIDTH = 0.05
"""Totals that a draw without strata by size knows at least as well need none."""

MIN_CARRIER_SHARE = 0.1
"""Totals that fewer units have are those of rare units, and say little of the size of the others."""

MIN_GAIN = 2.0
"""How many times narrower the interval has to get."""


def add_size_stratum(proposal: Proposal, progress: Progress) -> Proposal:
    """Add a stratum by size to a proposal, of the least precise total, if it makes that one much more precise.

    Reads tables of up to 5 million rows. Columns with a mask, keys and references make no size.
    """
    if proposal.unit.rate >= 1:
        return proposal
    try:
        with progress.step(f"looking for large {proposal.unit.table}"), Session(memory=MEMORY_BYTES) as session:
            size = _find_size_stratum(session, proposal)
    except SandboxError as error:
        progress.print_message(f"no strata by size were looked for: {error.message.splitlines()[0]}")
        return proposal
    return proposal if size is None else dataclasses.replace(proposal, size=size)


def _find_size_stratum(session: Session, proposal: Proposal) -> SuggestedSize | None:
    settings, unit = build_settings(proposal), proposal.unit.table
    tables = {name: suggested.table for name, suggested in proposal.tables.items()}
    steps = order_tables(settings, {name: table.rows for name, table in tables.items()})
    candidates = _list_candidates(proposal, settings, steps)
    if not candidates:
        return None
    attach_tables(session, tables.values())
    draw = plan_unit_draw(session, settings, tables, steps, unit)
    precisions = measure_total_precisions(session, tables, draw.plan, candidates)
    least = MIN_CARRIER_SHARE * draw.plan.population
    common = [name for name, precision in precisions.items() if precision.carriers >= least]
    worst = max(common, key=lambda name: (precisions[name].half_width_95, name), default=None)
    if worst is None or precisions[worst].half_width_95 <= HEAVY_HALF_WIDTH:
        return None
    size = SuggestedSize(
        table=candidates[worst].table,
        column=candidates[worst].column,
        label=worst,
        half_width_95=precisions[worst].half_width_95,
        half_width_95_by_size=0.0,
    )
    by_size = plan_unit_draw(
        session, build_settings(dataclasses.replace(proposal, size=size)), tables, steps, unit
    ).plan.total_precisions[size.label]
    if by_size.half_width_95 * MIN_GAIN > size.half_width_95:
        return None
    return dataclasses.replace(size, half_width_95_by_size=by_size.half_width_95)


def _list_candidates(proposal: Proposal, settings: Settings, steps: tuple[TableStep, ...]) -> dict[str, SizeColumn]:
    """Return the numbers of rows and the sums that may be sizes, by their name in a plan."""
    tables = {name: suggested.table for name, suggested in proposal.tables.items()}
    masks = {
        name: {suspect.column: MaskEntry(kind="null") for suspect in suspects}
        for name, suspects in proposal.masks.items()
    }
    sizes = list_recorded_sizes(settings, tables, steps, masks, proposal.unit.table, whole=False)
    return {size.label: size for size in sizes if _is_amount(size)}


def _is_amount(size: SizeColumn) -> bool:
    """Check whether a size is a number of rows or the sum of an amount: no year, number or code."""
    if size.column is None or size.type in FLOAT_TYPES or size.type.startswith("DECIMAL"):
        return True
    return not KEY_PART_WORDS.intersection(split_words(size.column))
