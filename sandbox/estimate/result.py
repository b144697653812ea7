"""The result type of all estimates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

EstimateStatus = Literal["exact", "estimated", "probably_too_narrow", "bounded", "not_estimated"]


@dataclass(frozen=True, kw_only=True)
class IntervalEstimate:
    """A figure for all of production, with its 95 % interval.

    Attributes:
        status: ``exact``: every unit was seen, low = estimate = high. ``estimated``: with an interval.
            ``probably_too_narrow``: with an interval dominated by few units. ``bounded``: too few units for a symmetric
            interval; there may be limits. ``not_estimated``: no number at all.
        estimate, low, high: In the unit of the values, or None.
    """

    status: EstimateStatus
    estimate: float | None = None
    low: float | None = None
    high: float | None = None


NOT_ESTIMATED = IntervalEstimate(status="not_estimated")


def build_exact_estimate(value: float) -> IntervalEstimate:
    """Return a figure without sampling error.

    >>> build_exact_estimate(3.0).low
    3.0
    """
    return IntervalEstimate(status="exact", estimate=value, low=value, high=value)
