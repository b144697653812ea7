"""Show data tests of production and checks of samples in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from sandbox.formatting import escape_hidden, format_change, format_timestamp
from sandbox.production.scores.outcomes import SELECTION_NOTE
from sandbox.report import findings
from sandbox.report.production.data_tests import describe_outputs, sort_tests, summarize_tests
from sandbox.report.production.drift import describe_check

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import RenderableType

    from sandbox.manifest.production.data_tests import ProductionTests
    from sandbox.manifest.production.drift import DriftCheck
    from sandbox.manifest.production.scores import Score, ScoredFigure
    from sandbox.production.scores.outcomes import Calibration

_STYLES = {"held": "bold green", "broken": "bold red", "not_judged": "bold yellow"}


def render_production_tests(document: ProductionTests, folder: Path) -> RenderableType:
    """Render the summary, each test, what was read, and the path of the report."""
    lines = [Text(summarize_tests(document), style=_STYLES[document.verdict])]
    lines += [Text(f"  {escape_hidden(findings.describe_production_test(test))}") for test in sort_tests(document)]
    lines += [Text(escape_hidden(line), style="dim") for line in describe_outputs(document)]
    lines += [Text(f"warning: {escape_hidden(line)}", style="yellow") for line in document.warnings]
    return Group(*lines, Text(f"report: {folder / 'report.html'}", style="dim"))


_DRIFT_STYLES = {"fresh": "bold green", "drifting": "bold yellow", "stale": "bold red"}


def render_drift(check: DriftCheck) -> RenderableType:
    """Render the verdict, each finding, and what was not checked."""
    lines = [Text(describe_check(check), style=_DRIFT_STYLES[check.verdict])]
    lines += [Text(f"  {escape_hidden(finding.message)}") for finding in check.findings]
    lines += [Text(f"not checked: {escape_hidden(line)}", style="dim") for line in check.not_checked]
    if check.verdict == "stale":
        lines.append(Text("to draw again: sandbox sample --refresh", style="dim"))
    return Group(*lines)


_OUTCOME_STYLES = {"hit": "green", "miss": "bold red", "untold": "dim"}


def render_score(score: Score) -> RenderableType:
    """Render one line for each predicted figure, with its interval and its truth."""
    lines = [Text(f"predictions of the diff {score.diff}", style="bold")]
    lines += [Text(f"  {_describe_figure(figure)}", style=_OUTCOME_STYLES[figure.outcome]) for figure in score.figures]
    return Group(*lines)


def render_scores(scores: Sequence[Score], calibration: Calibration) -> RenderableType:
    """Render one line for each promotion, and how often predictions held the truth."""
    lines = [
        Text(
            f"{format_timestamp(score.promoted)}  {score.diff}  "
            + (
                escape_hidden(_describe_figure(score.figures[score.counted]))
                if score.counted is not None
                else "nothing can be told"
            )
        )
        for score in scores
    ]
    return Group(*lines, Text(calibration.statement, style="bold"), Text(SELECTION_NOTE, style="dim"))


def _describe_figure(figure: ScoredFigure) -> str:
    name = escape_hidden(f"{figure.output}: {figure.figure}")
    if figure.outcome == "untold":
        return f"{name}: cannot be told: {figure.reason}"
    limits = f"{format_change(figure.low)} to {format_change(figure.high)}"
    return f"{name}: {figure.outcome}, {format_change(figure.truth)}; predicted {limits}"
