"""Estimate an output's totals from its sums in random groups of units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sandbox.compare.units.sampled_units import build_empty_estimate
from sandbox.estimate.random_groups import estimate_group_ratio, estimate_group_total
from sandbox.manifest.output_estimate import (
    CellEstimate,
    EstimatedFigure,
    GroupEstimate,
    OutputEstimate,
    TotalChange,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox.estimate.design import FloatArray
    from sandbox.estimate.random_groups import RandomGroups
    from sandbox.estimate.result import IntervalEstimate
    from sandbox.impact.random_groups.assignment import GroupedSample
    from sandbox.manifest.diff import OutputDiff
    from sandbox.manifest.separability import GroupsRecord, OutputGroups

MAX_CELLS = 500
"""With more cells only totals over all of them are estimated: a choice of cells by what is seen would be biased."""

ROUNDING_TOLERANCE = 1e-9
"""A change below this share of a sum is rounding."""

_Cell = tuple[str | None, ...]


def estimate_output(
    sample: GroupedSample, name: str, output: OutputDiff, baseline: GroupsRecord, candidate: GroupsRecord
) -> OutputEstimate:
    """Estimate the totals of an output, whole and by cell, of all numeric columns whose sums add up on both sides."""
    unit, groups = sample.draw.table, sample.assignment.groups
    before, after = baseline.outputs[name], candidate.outputs[name]
    reason = before.reason or after.reason
    if reason is not None:
        return build_empty_estimate(reason, unit=unit)
    excluded = {*output.tainted, *output.ignored}
    pairs = {column: output.schema_.renamed.get(column, column) for column in before.columns if column not in excluded}
    reasons = {
        column: before.columns[column] or after.columns[other]
        for column, other in pairs.items()
        if other in after.columns
    }
    left_out = {column: reason for column, reason in reasons.items() if reason is not None}
    additive = {column: pairs[column] for column, reason in reasons.items() if reason is None}
    if not additive:
        return build_empty_estimate(next(iter(left_out.values()), "it holds no numbers to add up"), unit=unit)
    sums = [_collect_sums(side, columns) for side, columns in ((before, additive), (after, additive.values()))]
    cells = sorted(sums[0].keys() | sums[1].keys(), key=lambda cell: [(value is None, value or "") for value in cell])
    none = np.zeros((len(additive), groups.count))
    changes = {
        cell: _estimate_changes(groups, list(additive), sums[0].get(cell, none), sums[1].get(cell, none), is_cell=True)
        for cell in (cells if output.key.columns and len(cells) <= MAX_CELLS else ())
    }
    whole = [np.sum([none, *side.values()], axis=0) for side in sums]
    return OutputEstimate(
        status="estimated",
        reason=None,
        unit=unit,
        called=sample.draw.called or unit,
        population=sample.draw.population,
        totals=_estimate_changes(groups, list(additive), *whole),
        checked_units=max(min(baseline.units, candidate.units), len(sample.keys)),
        groups=GroupEstimate(
            count=groups.count,
            cells=[
                CellEstimate(key=dict(zip(output.key.columns, cell, strict=True)), totals=totals)
                for cell, totals in changes.items()
            ],
            left_out=left_out,
        ),
    )


def _collect_sums(found: OutputGroups, columns: Iterable[str]) -> dict[_Cell, FloatArray]:
    """Return each cell's sums by column and group."""
    names = list(columns)
    return {tuple(cell.key): np.array([cell.sums[name] for name in names], np.float64) for cell in found.cells}


def _estimate_changes(
    groups: RandomGroups, columns: list[str], before: FloatArray, after: FloatArray, *, is_cell: bool = False
) -> dict[str, TotalChange]:
    """Estimate the change of each column from its sums, (columns, groups)."""
    return {
        column: _estimate_change(groups, before[place], after[place], is_cell=is_cell)
        for place, column in enumerate(columns)
    }


def _estimate_change(groups: RandomGroups, before: FloatArray, after: FloatArray, *, is_cell: bool) -> TotalChange:
    moved = after - before
    moved = np.where(np.abs(moved) <= ROUNDING_TOLERANCE * (np.abs(before) + np.abs(after)), 0.0, moved)
    return TotalChange(
        baseline=_build_figure(estimate_group_total(groups, before, is_cell=is_cell)),
        candidate=_build_figure(estimate_group_total(groups, after, is_cell=is_cell)),
        change=_build_figure(estimate_group_total(groups, moved, is_cell=is_cell)),
        relative=_build_figure(estimate_group_ratio(groups, moved, before, is_cell=is_cell)),
    )


def _build_figure(result: IntervalEstimate) -> EstimatedFigure:
    return EstimatedFigure(**vars(result))
