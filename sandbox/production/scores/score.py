"""Score a promotion record, and keep the scores of a project."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

from sandbox.errors import StoreError
from sandbox.manifest.output_estimate import OutputEstimate
from sandbox.manifest.production.scores import Score
from sandbox.production.scores.outcomes import choose_counted, judge_figure
from sandbox.production.scores.truth import check_states, compute_truths
from sandbox.promotion.envelope import open_envelope
from sandbox.promotion.records import read_records
from sandbox.promotion.statement import parse_statement
from sandbox.store.folder import lock_path, make_staging_folder, write_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.manifest.output_estimate import EstimatedFigure
    from sandbox.manifest.production.scores import ScoredFigure
    from sandbox.model import Progress
    from sandbox.production.scores.truth import OutputState, OutputTruth
    from sandbox.promotion.statement import Promotion

SCORES_FILE = "scores.jsonl"
SCORES_FOLDER = "scores"


def score_promotion(
    project: Project, before: OutputState, after: OutputState, *, record: Path | None, progress: Progress
) -> Score:
    """Compare the predictions of a promotion record with what production did, and keep the score.

    Args:
        project: The project.
        before: Production's outputs before the deployment.
        after: Its outputs after it.
        record: The record's file; None for the newest one of the project.
        progress: Shows the steps.

    Raises:
        StoreError: There is no record, or it predicts nothing.
        ConfigError: A place is wrong.
    """
    check_states(before, after)
    promotion = _read_promotion(project, record)
    predicted = {
        name: estimate
        for name, fields in promotion.figures.items()
        if (estimate := OutputEstimate.model_validate(fields)).status == "estimated"
    }
    if not predicted:
        raise StoreError(
            f"the record of the diff {promotion.diff} predicts nothing: no output was estimated",
            hint="see why in its report: sandbox report",
        )
    keys = {name: table.key or () for name, table in project.settings.tables.items()}
    with make_staging_folder(project.state_folder, label="scores") as folder:
        truths = compute_truths(project, before, after, predicted, keys, folder, progress=progress)
    figures = [figure for name, estimate in predicted.items() for figure in _judge_output(name, estimate, truths[name])]
    score = Score(
        scored=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        diff=promotion.diff,
        tree=promotion.candidate.tree,
        promoted=promotion.created,
        before=_describe_state(before),
        after=_describe_state(after),
        figures=figures,
        counted=choose_counted(figures),
    )
    _keep_score(project, score)
    return score


def read_scores(project: Project) -> list[Score]:
    """Read the scores of a project, in the order of their promotions; of one promotion the last.

    Raises:
        StoreError: The file is damaged.
    """
    path = project.state_folder / SCORES_FILE
    if not path.is_file():
        return []
    lines = path.read_text("utf-8").splitlines()
    scores = [Score.parse(line, origin=str(path)) for line in lines]
    return sorted({score.diff: score for score in scores}.values(), key=lambda score: score.promoted)


def _read_promotion(project: Project, record: Path | None) -> Promotion:
    if record is not None:
        statement, _ = open_envelope(record.read_text("utf-8"), [], origin=str(record))
        return parse_statement(statement, origin=str(record))
    promotions = list(_list_promotions(project))
    if not promotions:
        raise StoreError("there is no promotion record to score", hint="make one: sandbox diff, then: sandbox promote")
    return max(promotions, key=lambda promotion: promotion.created)


def _list_promotions(project: Project) -> Iterator[Promotion]:
    for origin, text in read_records(project):
        try:
            statement, _ = open_envelope(text, [], origin=origin)
            yield parse_statement(statement, origin=origin)
        except StoreError:
            continue


def _judge_output(name: str, estimate: OutputEstimate, truth: OutputTruth) -> list[ScoredFigure]:
    """Judge the figures of one output, those of totals first."""
    figures: dict[str, EstimatedFigure] = {}
    for column, total in estimate.totals.items():
        figures |= {f"total {column}": total.change, f"relative {column}": total.relative}
    if estimate.units_affected is not None:
        figures["units_affected"] = estimate.units_affected
    figures |= {
        "rows_added": estimate.rows_added,
        "rows_removed": estimate.rows_removed,
        "rows_changed": estimate.rows_changed,
    }
    return [
        judge_figure(name, figure, known, truth.figures.get(figure), truth.reason) for figure, known in figures.items()
    ]


def _describe_state(state: OutputState) -> str:
    return state.place if state.version is None else f"{state.place} at version {state.version}"


def _keep_score(project: Project, score: Score) -> None:
    """Append a score to the project's file, and write it to its store if it has one."""
    from sandbox.project.sharing import open_project_store  # noqa: PLC0415 - pyarrow is slow to import

    path = project.state_folder / SCORES_FILE
    line = json.dumps(score.to_dict(), ensure_ascii=False, sort_keys=True)
    with lock_path(path):
        known = path.read_text("utf-8") if path.is_file() else ""
        write_file(path, f"{known}{line}\n", mode=0o600)
    store = open_project_store(project)
    if store is not None:
        store.write(f"{SCORES_FOLDER}/{score.diff}.json", [f"{line}\n".encode()])
