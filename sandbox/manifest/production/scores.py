"""A line of ``scores.jsonl``: a promotion record's figures beside production's."""

from __future__ import annotations

from typing import ClassVar, Literal

from sandbox.manifest.document import Document, DocumentPart

ScoreOutcome = Literal["hit", "miss", "untold"]


class ScoredFigure(DocumentPart):
    """One predicted figure, and its truth.

    ``figure`` is ``rows_added``, ``rows_removed``, ``rows_changed``, ``units_affected``, ``total COLUMN`` or ``relative COLUMN``.
    ``status``, ``estimate``, ``low`` and ``high`` are the prediction's. ``width`` is that of its interval. ``reason`` says why
    the outcome cannot be told.
    """

    output: str
    figure: str
    status: str
    estimate: float | None
    low: float | None
    high: float | None
    truth: float | None
    outcome: ScoreOutcome
    width: float | None = None
    reason: str | None = None


class Score(Document):
    """The score of one promotion. ``counted`` is the index of the figure that counts for calibration; None if none was told.

    Figures of one change are correlated, so that one of each counts: the first with an interval.
    """

    NAME: ClassVar[str] = "the score"

    scored: str
    diff: str
    tree: str
    promoted: str
    before: str
    after: str
    figures: list[ScoredFigure]
    counted: int | None
