"""``sandbox score``."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.production.scores.outcomes import SELECTION_NOTE, assess_calibration
from sandbox.production.scores.score import read_scores, score_promotion
from sandbox.production.scores.truth import OutputState
from sandbox.project.registry import make_state_folder

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.manifest.production.scores import Score
    from sandbox.model import Progress
    from sandbox.production.scores.outcomes import Calibration

__all__ = ["OutputState", "ScoreList", "list_scores", "score"]


@dataclass(frozen=True, kw_only=True)
class ScoreList:
    """A project's scores, and their calibration."""

    scores: list[Score]
    calibration: Calibration

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of ``sandbox score --list --json``."""
        return {
            "format_version": 1,
            "scores": [score.to_dict() for score in self.scores],
            "calibration": dataclasses.asdict(self.calibration) | {"note": SELECTION_NOTE},
        }


def score(
    project: Project, before: OutputState, after: OutputState, *, record: Path | None, progress: Progress
) -> Score:
    """Score a promotion record (see `score_promotion`)."""
    make_state_folder(project.state_folder)
    return score_promotion(project, before, after, record=record, progress=progress)


def list_scores(project: Project) -> ScoreList:
    """Return the scores of a project.

    Raises:
        StoreError: Their file is damaged.
    """
    scores = read_scores(project)
    return ScoreList(scores=scores, calibration=assess_calibration(scores))
