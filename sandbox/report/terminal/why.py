"""Render a witness for a terminal: its input rows, and the rows of both versions."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from sandbox.formatting import escape_hidden, format_count, format_duration, truncate_text
from sandbox.report.why.causes import count_rows, describe_explained_rows, describe_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from rich.console import RenderableType

    from sandbox.manifest.why.attribution import AttributionDocument, RowExplanation
    from sandbox.manifest.why.witness import WitnessDocument

MAX_ROWS = 6
MAX_COLUMNS = 8
MAX_CELL_WIDTH = 24


def render_why(output: str, runs: int, witness: WitnessDocument | None, folder: Path | None) -> RenderableType:
    """Render the result of a search; ``runs`` is 0 for one found before."""
    if witness is None or folder is None:
        text = f"{output}: no smaller case found in {format_count(runs, 'run')}; try more: [why] runs, time"
        return Text(escape_hidden(text))
    return Group(Text(escape_hidden(_summarize(witness, runs)), style="bold"), *_render_details(witness, folder))


def render_attribution(document: AttributionDocument) -> RenderableType:
    """Render the parts of a change with the rows they explain."""
    lines: list[RenderableType] = []
    for name, output in document.outputs.items():
        lines.append(Text(f"{escape_hidden(name)}: {format_count(output.rows, 'differing row')}", style="bold"))
        if output.reason is not None:
            lines.append(Text(f"  not attributed: {escape_hidden(output.reason)}"))
        lines += [Text(f"  {escape_hidden(_describe_explanation(explanation))}") for explanation in output.explanations]
    lines += [
        Text(f"does not run: {escape_hidden(part)}: {escape_hidden(reason)}", style="yellow")
        for part, reason in document.failed.items()
    ]
    parts, runs = format_count(len(document.parts), "part"), format_count(document.runs, "run")
    return Group(*lines, Text(f"{parts} of the change, {runs}", style="dim"))


def _describe_explanation(explanation: RowExplanation) -> str:
    """Describe rows with one explanation in a line."""
    return f"{describe_explained_rows(explanation)}: {describe_parts(explanation)}"


def _summarize(witness: WitnessDocument, runs: int) -> str:
    rows = count_rows({table: count for table, count in witness.rows.items() if table != witness.unit})
    units = format_count(witness.unit_count, f"row of {witness.unit}", f"rows of {witness.unit}")
    of_all = "" if witness.differing_units is None else f", of {witness.differing_units:,} whose rows differ"
    cost = f"{format_count(runs, 'run')}, {format_duration(witness.seconds)}" if runs else "found before"
    small = "" if witness.is_minimal else "; more runs may find a smaller one"
    return f"{witness.output} differs with {units}{of_all}{f', {rows}' if rows else ''} ({cost}{small})"


def _render_details(witness: WitnessDocument, folder: Path) -> Iterator[RenderableType]:
    if witness.units is not None:
        for table, count in witness.rows.items():
            if count:
                yield from _render_file(f"input {table}", folder / "inputs" / f"{table}.csv", witness.columns[table])
        for side, version in (("baseline", witness.baseline), ("candidate", witness.candidate)):
            path = folder / "expected" / f"{side}.csv"
            yield from _render_file(f"{witness.output} of the {side}, {version}", path, None)
    yield Text(f"\nfiles: {escape_hidden(str(folder))}")
    if witness.test is not None:
        yield Text(f"test:  pytest {escape_hidden(str(folder / witness.test))}")
    elif witness.test_missing_because is not None:
        yield Text(f"no test was written: {escape_hidden(witness.test_missing_because)}")


def _render_file(title: str, path: Path, columns: Sequence[str] | None) -> Iterator[RenderableType]:
    yield Text(f"\n{escape_hidden(title)}", style="bold")
    if not path.is_file():
        yield Text("no such table", style="dim")
        return
    with path.open(encoding="utf-8", newline="") as file:
        names, *rows = list(csv.reader(file))
    if not rows:
        yield Text("no row", style="dim")
        return
    shown = [number for number, name in enumerate(names) if columns is None or name in columns]
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for number in shown[:MAX_COLUMNS]:
        table.add_column(Text(escape_hidden(names[number])))
    for row in rows[:MAX_ROWS]:
        table.add_row(
            *(Text(truncate_text(escape_hidden(row[number]), MAX_CELL_WIDTH)) for number in shown[:MAX_COLUMNS])
        )
    yield table
    left = [
        format_count(len(rows) - MAX_ROWS, "more row") if len(rows) > MAX_ROWS else "",
        format_count(len(shown) - MAX_COLUMNS, "more column") if len(shown) > MAX_COLUMNS else "",
    ]
    if any(left):
        yield Text(", ".join(part for part in left if part), style="dim")
