"""Render planned or completed removals for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from sandbox.formatting import format_count, format_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import RenderableType

MAX_ROWS = 15


def render_cleanup(fields: Mapping[str, Any], *, done: bool) -> RenderableType:
    """Render the JSON of ``sandbox gc`` for people: the largest objects, and the total size."""
    removed, used = fields["removed"], fields["in_use"]
    if not removed:
        kept = f"; {format_count(len(used), 'thing')} in use" if used else ""
        return Text(f"nothing to remove{kept}")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("kind", "name", "project"):
        table.add_column(column, overflow="fold")
    table.add_column("size", justify="right")
    table.add_column("why")
    largest = sorted(removed, key=lambda item: -item["bytes"])
    for item in largest[:MAX_ROWS]:
        name = item["name"] if "/" in item["name"] else item["name"][:28]
        table.add_row(item["kind"], name, item["project"] or "", format_size(item["bytes"]), item["reason"])
    lines: list[RenderableType] = [table]
    if len(removed) > MAX_ROWS:
        lines.append(Text(f"and {len(removed) - MAX_ROWS} more", style="dim"))
    verb = "removed" if done else "to remove:"
    head = f"{verb} {format_count(len(removed), 'thing')}, {format_size(fields['bytes'])}"
    if used:
        head += f"; {format_count(len(used), 'thing')} in use, left alone"
    return Group(*lines, Text(head, style="bold"))
