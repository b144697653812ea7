"""Describe a column's comparison for ``profile.json``. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.manifest.profile import (
    BinnedDistribution,
    CategoricalDistribution,
    DeviationRecord,
    DistanceRecord,
    ProfiledColumn,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.estimate import distances, distribution_tests
    from sandbox.estimate.distribution_tests import DistributionComparison
    from sandbox.sampler.profile.bins import ColumnBins

SIGNIFICANT_DIGITS = 6


def describe_column(
    known: ColumnBins,
    comparison: DistributionComparison,
    total: distribution_tests.FigureDeviation | None,
    p: float | None,
) -> ProfiledColumn:
    """Build a column's entry, with figures rounded to six digits."""
    shares = {}
    if comparison.population is not None and comparison.sample is not None:
        shares = {"population": _round_all(comparison.population), "sample": _round_all(comparison.sample)}
    bins = categories = None
    if shares and known.is_ordered and comparison.ks is not None and comparison.wasserstein is not None:
        bins = BinnedDistribution(
            edges=_round_all(known.upper_ends),
            ks=_describe_distance(comparison.ks),
            wasserstein=_describe_distance(comparison.wasserstein),
            **shares,
        )
    elif shares and known.column.kind == "category" and comparison.tv is not None:
        categories = CategoricalDistribution(
            values=[*known.edges, None], tv=_describe_distance(comparison.tv), **shares
        )
    return ProfiledColumn(
        kind=known.column.kind,
        compared=True,
        reason=known.column.reason,
        nulls=_describe_deviation(comparison.nulls),
        total=_describe_deviation(total),
        bins=bins,
        categories=categories,
        p=None if p is None else round_figure(p),
    )


def _describe_deviation(deviation: distribution_tests.FigureDeviation | None) -> DeviationRecord | None:
    if deviation is None:
        return None
    return DeviationRecord(
        population=round_figure(deviation.population),
        sample=round_figure(deviation.sample),
        error=round_figure(deviation.error),
        z=None if deviation.z is None else round_figure(deviation.z),
        p=None if deviation.p is None else round_figure(deviation.p),
    )


def _describe_distance(test: distances.DistanceTest) -> DistanceRecord:
    return DistanceRecord(distance=round_figure(test.distance), p=round_figure(test.p))


def _round_all(values: Sequence[float]) -> list[float]:
    return [round_figure(value) for value in values]


def round_figure(value: float) -> float:
    """Round a figure to six digits; further digits depend on the order of summation."""
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
