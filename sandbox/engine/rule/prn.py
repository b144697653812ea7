"""The arithmetic of the sampling rule: the prime, the coefficients, the permanent random numbers, the thresholds.

The numbers are computed by operators that integers of Python, columns of Ibis and expressions of Polars all have. So SQL of
every query engine, filters of Polars and plain values come from the same two functions. Specification: docs/design/sampling-specification.md.
"""

from __future__ import annotations

import hashlib
import math
import operator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PRIME = 2**31 - 1
HASH_DIGITS = 15  # hex digits of a SHA-256 read as an integer; 16 would overflow 64 bits


def compute_coefficients(salt: str, unit: str) -> tuple[int, ...]:
    """Return the six coefficients of a unit table's draw, each in [0, P).

    >>> compute_coefficients("2026-q4", "customers")[0]
    1289330506
    """
    return tuple(hash_to_integer(f"{salt}/{unit}/{index}") % PRIME for index in range(6))


def hash_to_integer(text: str) -> int:
    """Return the first 15 hex digits of a text's SHA-256 as an integer.

    >>> hash_to_integer("a")
    912392414677810140
    """
    return int(hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:HASH_DIGITS], 16)


def compute_fold(
    k: Any, coefficients: Sequence[int], *, shift_right: Callable[[Any, int], Any] = operator.rshift
) -> Any:
    """Return the fold of a key's integer, in [0, P).

    Args:
        k: A signed 64-bit integer, or a column of them.
        coefficients: See `compute_coefficients`.
        shift_right: The arithmetic shift, for expressions without the operator.
    """
    *_, c4, c5 = coefficients
    return ((k & PRIME) + (shift_right(k, 31) & PRIME) * c4 % PRIME + (shift_right(k, 62) & 3) * c5 % PRIME) % PRIME


def compute_random_number(x: Any, coefficients: Sequence[int]) -> Any:
    """Return the permanent random number of a fold, in [0, P).

    >>> compute_random_number(compute_fold(-1, (1, 2, 3, 4, 5, 6)), (1, 2, 3, 4, 5, 6))
    24337
    """
    c0, c1, c2, c3, *_ = coefficients
    return ((((x * c3 + c2) % PRIME) * x + c1) % PRIME * x + c0) % PRIME


def compute_threshold(probability: float) -> int:
    """Return the number below which a unit is selected; a probability of 1 selects every unit.

    >>> compute_threshold(1.0) == PRIME, compute_threshold(0.5), compute_threshold(1e-12)
    (True, 1073741824, 1)
    """
    if probability >= 1:
        return PRIME
    return max(1, math.floor(probability * PRIME + 0.5))
