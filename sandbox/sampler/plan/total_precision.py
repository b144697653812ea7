"""Measure how well a draw by a plan will know totals, from the totals of all units of the frame."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.sampler.plan.frame import prepare_frame
from sandbox.sampler.plan.plan import TotalPrecision
from sandbox.sampler.sizes.measured_units import build_units_query
from sandbox.sampler.sizes.recorded_sizes import compute_moments, create_sizes_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.sampler.plan.plan import PlannedStratum, UnitPlan
    from sandbox.sampler.sizes.unit_totals import SizeColumn
    from sandbox.sources.table import SourceTable


def measure_total_precisions(
    session: Session, tables: Mapping[str, SourceTable], unit: UnitPlan, sizes: Mapping[str, SizeColumn]
) -> dict[str, TotalPrecision]:
    """Measure the precision of totals under a unit table's draw; totals of 0 have none.

    Args:
        session: The query engine.
        tables: The tables of the source.
        unit: The draw, with the probabilities of its strata.
        sizes: The totals, by what a plan calls them.
    """
    if not sizes:
        return {}
    units = build_units_query(session, tables[unit.table], unit, prepare_frame(session, tables, unit))
    relation = create_sizes_table(
        session, tables, unit.table, unit.key, units, sorted(sizes.values(), key=lambda size: size.table)
    )
    moments = compute_moments(session, relation, [size.weights_column for size in sizes.values()], len(unit.strata))
    precisions = {}
    for label, size in sizes.items():
        [(carriers,)] = session.fetch_rows(
            f"select count(*) from {quote_identifier(relation)} where {quote_identifier(size.weights_column)} <> 0"
        )
        if (precision := compute_total_precision(unit.strata, moments[size.weights_column], carriers)) is not None:
            precisions[label] = precision
    return precisions


def compute_total_precision(
    strata: Sequence[PlannedStratum], moments: Sequence[Sequence[float]], carriers: int
) -> TotalPrecision | None:
    """Compute the precision of a total; None if it is 0.

    The half-width is ``1.96 √(Σ N_h (1/π_h − 1) S_h²)`` as a share of the total; K is that of a change of every unit by the same
    share (see `sandbox.estimate.sizes.fit_sizes`).

    Args:
        strata: The strata.
        moments: Of each stratum Σx, Σ|x|, Σx², Σ|x|³ and Σx⁴ over its units.
        carriers: The number of units with x ≠ 0.
    """
    total = math.fsum(powers[0] for powers in moments)
    if not total:
        return None
    variance = squares = fourths = 0.0
    for stratum, (first, _, second, _, fourth) in zip(strata, moments, strict=True):
        gap, count = 1 / stratum.probability - 1, stratum.population
        deviation = max(0.0, second - first**2 / count) / (count - 1) if count > 1 else 0.0
        variance += count * gap * deviation
        squares += gap * second
        fourths += gap**3 * fourth
    return TotalPrecision(
        half_width_95=1.96 * math.sqrt(variance) / abs(total),
        carriers=carriers,
        effective_units=squares**2 / fourths if fourths > 0 else math.inf,
    )
