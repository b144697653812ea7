"""What a change would do to production, from what it does to each sampled unit. Pure but for the manifest's shape."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sandbox.estimate.affected_units import estimate_affected_units
from sandbox.estimate.design import SamplingDesign, SizeMeasure
from sandbox.estimate.ratios import estimate_ratio, estimate_ratio_change
from sandbox.estimate.row_counts import estimate_row_count
from sandbox.estimate.sizes import POWERS
from sandbox.estimate.totals import estimate_total, estimate_total_change
from sandbox.manifest.output_estimate import (
    AffectedUnits,
    EstimatedFigure,
    FigureChange,
    OutputEstimate,
    RowsWithoutUnit,
    TotalChange,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.compare.units.sampled_units import UnitTableDraw
    from sandbox.estimate.result import IntervalEstimate
    from sandbox.manifest.sample import SizeRecord

SIZE_LABELS = ("sum of ", "number of ")
"""How the manifest calls the strata column that is a size."""

Array = np.ndarray[Any, np.dtype[Any]]
ArrayPair = tuple[Array, Array]


@dataclass(frozen=True, kw_only=True, eq=False)
class UnitTotals:
    """What one output holds of each of n sampled units; all arrays have the weights' order.

    Attributes:
        stratum: Shape (n,).
        affected: Shape (n,); units with any row that differs, noise aside.
        added, removed, changed: Shape (n,); rows.
        rows: Shapes (n,); rows in the baseline and in the candidate.
        sums: A column of numbers or truth values to each unit's sums on both sides, 0 where it has no row.
        counts: A numeric column to each unit's rows where it is not null, on both sides.
        truth_columns: Those of them that hold truth values.
        sizes: Shape (n,) each; the units' recorded sizes, in the draw's order.
        rows_without_unit: Rows of other units, or of none; None where nobody looked.
    """

    stratum: Array
    affected: Array
    added: Array
    removed: Array
    changed: Array
    rows: ArrayPair
    sums: Mapping[str, ArrayPair] = field(default_factory=dict)
    counts: Mapping[str, ArrayPair] = field(default_factory=dict)
    truth_columns: Sequence[str] = ()
    sizes: Sequence[Array] = ()
    rows_without_unit: RowsWithoutUnit | None = None


def build_unchanged_totals(stratum: Array) -> UnitTotals:
    """Return what is known where no row differs, without reading the output."""
    none = np.zeros(len(stratum), np.int64)
    return UnitTotals(stratum=stratum, affected=none, added=none, removed=none, changed=none, rows=(none, none))


def estimate_output(drawn: UnitTableDraw, found: UnitTotals) -> OutputEstimate:
    """Estimate everything that one output tells about production.

    Raises:
        StoreError: The weights are not those of the draw.
    """
    design = build_sampling_design(drawn, found.stratum, found.sizes)
    most = int(max(part.max(initial=0) for part in found.rows))
    different = found.added + found.removed + found.changed
    affected = estimate_affected_units(design, found.affected)
    return OutputEstimate(
        status="estimated",
        reason=None,
        unit=drawn.table,
        called=drawn.called or drawn.table,
        population=drawn.population,
        units_affected=AffectedUnits(**vars(affected), sample=int(np.count_nonzero(found.affected))),
        rows_added=_build_figure(estimate_row_count(design, found.added, most=most)),
        rows_removed=_build_figure(estimate_row_count(design, found.removed, most=most)),
        rows_changed=_build_figure(estimate_row_count(design, found.changed, most=most)),
        share=_build_figure(estimate_ratio(design, different, found.rows[0], counted=True)),
        totals={name: _estimate_column_total(design, found, name) for name in found.sums},
        means={name: _estimate_column_mean(design, found, name) for name in found.sums},
        truth_columns=list(found.truth_columns),
        left_out=found.rows_without_unit,
        outside=dict(drawn.rows_outside_units),
    )


def build_sampling_design(drawn: UnitTableDraw, stratum: Array, sizes: Sequence[Array]) -> SamplingDesign:
    """Build the design of a draw from the stratum and the recorded sizes of each sampled unit.

    Raises:
        StoreError: The weights are not those of the draw.
    """
    return SamplingDesign.from_arrays(
        population=[part.population for part in drawn.strata],
        sampled=[part.sampled for part in drawn.strata],
        probability=[part.probability for part in drawn.strata],
        stratum=stratum,
        sizes=tuple(map(_build_measure, drawn.sizes, sizes)),
        family=_number_size_groups(drawn),
    )


def _number_size_groups(drawn: UnitTableDraw) -> list[int] | None:
    """Return the size group of each stratum as a number; None without strata by size."""
    names = [name for name in drawn.strata[0].values if name.startswith(SIZE_LABELS) and name not in drawn.columns]
    if not names:
        return None
    labels = [str(stratum.values[names[0]]) for stratum in drawn.strata]
    return [labels.index(label) for label in labels]


def _build_measure(size: SizeRecord, sampled: Array) -> SizeMeasure:
    """Return a recorded size with its values for the sampled units."""
    return SizeMeasure(
        name=size.name,
        moments=np.array(size.moments, np.float64).reshape(-1, len(POWERS) + 1)[:, 1:],
        unseen=np.array(size.unseen, np.float64),
        sampled=np.asarray(sampled, np.float64),
    )


def _estimate_column_total(design: SamplingDesign, found: UnitTotals, name: str) -> TotalChange:
    before, after = found.sums[name]
    counted = name in found.truth_columns
    moved = np.where(found.affected != 0, after - before, 0.0)
    return TotalChange(
        baseline=_build_figure(estimate_total(design, before, counted=counted)),
        candidate=_build_figure(estimate_total(design, after, counted=counted)),
        change=_build_figure(estimate_total_change(design, before, after, found.affected, counted=counted)),
        relative=_build_figure(estimate_ratio(design, moved, before, counted=counted)),
    )


def _estimate_column_mean(design: SamplingDesign, found: UnitTotals, name: str) -> FigureChange:
    baseline, candidate = zip(found.sums[name], found.counts[name], strict=True)
    counted = name in found.truth_columns
    return FigureChange(
        baseline=_build_figure(estimate_ratio(design, *baseline, counted=counted)),
        candidate=_build_figure(estimate_ratio(design, *candidate, counted=counted)),
        change=_build_figure(estimate_ratio_change(design, baseline, candidate, found.affected, counted=counted)),
    )


def _build_figure(result: IntervalEstimate) -> EstimatedFigure:
    return EstimatedFigure(**vars(result))
