"""Predict the columns of each output that the change of the code leads to, and compare them with the runs."""

from __future__ import annotations

import contextlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from sandbox.dbt.runs import is_dbt_project
from sandbox.impact.expected_columns.dbt_models import read_dbt_models
from sandbox.impact.expected_columns.prediction import ChangePredictor, OutputPrediction, compare_with_prediction
from sandbox.impact.expected_columns.sql_models import build_sql_models
from sandbox.model import POSTGRES_SERVICE
from sandbox.runner.code.code_parts import CodeChange
from sandbox.runner.code.text_files import read_text_files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.impact.expected_columns.model_graph import ModelGraph
    from sandbox.impact.sides import RunnableSide
    from sandbox.manifest.diff import OutputDiff
    from sandbox.manifest.why.expected_columns import ExpectedColumns
    from sandbox.runner.run import Run

IDLE_SUFFIXES = frozenset({".md", ".rst"})
IDLE_FILES = frozenset({"sandbox.toml", "sandbox.lock"})
"""Files that no pipeline reads; what the settings say of a run is compared key by key."""
MAX_FILES_NAMED = 3


def predict_columns(
    baseline: RunnableSide, candidate: RunnableSide, first: Run, second: Run, outputs: Mapping[str, OutputDiff]
) -> dict[str, ExpectedColumns]:
    """Return the columns of each compared output by whether the change leads to them.

    Empty for a pipeline without SQL files.

    Args:
        baseline: The baseline.
        candidate: The candidate.
        first: The baseline's run.
        second: The candidate's run.
        outputs: The comparison of each output.

    Raises:
        StoreError: A run's record is damaged.
    """
    graphs = _build_graphs(baseline, candidate, first, second)
    if graphs is None:
        return {}
    reason = _find_change_beyond_sql(baseline, candidate)
    predictor = ChangePredictor(*graphs)
    predicted = {}
    for name, output in outputs.items():
        if output.status != "compared":
            continue
        renamed = output.schema_.renamed
        columns = [list(run.record.outputs[name].columns) for run in (first, second) if name in run.record.outputs]
        new_names = set(renamed.values())
        names = list(dict.fromkeys(column for some in columns for column in some if column not in new_names))
        prediction = predictor.predict(name, renamed) if reason is None else _build_unknown(reason)
        predicted[name] = compare_with_prediction(output, prediction, names)
    return predicted


def _build_unknown(reason: str) -> OutputPrediction:
    return OutputPrediction(rows="unknown", columns={}, default="unknown", reason=reason)


def _build_graphs(
    baseline: RunnableSide, candidate: RunnableSide, first: Run, second: Run
) -> tuple[ModelGraph, ModelGraph] | None:
    ground = baseline.context
    sample = {name: [column.name for column in table.columns] for name, table in ground.sample.manifest.tables.items()}
    if is_dbt_project(ground.project):
        # The project's own code can write the records that are read here.
        with contextlib.suppress(KeyError, TypeError, AttributeError, IndexError):
            before, after = (read_dbt_models(run, sample) for run in (first, second))
            return None if before is None or after is None else (before, after)
        return None
    graphs = []
    for side, run in ((baseline, first), (candidate, second)):
        outputs = {name: list(output.columns) for name, output in run.record.outputs.items()}
        graph = build_sql_models(read_text_files(side.request.code), outputs, sample, _choose_dialect(side))
        if graph is None:
            return None
        graphs.append(graph)
    return graphs[0], graphs[1]


def _choose_dialect(side: RunnableSide) -> str:
    settings = side.context.project.settings
    if POSTGRES_SERVICE in settings.pipeline.inputs:
        return "postgres"
    return "spark" if settings.stack.image == "spark" else "duckdb"


def _find_change_beyond_sql(baseline: RunnableSide, candidate: RunnableSide) -> str | None:
    """Return a difference beyond the lineage of SQL files; dbt's records cover each of these."""
    if baseline.request.environment.id != candidate.request.environment.id:
        return "the libraries differ"
    if is_dbt_project(baseline.context.project):
        return None
    if _describe_call(baseline) != _describe_call(candidate):
        return "the command or its variables differ"
    paths = [part.path for part in CodeChange(baseline.request.code, candidate.request.code).list_parts("file")]
    changed = [path for path in paths if not _is_followed(PurePosixPath(path))]
    if not changed:
        return None
    more = f" and {len(changed) - MAX_FILES_NAMED} more" if len(changed) > MAX_FILES_NAMED else ""
    return f"{', '.join(changed[:MAX_FILES_NAMED])}{more} changed, and may change anything"


def _describe_call(side: RunnableSide) -> tuple[str, Mapping[str, str]]:
    return side.request.command, side.request.variables


def _is_followed(path: PurePosixPath) -> bool:
    return path.suffix.lower() in {".sql", *IDLE_SUFFIXES} or path.name in IDLE_FILES
