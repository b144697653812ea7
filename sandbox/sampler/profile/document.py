"""A column's comparison as it stands in ``profile.json``. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.manifest.profile import Bins, Categories, Column, Deviation, Distance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.estimate import distances, distribution_tests
    from sandbox.estimate.distribution_tests import Likeness
    from sandbox.sampler.profile.bins import Binned

DIGITS = 6


def described(
    known: Binned, found: Likeness, total: distribution_tests.Deviation | None, p: float | None
) -> Column:
    """Give a column's entry; its figures to six digits."""
    shares = {}
    if found.population is not None and found.sample is not None:
        shares = {"population": _all(found.population), "sample": _all(found.sample)}
    bins = categories = None
    if shares and known.ordered and found.ks is not None and found.wasserstein is not None:
        bins = Bins(
            edges=_all(known.upper),
            ks=_distance(found.ks),
            wasserstein=_distance(found.wasserstein),
            **shares,
        )
    elif shares and known.column.kind == "category" and found.tv is not None:
        categories = Categories(values=[*known.edges, None], tv=_distance(found.tv), **shares)
    return Column(
        kind=known.column.kind,
        compared=True,
        reason=known.column.reason,
        nulls=_deviation(found.nulls),
        total=_deviation(total),
        bins=bins,
        categories=categories,
        p=None if p is None else rounded(p),
    )


def _deviation(found: distribution_tests.Deviation | None) -> Deviation | None:
    if found is None:
        return None
    return Deviation(
        population=rounded(found.population),
        sample=rounded(found.sample),
        error=rounded(found.error),
        z=None if found.z is None else rounded(found.z),
        p=None if found.p is None else rounded(found.p),
    )


def _distance(found: distances.Measured) -> Distance:
    return Distance(distance=rounded(found.distance), p=rounded(found.p))


def _all(values: Sequence[float]) -> list[float]:
    return [rounded(one) for one in values]


def rounded(value: float) -> float:
    """Give a figure to six digits: beyond those the order in which it was summed shows."""
    return float(f"{value:.{DIGITS}g}")
