"""The result type of all estimates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

EstimateStatus = Literal["exact", "estimated", "lower_bound", "bounded", "not_estimated"]


@dataclass(frozen=True, kw_only=True)
class IntervalEstimate:
    """A figure for all of production, with its 95 % interval.

    Attributes:
        status: ``exact``: every unit that can change it was seen, low = estimate = high. ``estimated``: with an
            interval. ``lower_bound``: only the limit nearer 0 is known, the other is None. ``bounded``: too few units
            for any limit. ``not_estimated``: no number at all.
        estimate, low, high: In the unit of the values, or None.
        unseen_change: How much the ten largest units that were not drawn would add, had they changed as strongly as
            the sampled units did; None where no size of them is known.
    """

    status: EstimateStatus
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    unseen_change: float | None = None


NOT_ESTIMATED = IntervalEstimate(status="not_estimated")


def build_exact_estimate(value: float) -> IntervalEstimate:
    """Return a figure without sampling error.

    >>> build_exact_estimate(3.0).low
    3.0
    """
    return IntervalEstimate(status="exact", estimate=value, low=value, high=value)
