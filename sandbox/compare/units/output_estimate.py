"""What a change would do to production, from what it does to each sampled unit. Pure but for the manifest's shape."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sandbox.estimate.affected_units import units_affected
from sandbox.estimate.design import Design
from sandbox.estimate.ratios import change_of_ratio, ratio
from sandbox.estimate.row_counts import rows
from sandbox.estimate.totals import change, total
from sandbox.manifest.diff import Estimate, Figure, LeftOut, Moved, Total, UnitsAffected

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.compare.units.sampled_units import Drawn
    from sandbox.estimate.result import Result

Array = np.ndarray[Any, np.dtype[Any]]
Pair = tuple[Array, Array]


@dataclass(frozen=True, kw_only=True, eq=False)
class PerUnit:
    """What one output holds of each of n sampled units; all arrays have the weights' order.

    Attributes:
        stratum: Shape (n,).
        affected: Shape (n,); units with any row that differs, noise aside.
        added, removed, changed: Shape (n,); rows.
        rows: Shapes (n,); rows in the baseline and in the candidate.
        sums: A numeric column to each unit's sums on both sides, 0 where it has no row.
        counts: A numeric column to each unit's rows where it is not null, on both sides.
        left_out: Rows of other units, or of none; None where nobody looked.
    """

    stratum: Array
    affected: Array
    added: Array
    removed: Array
    changed: Array
    rows: Pair
    sums: Mapping[str, Pair] = field(default_factory=dict)
    counts: Mapping[str, Pair] = field(default_factory=dict)
    left_out: LeftOut | None = None


def untouched(stratum: Array) -> PerUnit:
    """Give what is known where no row differs, without reading the output."""
    none = np.zeros(len(stratum), np.int64)
    return PerUnit(stratum=stratum, affected=none, added=none, removed=none, changed=none, rows=(none, none))


def estimate(drawn: Drawn, found: PerUnit) -> Estimate:
    """Estimate everything that one output tells about production.

    Raises:
        StoreError: The weights are not those of the draw.
    """
    design = Design.of(
        population=[stratum.population for stratum in drawn.strata],
        sampled=[stratum.sampled for stratum in drawn.strata],
        probability=[stratum.probability for stratum in drawn.strata],
        stratum=found.stratum,
    )
    most = int(max(part.max(initial=0) for part in found.rows))
    different = found.added + found.removed + found.changed
    affected = units_affected(design, found.affected)
    return Estimate(
        status="estimated",
        reason=None,
        unit=drawn.table,
        population=drawn.population,
        units_affected=UnitsAffected(**vars(affected), sample=int(np.count_nonzero(found.affected))),
        rows_added=_figure(rows(design, found.added, most=most)),
        rows_removed=_figure(rows(design, found.removed, most=most)),
        rows_changed=_figure(rows(design, found.changed, most=most)),
        share=_figure(ratio(design, different, found.rows[0])),
        totals={name: _total(design, pair, found.affected) for name, pair in found.sums.items()},
        means={
            name: _mean(design, found.sums[name], found.counts[name], found.affected) for name in found.sums
        },
        left_out=found.left_out,
        outside=dict(drawn.outside),
    )


def _total(design: Design, pair: Pair, affected: Array) -> Total:
    before, after = pair
    moved = np.where(affected != 0, after - before, 0.0)
    return Total(
        baseline=_figure(total(design, before)),
        candidate=_figure(total(design, after)),
        change=_figure(change(design, before, after, affected)),
        relative=_figure(ratio(design, moved, before)),
    )


def _mean(design: Design, sums: Pair, counts: Pair, affected: Array) -> Moved:
    return Moved(
        baseline=_figure(ratio(design, sums[0], counts[0])),
        candidate=_figure(ratio(design, sums[1], counts[1])),
        change=_figure(change_of_ratio(design, (sums[0], counts[0]), (sums[1], counts[1]), affected)),
    )


def _figure(result: Result) -> Figure:
    return Figure(**vars(result))
