"""Render a run for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from sandbox.formatting import escape_hidden, format_duration, format_number, format_size

if TYPE_CHECKING:
    from rich.console import RenderableType

    from sandbox.runner.run import Run


def render_run(run: Run) -> RenderableType:
    """Render a successful run: its outputs, its cost, its path."""
    record = run.record
    memory = f", {format_size(record.peak_memory_bytes)} at most" if record.peak_memory_bytes else ""
    raised = record.memory_raised_from
    second = (
        f" the second time, with {format_size(record.limits.memory_bytes)} after {format_size(raised)}"
        if raised
        else ""
    )
    again = " (ran before; --fresh runs it again)" if run.cached else ""
    took = format_duration(record.wall_seconds)
    head = Text(f"{escape_hidden(run.version.ref)}: succeeded{second} in {took}{memory}{again}", style="bold")
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("output")
    table.add_column("rows", justify="right")
    table.add_column("size", justify="right")
    for name, output in record.outputs.items():
        table.add_row(
            Text(escape_hidden(name)),
            format_number(output.rows),
            format_size(sum(file.bytes for file in output.files)),
        )
    for path, artifact in record.artifacts.items():
        table.add_row(Text(escape_hidden(path)), Text("artifact", "dim"), format_size(artifact.bytes))
    for name, reason in record.not_compared.items():
        table.add_row(Text(escape_hidden(name)), Text("not compared", "yellow"), Text(escape_hidden(reason)))
    return Group(head, table, Text(str(run.output_folder), style="dim"))
