"""Recorded sizes of the population's units, and how well they explain what a change does to each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sandbox.estimate.design import SizeMeasure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.estimate.design import FloatArray, SamplingDesign

POWERS = (1, 2, 3, 4)
"""The recorded moments, Σ|x|^p."""

UNSEEN_UNITS = 10
"""How many of the largest units that were not drawn are recorded."""


@dataclass(frozen=True, kw_only=True)
class SizeFit:
    """The size measure that fits some values best.

    Attributes:
        effective_units: K; 0 if no measure is positive wherever a value is not 0.
        unseen_change: The change if the largest units that were not drawn changed as much as the strongest sampled
            unit does, as a share of its size; None without a measure.
    """

    effective_units: float
    unseen_change: float | None


def fit_sizes(design: SamplingDesign, values: FloatArray, *, counted: bool) -> SizeFit:
    """Find the size measure that explains values best, and the effective number of units behind their variance.

    With ``r_i = |d_i| / x_i`` over the m units with d_i ≠ 0 outside complete strata (n units in all), the best measure
    has the largest ``(Σ r)² / (m Σ r²)``: the values follow it most closely. Then ``K = (Σ_h a_h Σ x²)² /
    (Σ_h a_h³ Σ x⁴) · (Σ r²)² / (n Σ r⁴)``, ``a_h = (1 − f_h) / f_h``, with sums of x over the population's units of
    stratum h. Were the variance estimated from K normal values, it would be as uncertain as it is from this sample, if
    units change independently of their size.

    Args:
        design: The draw, with its recorded sizes.
        values: Shape (n,), finite.
        counted: Whether the values count rows; then x = 1 is a measure as well.
    """
    partial = design.groups.is_partial
    moved = partial & (values != 0)
    best = SizeFit(effective_units=0.0, unseen_change=None)
    closeness = 0.0
    amounts = np.abs(values[moved])
    if not len(amounts):
        return best
    amounts = amounts / amounts.max()
    for measure in _list_candidates(design, counted=counted):
        sizes = measure.sampled[moved]
        if np.any(sizes <= 0):
            continue
        ratios = amounts / sizes
        with np.errstate(over="ignore"):
            ratios = ratios / ratios.max()
        fit = float(ratios.sum()) ** 2 / (len(ratios) * float((ratios**2).sum()))
        if not math.isfinite(fit) or fit <= closeness:
            continue
        closeness = fit
        best = SizeFit(
            effective_units=_compute_effective_units(design, measure, ratios, int(np.count_nonzero(partial))),
            unseen_change=float((np.abs(values[moved]) / sizes).max() * measure.unseen.sum()),
        )
    return best


def _list_candidates(design: SamplingDesign, *, counted: bool) -> Iterator[SizeMeasure]:
    """Yield every recorded measure, each with its mean added, and for counts the number of units itself."""
    population = design.population.astype(np.float64)
    if counted:
        yield SizeMeasure(
            name="1",
            moments=np.repeat(population[:, None], len(POWERS), axis=1),
            unseen=np.ones(min(UNSEEN_UNITS, int((design.population - design.sampled).sum()))),
            sampled=np.ones(design.unit_count),
        )
    for measure in design.sizes:
        yield measure
        mean = float(measure.moments[:, 0].sum() / max(population.sum(), 1.0))
        if mean > 0:
            yield _add_mean(measure, mean, population)


def _add_mean(measure: SizeMeasure, mean: float, population: FloatArray) -> SizeMeasure:
    """Return the measure x + mean; its moments follow from those of x by the binomial theorem."""
    powers = np.concatenate([population[:, None], measure.moments], axis=1)
    moments = [sum(math.comb(p, q) * mean ** (p - q) * powers[:, q] for q in range(p + 1)) for p in POWERS]
    return SizeMeasure(
        name=f"{measure.name} + {mean:g}",
        moments=np.stack([np.asarray(column, np.float64) for column in moments], axis=1),
        unseen=measure.unseen + mean,
        sampled=measure.sampled + mean,
    )


def _compute_effective_units(design: SamplingDesign, measure: SizeMeasure, ratios: FloatArray, count: int) -> float:
    """Compute K from a measure and the values' ratios to it, scaled to at most 1."""
    groups = design.groups
    share = groups.sampled / np.maximum(groups.population, 1)
    gap = np.divide(1 - share, share, out=np.zeros(len(share)), where=(share > 0) & ~groups.complete)
    largest = float(np.max(measure.moments[:, 3], initial=0.0)) ** 0.25
    if largest <= 0:
        return 0.0
    squares = groups.sum_strata(measure.moments[:, 1] / largest**2)
    fourths = groups.sum_strata(measure.moments[:, 3] / largest**4)
    below = float((gap**3 * fourths).sum())
    if below <= 0:
        return math.inf
    spread = float((gap * squares).sum()) ** 2 / below
    return spread * float((ratios**2).sum()) ** 2 / (count * float((ratios**4).sum()))
