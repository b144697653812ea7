"""Render all reports of a project on one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from sandbox.formatting import escape_hidden, format_age
from sandbox.report import findings
from sandbox.report.terminal.diff import VERDICT_STYLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rich.console import RenderableType

    from sandbox.manifest.diff import DiffDocument


def render_report_list(reports: Sequence[tuple[DiffDocument, Path]], damaged: Mapping[str, str]) -> Group:
    """Render one line per report: date, versions, verdict and finding."""
    if not reports and not damaged:
        return Group(Text("there is no report yet; compare something: sandbox diff"))
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for name, width in (("id", None), ("when", None), ("compared", 2), ("verdict", None), ("found", 3)):
        table.add_column(name, overflow="fold", ratio=width, no_wrap=width is None)
    for document, _ in reports:
        table.add_row(
            Text(document.id),
            Text(format_age(document.created)),
            Text(
                escape_hidden(
                    f"{findings.describe_side(document.baseline)} → {findings.describe_side(document.candidate)}"
                )
            ),
            Text(findings.VERDICT_TEXTS[document.verdict], VERDICT_STYLES[document.verdict]),
            Text(escape_hidden(findings.summarize_diff(document))),
        )
    parts: list[RenderableType] = [table]
    parts += [
        Text.assemble((f"{name}: ", "yellow"), escape_hidden(problem)) for name, problem in sorted(damaged.items())
    ]
    return Group(*parts)
