"""Outcomes of predictions, and what many of them say."""

from __future__ import annotations

import pytest

from sandbox.manifest.output_estimate import EstimatedFigure
from sandbox.manifest.production.scores import Score
from sandbox.production.scores.outcomes import assess_calibration, choose_counted, judge_figure


@pytest.mark.parametrize(
    ("status", "low", "high", "truth", "outcome"),
    [
        ("estimated", 1.0, 3.0, 3.0, "hit"),
        ("estimated", 1.0, 3.0, 3.1, "miss"),
        ("exact", 2.0, 2.0, 2.0 + 1e-12, "hit"),
        ("exact", 2.0, 2.0, 2.1, "miss"),
        ("lower_bound", 5.0, None, 9.0, "hit"),
        ("lower_bound", 5.0, None, 4.0, "miss"),
        ("lower_bound", None, -5.0, -9.0, "hit"),
        ("lower_bound", None, -5.0, 9.0, "miss"),
        ("bounded", None, None, 1.0, "untold"),
        ("estimated", 1.0, 3.0, None, "untold"),
    ],
)
def test_an_outcome_follows_from_the_status(
    status: str, low: float | None, high: float | None, truth: float | None, outcome: str
) -> None:
    predicted = EstimatedFigure.model_validate({"status": status, "estimate": 2.0, "low": low, "high": high})
    found = judge_figure("value", "total x", predicted, truth, "other data" if truth is None else None)
    assert found.outcome == outcome
    assert (found.reason is None) == (outcome != "untold")


def _score(number: int, *, hit: bool) -> Score:
    predicted = EstimatedFigure(status="estimated", estimate=2.0, low=1.0, high=3.0)
    figures = [judge_figure("value", "total x", predicted, 2.0 if hit else 4.0, None)]
    return Score(
        scored="2026-01-01T00:00:00+00:00", diff=str(number), tree="t", promoted=f"2026-01-01T00:00:{number % 60:02}+00:00",
        before="a", after="b", figures=figures, counted=choose_counted(figures),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("outcomes", "statement"),
    [
        ([], "too few to tell: 0 of 0 predictions held the truth"),
        ([True] * 59, "too few to tell: 59 of 59 predictions held the truth"),
        ([False] * 3 + [True] * 2, "calibration in doubt: 2 of 5 predictions held the truth"),
        ([True] * 8 + [False] * 2, "too few to tell: 8 of 10"),
        ([*[True] * 15, *[False] * 5, *[True] * 80], "calibration in doubt: 95 of 100"),
        ([True] * 58 + [False] * 2, "58 of 60 predictions held the truth; 88.5 % to 99.6 % of such predictions do"),
        ((([True] * 20 + [False]) * 22), "440 of 462 predictions held the truth: 93 to 97 %, as predicted"),
    ],
)
def test_few_scores_claim_nothing_and_many_misses_warn(outcomes: list[bool], statement: str) -> None:
    found = assess_calibration([_score(number, hit=hit) for number, hit in enumerate(outcomes)])
    assert found.statement.startswith(statement)
