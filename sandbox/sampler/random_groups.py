"""Deal the sampled units into random groups: classes of one rate, six groups each. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sandbox.estimate.random_groups import RandomGroups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.estimate.design import FloatArray, IntArray, SamplingDesign

GROUPS_PER_CLASS = 6
MAX_CLASSES = 8
MIN_CLASS_UNITS = 2 * GROUPS_PER_CLASS
LEFT_OUT = -1
"""The group of units that are left out so that a class has one rate."""


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupAssignment:
    """The groups, and the group of each sampled unit, shape (n,)."""

    groups: RandomGroups
    of_unit: IntArray


def assign_groups(design: SamplingDesign, thinning: FloatArray, order: FloatArray) -> GroupAssignment | None:
    """Deal sampled units into groups.

    Strata of one rate are a class, and those of rate 1 a class of one group. Classes of the closest rates are merged
    until there are at most eight, of twelve units or more. In a merged class units are left out at random, so that
    all have its smallest rate.

    Args:
        design: The draw.
        thinning: Shape (n,), in [0, 1); a random number of each unit: whether it is left out.
        order: Likewise: which group it joins.

    Returns:
        None if there are too few units, or strata of which no unit was drawn.
    """
    partial = design.probability < 1
    if np.any((design.sampled == 0) & (design.population > 0)):
        return None
    classes: list[IntArray] = []
    rates = np.unique(design.probability[partial & (design.population > 0)])
    classes = [np.flatnonzero(partial & (design.probability == rate)) for rate in rates]
    certain = np.flatnonzero(~partial & (design.population > 0))
    classes = _merge_classes(classes, design, MAX_CLASSES - (1 if len(certain) else 0))
    of_unit = np.full(design.unit_count, LEFT_OUT, np.int64)
    population: list[int] = []
    of_class: list[int] = []
    for strata in [*classes, *([certain] if len(certain) else [])]:
        is_certain = strata is certain
        members = np.flatnonzero(np.isin(design.stratum, strata))
        rate = float(design.probability[strata].min())
        members = members[thinning[members] < rate / design.probability[design.stratum[members]]]
        groups = 1 if is_certain else min(GROUPS_PER_CLASS, len(members))
        if groups < (1 if is_certain else 2):
            return None
        dealt = members[np.argsort(order[members], kind="stable")]
        of_unit[dealt] = len(of_class) + np.arange(len(dealt)) % groups
        of_class += [len(population)] * groups
        population.append(int(design.population[strata].sum()))
    return GroupAssignment(
        groups=RandomGroups(
            population=np.array(population, np.int64),
            sampled=np.bincount(of_unit[of_unit >= 0], minlength=len(of_class)).astype(np.int64),
            of_class=np.array(of_class, np.int64),
        ),
        of_unit=of_unit,
    )


def _merge_classes(classes: Sequence[IntArray], design: SamplingDesign, most: int) -> list[IntArray]:
    """Merge neighbouring classes until there are few enough, of enough units each, with the least loss of units."""
    merged = list(classes)
    while len(merged) > 1:
        kept = [_count_kept(strata, design) for strata in merged]
        pairs = range(len(merged) - 1)
        if len(merged) <= most:
            pairs_of_small = [i for i in pairs if min(kept[i], kept[i + 1]) < MIN_CLASS_UNITS]
            if not pairs_of_small:
                break
            candidates = pairs_of_small
        else:
            candidates = list(pairs)
        losses = {i: kept[i] + kept[i + 1] - _count_kept(np.concatenate(merged[i : i + 2]), design) for i in candidates}
        first = min(losses, key=lambda i: losses[i])
        merged[first : first + 2] = [np.concatenate(merged[first : first + 2])]
    return merged


def _count_kept(strata: IntArray, design: SamplingDesign) -> float:
    """Return the expected number of units of a class that are not left out."""
    rates = design.probability[strata]
    return float((design.sampled[strata] * rates.min() / rates).sum())
