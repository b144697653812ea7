"""Render a comparison on one screen of the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from sandbox.formatting import (
    NO_VALUE,
    escape_hidden,
    format_count,
    format_duration,
    format_number,
    format_size,
    format_value,
    truncate_text,
)
from sandbox.report import dbt_changes, findings, reservations
from sandbox.report.production.drift import describe_old_sample
from sandbox.report.why import causes, expected_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from sandbox.manifest.diff import DiffDocument, OutputDiff, RowExample
    from sandbox.manifest.diff_sides import DiffSide

_ExampleLine = tuple[Text, Text, Text]

VERDICT_STYLES = {"same": "bold green", "within_gate": "bold green", "outside_gate": "bold red"}
_MAX_OUTPUTS = 15
_MAX_COLUMNS = 3
_MAX_LINES = 6
_MAX_KEYS = 2
_MAX_SEGMENTS = 1
_MAX_EXAMPLES = 4
_MAX_NAME_LENGTH = 80
_MAX_PATH_LENGTH = 4096
_MAX_LINE_LENGTH = 600  # characters of a line, before it is wrapped


def render_diff(document: DiffDocument) -> Group:
    """Render the terminal report: the verdict, one line per output, some values, and the report's path.

    Names and values have no effect as markup: all text is literal, and hidden characters are visible.
    """
    parts: list[RenderableType] = [_render_verdict(document)]
    if document.outputs:
        parts.append(_render_outputs(document))
    parts += _render_first_lines("unexpected", expected_columns.describe_unexpected(document), "yellow")
    parts += [_render_line("estimate", line, "magenta") for line in findings.describe_estimates(document)]
    parts += _render_first_lines("NULL", findings.describe_null_columns(document), "yellow", most=_MAX_KEYS)
    parts += _render_first_lines("key", findings.describe_unusual_keys(document), "cyan", most=_MAX_KEYS)
    parts += [
        _render_line("where", line, "magenta") for line in causes.locate_other_differences(document)[:_MAX_SEGMENTS]
    ]
    parts += _render_first_lines("cause", causes.describe_causes(document), "magenta", most=_MAX_SEGMENTS)
    parts += _render_examples(document)
    parts += _render_first_lines("expected", expected_columns.describe_expected(document), "cyan", most=_MAX_KEYS)
    parts += [_render_line("dbt", line, "cyan") for line in dbt_changes.describe_model_changes(document)]
    parts += _render_first_lines(
        "test", [findings.describe_test(test) for test in findings.list_notable_tests(document)], "yellow"
    )
    parts += _render_first_lines("rules", reservations.describe_rule_changes(document), "yellow")
    parts += _render_first_lines("not judged", reservations.describe_reservations(document), "yellow", most=3)
    parts += _render_first_lines("artifacts", reservations.describe_artifacts(document), "cyan")
    parts += _render_first_lines("gate", findings.describe_gate_failures(document), "red")
    parts += _render_first_lines("warning", findings.list_warnings(document), "yellow")
    parts.append(_render_runs(document))
    if (age := describe_old_sample(document)) is not None:
        parts.append(_render_line("sample", age, "cyan"))
    if document.report:
        parts.append(_render_line("report", document.report, "cyan", longest=_MAX_PATH_LENGTH))
    return Group(*parts)


def _render_first_lines(label: str, texts: list[str], style: str, *, most: int = _MAX_LINES) -> list[RenderableType]:
    """Render one line for each text, at most one screen."""
    lines: list[RenderableType] = [_render_line(label, line, style) for line in texts[:most]]
    if len(texts) > most:
        lines.append(_render_line(label, f"… and {format_number(len(texts) - most)} more", style))
    return lines


def _render_verdict(document: DiffDocument) -> Text:
    return Text.assemble(
        (findings.VERDICT_TEXTS[document.verdict], VERDICT_STYLES[document.verdict]),
        ": ",
        (escape_hidden(causes.write_lead(document)), "bold"),
    )


def _render_line(label: str, text: str, style: str, *, longest: int = _MAX_LINE_LENGTH) -> Text:
    return Text.assemble((f"{label}: ", style), escape_hidden(truncate_text(text, longest)))


def _render_outputs(document: DiffDocument) -> RenderableType:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("output", overflow="fold", ratio=3)
    for name in ("rows", "added", "removed", "changed"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("columns that changed", overflow="fold", ratio=4)
    table.add_column("gate", no_wrap=True)
    ordered = findings.sort_outputs(document)
    for name, output in ordered[:_MAX_OUTPUTS]:
        table.add_row(
            Text(escape_hidden(truncate_text(name, _MAX_NAME_LENGTH))),
            *_format_row_counts(output),
            _describe_columns(output),
            _render_gate(document, name),
        )
    if len(ordered) == len(ordered[:_MAX_OUTPUTS]):
        return Group("", table, "")
    return Group("", table, Text(f"… and {format_count(len(ordered) - _MAX_OUTPUTS, 'more output')}, in the report\n"))


def _format_row_counts(output: OutputDiff) -> list[Text]:
    rows = output.rows
    counts = ((rows.added, "green"), (rows.removed, "red"), (rows.changed, "yellow"))
    return [
        Text(format_number(rows.candidate if output.status == "added" else rows.baseline)),
        *(Text(format_number(count) if count else NO_VALUE, style if count else "dim") for count, style in counts),
    ]


def _describe_columns(output: OutputDiff) -> Text:
    if output.status != "compared":
        return Text(f"output {output.status}", "red")
    changed = findings.list_changed_columns(output)
    phrases = [
        f"{escape_hidden(truncate_text(name, _MAX_NAME_LENGTH))} {format_number(column.changed)}"
        for name, column in changed[:_MAX_COLUMNS]
    ]
    if len(changed) > _MAX_COLUMNS:
        phrases.append(f"{len(changed) - _MAX_COLUMNS} more")
    phrases += [escape_hidden(phrase) for phrase in findings.describe_schema_changes(output.schema_, most=1)]
    if output.tainted:
        phrases.append(escape_hidden(f"noise in {findings.join_names(output.tainted, most=1)}"))
    elif output.rows.noise:
        phrases.append(f"noise in {format_count(output.rows.noise, 'row')}")
    return Text(", ".join(phrases)) if phrases else Text("same" if output.is_same else NO_VALUE, "dim")


def _render_gate(document: DiffDocument, name: str) -> Text:
    return Text("fail", "red") if findings.find_failed_rules(document, name) else Text("pass", "green")


def _render_examples(document: DiffDocument) -> list[RenderableType]:
    ordered = [(name, output) for name, output in findings.sort_outputs(document) if output.examples]
    if not ordered:
        return []
    name, output = ordered[0]
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for line in _select_example_lines(output.examples):
        table.add_row(*line)
    return [
        Text(
            f"for example, in {escape_hidden(truncate_text(name, _MAX_NAME_LENGTH))} (baseline → candidate):",
            "dim",
        ),
        table,
        "",
    ]


def _select_example_lines(examples: Sequence[RowExample]) -> list[_ExampleLine]:
    """Return as many example lines as fit on a screen, at least one of each kind."""
    kinds: dict[str, list[_ExampleLine]] = {}
    for example in examples:
        kinds.setdefault(example.kind, []).extend(_format_example(example))
    left = _MAX_EXAMPLES - len(kinds)
    selected: list[_ExampleLine] = []
    for lines in kinds.values():
        more = min(left, len(lines) - 1)
        selected += lines[: 1 + more]
        left -= more
    return selected


def _format_example(example: RowExample) -> list[_ExampleLine]:
    """Return one line for each column of a changed row; one for an added or removed row."""
    key = truncate_text(
        ", ".join(f"{escape_hidden(name)} {format_value(value)}" for name, value in example.key.items()), 26
    )
    if example.baseline is not None and example.candidate is not None:
        return [
            (
                Text(key),
                Text(truncate_text(escape_hidden(name), 20)),
                _format_value_pair(format_value(before), format_value(example.candidate.get(name))),
            )
            for name, before in example.baseline.items()
        ]
    row = example.candidate if example.baseline is None else example.baseline
    style = "green" if example.kind == "added" else "red"
    cells = ", ".join(f"{escape_hidden(name)} {format_value(value)}" for name, value in (row or {}).items())
    return [(Text(key or "row"), Text(example.kind, style), Text(truncate_text(cells, 160)))]


def _format_value_pair(before: str, after: str) -> Text:
    return Text.assemble((truncate_text(before, 40), "red"), " → ", (truncate_text(after, 40), "green"))


def _render_runs(document: DiffDocument) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, side in (("baseline", document.baseline), ("candidate", document.candidate)):
        table.add_row(
            Text(f"{name}:", "dim"),
            Text(escape_hidden(findings.describe_side(side))),
            Text(_format_cost(side), "dim"),
        )
    return table


def _format_cost(side: DiffSide) -> str:
    if side.run is None:
        return ""
    cost = format_duration(side.seconds)
    if side.peak_memory_bytes is not None:
        cost += f", {format_size(side.peak_memory_bytes)}"
    return cost + (", from an earlier run" if side.cached else "")
