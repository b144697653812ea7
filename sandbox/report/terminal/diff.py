"""A comparison on one screen of the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from sandbox.formatting import NOTHING, cut, duration, many, number, size, value, visible
from sandbox.report import dbt_changes, findings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from sandbox.manifest.diff import DiffDocument, Example, OutputDiff, Side

_Line = tuple[Text, Text, Text]

STYLES = {"same": "bold green", "within_gate": "bold green", "outside_gate": "bold red"}
_OUTPUTS = 15
_COLUMNS = 3
_LINES = 6
_KEYS = 2
_SEGMENTS = 1
_EXAMPLES = 4
_NAME = 80
_PATH = 4096
_LONGEST = 600  # characters of a line, before it is wrapped


def render(document: DiffDocument) -> Group:
    """Give what the terminal shows: the verdict, a line an output, a few values, and where the report is.

    Nothing in it comes from the markup of names or values: all text is literal, and hidden characters are shown.
    """
    parts: list[RenderableType] = [_verdict(document)]
    if document.outputs:
        parts.append(_outputs(document))
    parts += [_line("estimate", line, "magenta") for line in findings.in_production(document)]
    parts += _some("key", findings.keys(document), "cyan", most=_KEYS)
    parts += [_line("where", line, "magenta") for line in findings.where(document)[:_SEGMENTS]]
    parts += _examples(document)
    parts += [_line("dbt", line, "cyan") for line in dbt_changes.changes(document)]
    parts += _some("test", [findings.data_test(one) for one in findings.unpassed(document)], "yellow")
    parts += _some("gate", findings.not_held(document), "red")
    parts += _some("warning", findings.warnings(document), "yellow")
    parts.append(_runs(document))
    if document.report:
        parts.append(_line("report", document.report, "cyan", longest=_PATH))
    return Group(*parts)


def _some(label: str, said: list[str], style: str, *, most: int = _LINES) -> list[RenderableType]:
    """Give a line each, as many as a screen has room for."""
    lines: list[RenderableType] = [_line(label, line, style) for line in said[:most]]
    if len(said) > most:
        lines.append(_line(label, f"… and {number(len(said) - most)} more", style))
    return lines


def _verdict(document: DiffDocument) -> Text:
    return Text.assemble(
        (findings.VERDICTS[document.verdict], STYLES[document.verdict]),
        ": ",
        (visible(findings.headline(document)), "bold"),
    )


def _line(label: str, text: str, style: str, *, longest: int = _LONGEST) -> Text:
    return Text.assemble((f"{label}: ", style), visible(cut(text, longest)))


def _outputs(document: DiffDocument) -> RenderableType:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("output", overflow="fold", ratio=3)
    for name in ("rows", "added", "removed", "changed"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("columns that changed", overflow="fold", ratio=4)
    table.add_column("gate", no_wrap=True)
    ordered = findings.worst_first(document)
    for name, output in ordered[:_OUTPUTS]:
        table.add_row(
            Text(visible(cut(name, _NAME))), *_counts(output), _columns(output), _gate(document, name)
        )
    if len(ordered) == len(ordered[:_OUTPUTS]):
        return Group("", table, "")
    return Group("", table, Text(f"… and {number(len(ordered) - _OUTPUTS)} more outputs, in the report\n"))


def _counts(output: OutputDiff) -> list[Text]:
    rows = output.rows
    counts = ((rows.added, "green"), (rows.removed, "red"), (rows.changed, "yellow"))
    return [
        Text(number(rows.candidate if output.status == "added" else rows.baseline)),
        *(Text(number(count) if count else NOTHING, style if count else "dim") for count, style in counts),
    ]


def _columns(output: OutputDiff) -> Text:
    if output.status != "compared":
        return Text(f"output {output.status}", "red")
    changed = findings.changed_columns(output)
    said = [f"{visible(cut(name, _NAME))} {number(column.changed)}" for name, column in changed[:_COLUMNS]]
    if len(changed) > _COLUMNS:
        said.append(f"{len(changed) - _COLUMNS} more")
    said += [visible(phrase) for phrase in findings.schema(output.schema_, most=1)]
    if output.tainted:
        said.append(visible(f"noise in {findings.listed(output.tainted, most=1)}"))
    elif output.rows.noise:
        said.append(f"noise in {many(output.rows.noise, 'row')}")
    return Text(", ".join(said)) if said else Text("same" if output.same else NOTHING, "dim")


def _gate(document: DiffDocument, name: str) -> Text:
    broken = findings.broken(document, name)
    return Text("broken", "red") if broken else Text("held", "green")


def _examples(document: DiffDocument) -> list[RenderableType]:
    ordered = [(name, output) for name, output in findings.worst_first(document) if output.examples]
    if not ordered:
        return []
    name, output = ordered[0]
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for line in _of_each_kind(output.examples):
        table.add_row(*line)
    return [Text(f"for example, in {visible(cut(name, _NAME))} (baseline → candidate):", "dim"), table, ""]


def _of_each_kind(examples: Sequence[Example]) -> list[_Line]:
    """Give as many lines as a screen has room for, at least one of each kind."""
    kinds: dict[str, list[_Line]] = {}
    for example in examples:
        kinds.setdefault(example.kind, []).extend(_lines(example))
    left = _EXAMPLES - len(kinds)
    given: list[_Line] = []
    for lines in kinds.values():
        more = min(left, len(lines) - 1)
        given += lines[: 1 + more]
        left -= more
    return given


def _lines(example: Example) -> list[_Line]:
    """One line for each column of a changed row; one for an added or removed row."""
    key = cut(", ".join(f"{visible(name)} {value(found)}" for name, found in example.key.items()), 26)
    if example.baseline is not None and example.candidate is not None:
        return [
            (
                Text(key),
                Text(cut(visible(name), 20)),
                _pair(value(before), value(example.candidate.get(name))),
            )
            for name, before in example.baseline.items()
        ]
    row = example.candidate if example.baseline is None else example.baseline
    style = "green" if example.kind == "added" else "red"
    cells = ", ".join(f"{visible(name)} {value(found)}" for name, found in (row or {}).items())
    return [(Text(key or "row"), Text(example.kind, style), Text(cut(cells, 160)))]


def _pair(before: str, after: str) -> Text:
    return Text.assemble((cut(before, 40), "red"), " → ", (cut(after, 40), "green"))


def _runs(document: DiffDocument) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, side in (("baseline", document.baseline), ("candidate", document.candidate)):
        table.add_row(Text(f"{name}:", "dim"), Text(visible(findings.side(side))), Text(_cost(side), "dim"))
    return table


def _cost(side: Side) -> str:
    if side.run is None:
        return ""
    cost = duration(side.seconds)
    if side.peak_memory_bytes is not None:
        cost += f", {size(side.peak_memory_bytes)}"
    return cost + (", from an earlier run" if side.cached else "")
