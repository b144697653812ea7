"""The standard deviation of many values from exact sums of whole steps."""

from __future__ import annotations

import math
from fractions import Fraction

STEPS_PER_LARGEST = 2.0**36


def compute_deviation(count: int, total: int, squares: int) -> float:
    """Compute the standard deviation of whole numbers from their number, sum and sum of squares.

    Returns:
        In units of `STEPS_PER_LARGEST`; 0 for fewer than two values.

    Source: S² = (Σy² − (Σy)²/n) / (n − 1).

    >>> compute_deviation(2, 2, 4) * STEPS_PER_LARGEST
    1.4142135623730951
    """
    if count < 2:
        return 0.0
    variance = Fraction(squares * count - total * total, count * (count - 1))
    return math.sqrt(variance) / STEPS_PER_LARGEST
