"""Constants of the sampling rule: the prime, the coefficients, the thresholds.

Specification: docs/design/sampling-specification.md.
"""

from __future__ import annotations

import hashlib
import math

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


def compute_threshold(probability: float) -> int:
    """Return the number below which a unit is selected; a probability of 1 selects every unit.

    >>> compute_threshold(1.0) == PRIME, compute_threshold(0.5), compute_threshold(1e-12)
    (True, 1073741824, 1)
    """
    if probability >= 1:
        return PRIME
    return max(1, math.floor(probability * PRIME + 0.5))
