"""Draws by the real rule, in numpy: the keys and thresholds of `sandbox.engine`, one salt a draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sandbox.engine.rule.prn import PRIME, compute_coefficients, compute_threshold
from sandbox.estimate.design import SamplingDesign

if TYPE_CHECKING:
    from collections.abc import Iterator

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def numbers(keys: Ints, salt: str, unit: str) -> Ints:
    """Give the permanent random numbers of integer keys (docs/design/sampling-specification.md)."""
    c0, c1, c2, c3, c4, c5 = compute_coefficients(salt, unit)
    x = ((keys & PRIME) + ((keys >> 31) & PRIME) * c4 % PRIME + ((keys >> 62) & 3) * c5 % PRIME) % PRIME
    return ((((c3 * x + c2) % PRIME) * x + c1) % PRIME * x + c0) % PRIME


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """All units of a population: their keys, and how they are drawn.

    Attributes:
        name: What the table calls it.
        population: Shape (H,); N_h.
        rates: Shape (H,); π_h as planned.
        keys: Shape (N,); the strata one after the other.
    """

    name: str
    population: Ints
    rates: Floats
    keys: Ints

    @property
    def size(self) -> int:
        """How many units there are."""
        return len(self.keys)

    @property
    def stratum(self) -> Ints:
        """Each unit's stratum, shape (N,)."""
        return np.repeat(np.arange(len(self.population)), self.population)

    def draws(self, count: int) -> Iterator[tuple[Flags, SamplingDesign]]:
        """Give draws with one salt each: which units are in, and the design."""
        thresholds = np.array([compute_threshold(rate) for rate in self.rates])
        stratum = self.stratum
        for number in range(count):
            drawn = numbers(self.keys, f"salt-{number}", "customers") < thresholds[stratum]
            sampled = np.bincount(stratum[drawn], minlength=len(self.population))
            yield (
                drawn,
                SamplingDesign.from_arrays(
                    population=self.population,
                    sampled=sampled,
                    probability=thresholds / PRIME,
                    stratum=stratum[drawn],
                ),
            )


def frame(name: str, population: list[int], rates: list[float], *, keys: str = "sequential") -> Frame:
    """Give a frame whose keys are ``sequential``, ``strided``, ``negative`` or ``snowflake``-like, in no order."""
    counts = np.array(population)
    numbers_ = np.arange(1, counts.sum() + 1, dtype=np.int64)
    made: dict[str, Any] = {
        "sequential": numbers_,
        "strided": numbers_ * 1_000,
        "negative": -numbers_ * 7,
        "snowflake": (numbers_ * 4_321 + 1_700_000_000_000 << 22) + numbers_ % 4_096,
    }
    order = np.random.default_rng(1).permutation(len(numbers_))
    return Frame(name=name, population=counts, rates=np.array(rates), keys=made[keys][order])
