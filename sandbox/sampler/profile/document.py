"""A column's comparison as it stands in ``profile.json``. Pure."""

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
    found: DistributionComparison,
    total: distribution_tests.FigureDeviation | None,
    p: float | None,
) -> ProfiledColumn:
    """Give a column's entry; its figures to six digits."""
    shares = {}
    if found.population is not None and found.sample is not None:
        shares = {"population": _round_all(found.population), "sample": _round_all(found.sample)}
    bins = categories = None
    if shares and known.is_ordered and found.ks is not None and found.wasserstein is not None:
        bins = BinnedDistribution(
            edges=_round_all(known.upper_ends),
            ks=_describe_distance(found.ks),
            wasserstein=_describe_distance(found.wasserstein),
            **shares,
        )
    elif shares and known.column.kind == "category" and found.tv is not None:
        categories = CategoricalDistribution(values=[*known.edges, None], tv=_describe_distance(found.tv), **shares)
    return ProfiledColumn(
        kind=known.column.kind,
        compared=True,
        reason=known.column.reason,
        nulls=_describe_deviation(found.nulls),
        total=_describe_deviation(total),
        bins=bins,
        categories=categories,
        p=None if p is None else round_figure(p),
    )


def _describe_deviation(found: distribution_tests.FigureDeviation | None) -> DeviationRecord | None:
    if found is None:
        return None
    return DeviationRecord(
        population=round_figure(found.population),
        sample=round_figure(found.sample),
        error=round_figure(found.error),
        z=None if found.z is None else round_figure(found.z),
        p=None if found.p is None else round_figure(found.p),
    )


def _describe_distance(found: distances.DistanceTest) -> DistanceRecord:
    return DistanceRecord(distance=round_figure(found.distance), p=round_figure(found.p))


def _round_all(values: Sequence[float]) -> list[float]:
    return [round_figure(one) for one in values]


def round_figure(value: float) -> float:
    """Give a figure to six digits: beyond those the order in which it was summed shows."""
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
