"""Show the results of data tests of production in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from sandbox.formatting import escape_hidden
from sandbox.report import findings
from sandbox.report.production.data_tests import describe_outputs, sort_tests, summarize_tests

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import RenderableType

    from sandbox.manifest.production.data_tests import ProductionTests

_STYLES = {"held": "bold green", "broken": "bold red", "not_judged": "bold yellow"}


def render_production_tests(document: ProductionTests, folder: Path) -> RenderableType:
    """Render the summary, each test, what was read, and the path of the report."""
    lines = [Text(summarize_tests(document), style=_STYLES[document.verdict])]
    lines += [Text(f"  {escape_hidden(findings.describe_production_test(test))}") for test in sort_tests(document)]
    lines += [Text(escape_hidden(line), style="dim") for line in describe_outputs(document)]
    return Group(*lines, Text(f"report: {folder / 'report.html'}", style="dim"))
