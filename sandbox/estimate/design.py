"""The sampling design used by estimates: strata, probabilities and weights."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sandbox.errors import StoreError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]

MIN_STRATUM_UNITS = 2
"""A stratum with fewer sampled units has no variance of its own."""

MIN_EXPECTED_UNITS = 8
"""A stratum of a family with fewer expected units is merged whatever was drawn: merging by the outcome is biased."""


@dataclass(frozen=True, kw_only=True, eq=False)
class StratumGroups:
    """The strata after merging thin ones; G groups, H strata, n sampled units.

    Attributes:
        population, sampled: Shape (G,); N_g and n_g.
        complete: Shape (G,); whether every unit of the group was drawn.
        largest_weight: Shape (G,); the largest weight in the group's strata, sampled or not; infinite if n_g is 0.
        of_stratum: Shape (H,); each stratum's group.
        group: Shape (n,); each unit's group.
        weight: Shape (n,); w_i.
        finite_population_correction: Shape (n,); 1 − f_h or 1 − π_i as a factor of the variance; 0 in complete groups.
    """

    population: IntArray
    sampled: IntArray
    complete: BoolArray
    largest_weight: FloatArray
    of_stratum: IntArray
    group: IntArray
    weight: FloatArray
    finite_population_correction: FloatArray

    @functools.cached_property
    def is_partial(self) -> BoolArray:
        """Whether a unit also represents others, shape (n,)."""
        return ~self.complete[self.group]

    def sum_by_group(self, values: FloatArray) -> FloatArray:
        """Sum per group, shape (G,)."""
        return np.bincount(self.group, values, minlength=len(self.population)).astype(np.float64)

    def sum_strata(self, values: FloatArray) -> FloatArray:
        """Sum figures of the strata, shape (H,), per group, shape (G,)."""
        return np.bincount(self.of_stratum, values, minlength=len(self.population)).astype(np.float64)


@dataclass(frozen=True, kw_only=True, eq=False)
class SizeMeasure:
    """One size x of all units of the population: its moments in each stratum, and its value for each sampled unit.

    Attributes:
        name: What it is, ``items.price``.
        moments: Shape (H, 4); Σ|x|^p over the population's units of a stratum, p = 1, …, 4.
        unseen: Shape (k,); the largest |x| of units that were not drawn, at most `UNSEEN_UNITS`.
        sampled: Shape (n,); |x| of each sampled unit.
    """

    name: str
    moments: FloatArray
    unseen: FloatArray
    sampled: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class SamplingDesign:
    """The draw of one unit table, and the stratum of each sampled unit.

    Attributes:
        population: Shape (H,); N_h, >= 0, in the manifest's order of strata.
        sampled: Shape (H,); n_h, in [0, N_h].
        probability: Shape (H,); π_h in (0, 1], as in the manifest.
        stratum: Shape (n,); each sampled unit's stratum, in [0, H). All other arrays of units are in this order.
        sizes: The recorded sizes of all units, for the reliability of intervals.
        family: Shape (H,); strata of one family, as of one group of sizes, are merged before others. None without.

    Raises:
        StoreError: The arrays are inconsistent.

    >>> design = SamplingDesign.from_arrays(population=[10, 2], sampled=[2, 2], probability=[0.2, 1.0], stratum=[0, 0, 1, 1])
    >>> design.groups.weight.tolist()
    [5.0, 5.0, 1.0, 1.0]
    """

    population: IntArray
    sampled: IntArray
    probability: FloatArray
    stratum: IntArray
    sizes: tuple[SizeMeasure, ...] = ()
    family: IntArray | None = None

    def __post_init__(self) -> None:
        problem = _find_problem(self)
        if problem:
            raise StoreError(f"the sample's weights do not fit its manifest: {problem}", hint="sandbox verify")

    @classmethod
    def from_arrays(
        cls,
        *,
        population: ArrayLike,
        sampled: ArrayLike,
        probability: ArrayLike,
        stratum: ArrayLike,
        sizes: tuple[SizeMeasure, ...] = (),
        family: ArrayLike | None = None,
    ) -> SamplingDesign:
        """Return the design for any array-likes of numpy."""
        return cls(
            population=np.asarray(population, np.int64),
            sampled=np.asarray(sampled, np.int64),
            probability=np.asarray(probability, np.float64),
            stratum=np.asarray(stratum, np.int64),
            sizes=sizes,
            family=None if family is None else np.asarray(family, np.int64),
        )

    @property
    def unit_count(self) -> int:
        return len(self.stratum)

    @functools.cached_property
    def is_complete(self) -> bool:
        """Whether every unit of production is in the sample."""
        return bool(np.all(self.sampled == self.population))

    @functools.cached_property
    def has_unrepresented_units(self) -> bool:
        """Whether some production units are represented by no sampled one, even after merging."""
        return bool(np.any((self.groups.sampled == 0) & ~self.groups.complete))

    @functools.cached_property
    def groups(self) -> StratumGroups:
        """The strata with thin ones merged, and a weight for each unit.

        A separate stratum has w = N_h/n_h; in a merged group w_i = (1/π_i) · N_g / Σ_j (1/π_j).
        """
        names, of_stratum = np.unique(_merge_thin_strata(self), return_inverse=True)
        count = len(names)
        population = np.bincount(of_stratum, self.population, count).astype(np.int64)
        sampled = np.bincount(of_stratum, self.sampled, count).astype(np.int64)
        merged = np.bincount(of_stratum, minlength=count)[of_stratum] > 1
        complete = sampled == population
        reciprocal = np.where(merged, 1 / self.probability, 1.0)
        total = np.bincount(of_stratum, reciprocal * self.sampled, count)
        share = np.divide(population, total, out=np.full(count, np.inf), where=total > 0)
        weight = np.where(complete[of_stratum], 1.0, reciprocal * share[of_stratum])
        rate = self.sampled / np.maximum(self.population, 1)
        unseen = np.where(complete[of_stratum], 0.0, 1 - np.where(merged, self.probability, rate))
        largest = np.zeros(count)
        np.maximum.at(largest, of_stratum, weight)
        return StratumGroups(
            population=population,
            sampled=sampled,
            complete=complete,
            largest_weight=largest,
            of_stratum=of_stratum.astype(np.int64),
            group=of_stratum[self.stratum].astype(np.int64),
            weight=weight[self.stratum],
            finite_population_correction=unseen[self.stratum],
        )

    def convert_values(self, values: ArrayLike) -> FloatArray:
        """Return values as floats, one for each sampled unit.

        Raises:
            ValueError: Their number differs from the number of units.
        """
        numbers = np.asarray(values, np.float64)
        if numbers.shape != (self.unit_count,):
            raise ValueError(f"{self.unit_count} sampled units, but values of shape {numbers.shape}")
        return numbers


def _find_problem(design: SamplingDesign) -> str:
    """Return a description of the first inconsistency; empty if there is none."""
    shape = design.population.shape
    if len(shape) != 1 or design.sampled.shape != shape or design.probability.shape != shape:
        return "population, sampled and probability are not of one length"
    if np.any(design.sampled < 0) or np.any(design.sampled > design.population):
        return "a stratum has more sampled units than units"
    if not np.all((design.probability > 0) & (design.probability <= 1)):
        return "a probability is not in (0, 1]"
    if np.any((design.probability == 1) & (design.sampled < design.population)):
        return "a stratum of probability 1 is not complete"
    return _find_unit_problem(design, shape[0])


def _find_unit_problem(design: SamplingDesign, strata: int) -> str:
    """Return a description of an inconsistency in the units' strata; empty if there is none."""
    if design.stratum.ndim != 1 or np.any((design.stratum < 0) | (design.stratum >= strata)):
        return "a sampled unit names a stratum that is not there"
    if not np.array_equal(np.bincount(design.stratum, minlength=strata), design.sampled):
        return "the sampled units of a stratum are not as many as the manifest says"
    return ""


def _merge_thin_strata(design: SamplingDesign) -> IntArray:
    """Return the group of each stratum, identified by one of its strata.

    A thin (n_h < 2), incomplete stratum joins the incomplete one of closest π; in a tie, the first in stratum order.
    This repeats until its group has two units or no other stratum remains. With families, strata with fewer than
    `MIN_EXPECTED_UNITS` expected units are thin as well, and join one of their own family if there is one.
    """
    names = np.arange(len(design.population), dtype=np.int64)
    open_ = design.sampled < design.population
    expected = design.population * design.probability
    if design.family is None:
        expected = np.full(len(names), np.inf)
    family = np.zeros(len(names), np.int64) if design.family is None else design.family
    for thin in np.flatnonzero(open_ & ((design.sampled < MIN_STRATUM_UNITS) | (expected < MIN_EXPECTED_UNITS))):
        while _is_thin(names == names[thin], design, expected):
            others = np.flatnonzero(open_ & (names != names[thin]))
            if not len(others):
                break
            relatives = others[family[others] == family[thin]]
            others = relatives if len(relatives) else others
            distance = np.abs(design.probability[others] - design.probability[thin])
            names[names == names[thin]] = names[others[np.argmin(distance)]]
    return names


def _is_thin(group: BoolArray, design: SamplingDesign, expected: FloatArray) -> bool:
    """Return whether a group of strata has too few sampled or expected units."""
    sampled = design.sampled[group].sum() < MIN_STRATUM_UNITS
    return bool(sampled or expected[group].sum() < MIN_EXPECTED_UNITS)
