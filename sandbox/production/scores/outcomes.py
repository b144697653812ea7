"""Judge predicted figures by their truths, and scores by their number of misses. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.estimate.proportions import compute_proportion_interval
from sandbox.formatting import format_count, format_share
from sandbox.manifest.production.scores import ScoredFigure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.manifest.output_estimate import EstimatedFigure
    from sandbox.manifest.production.scores import Score

MIN_SCORES = 60
CLAIM_SCORES = 456
CLAIM = (0.93, 0.97)
DOUBTFUL_MISSES = ((5, 3), (10, 4), (20, 5), (40, 7), (80, 10), (160, 16))
"""So many misses among so few first scores put the calibration in doubt."""
SELECTION_NOTE = "promotions are selected by the gate, so this is no random sample of changes"
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How often the counted figures of scores held the truth; ``low`` and ``high`` are the limits of Clopper and Pearson."""

    scored: int
    hits: int
    low: float
    high: float
    in_doubt: bool
    statement: str


def judge_figure(
    output: str, figure: str, predicted: EstimatedFigure, truth: float | None, reason: str | None
) -> ScoredFigure:
    """Return a figure with its outcome; ``reason`` says why the truth is not known.

    An interval is hit if it holds the truth, a lower bound if the truth lies beyond it, an exact figure if it is the truth.
    """
    outcome = None
    if truth is None:
        reason = reason or "the truth is not known"
    elif predicted.status in {"exact", "estimated"} and predicted.low is not None and predicted.high is not None:
        slack = _ROUNDING * max(abs(predicted.low), abs(predicted.high), abs(truth))
        outcome = predicted.low - slack <= truth <= predicted.high + slack
    elif (
        predicted.status == "lower_bound"
        and (limit := predicted.low if predicted.low is not None else predicted.high) is not None
    ):
        outcome = math.copysign(1, truth) == math.copysign(1, limit) and abs(truth) >= abs(limit) * (1 - _ROUNDING)
    else:
        reason = f"the prediction has no interval: {predicted.status.replace('_', ' ')}"
    both = predicted.low is not None and predicted.high is not None
    return ScoredFigure(
        output=output,
        figure=figure,
        status=predicted.status,
        estimate=predicted.estimate,
        low=predicted.low,
        high=predicted.high,
        truth=truth,
        outcome="untold" if outcome is None else "hit" if outcome else "miss",
        width=(predicted.high or 0) - (predicted.low or 0) if both else None,
        reason=reason if outcome is None else None,
    )


def choose_counted(figures: Sequence[ScoredFigure]) -> int | None:
    """Return the index of the first figure whose interval was told; None if there is none."""
    return next(
        (
            number
            for number, figure in enumerate(figures)
            if figure.status == "estimated" and figure.outcome != "untold"
        ),
        None,
    )


def assess_calibration(scores: Sequence[Score]) -> Calibration:
    """Return how well the predictions of scores, in their order, were calibrated."""
    outcomes = [score.figures[score.counted].outcome == "hit" for score in scores if score.counted is not None]
    hits, count = sum(outcomes), len(outcomes)
    low, high = compute_proportion_interval(hits, count)
    in_doubt = any(sum(not hit for hit in outcomes[:first]) >= misses for first, misses in DOUBTFUL_MISSES)
    share = f"{hits} of {format_count(count, 'prediction')} held the truth"
    interval = f"{format_share(low)} to {format_share(high)} of such predictions do"
    if in_doubt:
        statement = f"calibration in doubt: {share}"
    elif count < MIN_SCORES:
        statement = f"too few to tell: {share}"
    elif count < CLAIM_SCORES or not CLAIM[0] <= hits / count <= CLAIM[1]:
        statement = f"{share}; {interval}"
    else:
        statement = f"{share}: 93 to 97 %, as predicted; {interval}"
    return Calibration(scored=count, hits=hits, low=low, high=high, in_doubt=in_doubt, statement=statement)
