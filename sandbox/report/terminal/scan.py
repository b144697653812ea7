"""Render the findings of a scan for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from sandbox.formatting import (
    describe_left_out_files,
    escape_hidden,
    format_count,
    format_share,
    format_size,
    truncate_text,
)

if TYPE_CHECKING:
    from rich.console import RenderableType

    from sandbox.manifest.scan import Finding, ScanDocument

MAX_FINDINGS = 25  # findings; one screen
MAX_EXAMPLES = 3
SEVERITY_STYLES = {"error": "red", "warning": "yellow", "note": "dim"}


def render_scan(document: ScanDocument) -> RenderableType:
    """Render suspicious data, the most severe first; at most one screen of findings."""
    rows = sum(table.rows or 0 for table in document.tables.values())
    read = sum(table.bytes for table in document.tables.values())
    head = f"{format_count(len(document.tables), 'table')}, {format_count(rows, 'row')}, {format_size(read)}: {_describe_counts(document)}"
    parts: list[RenderableType] = [Text(head, style="bold")]
    parts += [render_finding(finding) for finding in document.findings[:MAX_FINDINGS]]
    if len(document.findings) > MAX_FINDINGS:
        hidden_findings = format_count(len(document.findings) - MAX_FINDINGS, "more finding")
        parts.append(Text(f"{hidden_findings}; all of them: sandbox scan --json", style="dim"))
    if document.not_scanned:
        names = ", ".join(escape_hidden(name) for name in document.not_scanned)
        text = f"not looked at, because sandbox.toml does not name them: {truncate_text(names, 200)}"
        parts.append(Text(text, style="dim"))
    if document.left_out:
        parts.append(Text(f"no tables: {describe_left_out_files(document.left_out)}", style="dim"))
    return Group(*parts)


def _describe_counts(document: ScanDocument) -> str:
    if not document.findings:
        return "nothing looks broken"
    counts = [
        format_count(sum(finding.severity == severity for finding in document.findings), severity)
        for severity in SEVERITY_STYLES
        if any(finding.severity == severity for finding in document.findings)
    ]
    return ", ".join(counts)


def render_finding(finding: Finding) -> Text:
    """Render one finding with its extent and a few examples, unless they may be personal."""
    text = Text.assemble((f"{finding.severity:<8}", SEVERITY_STYLES[finding.severity]), escape_hidden(finding.message))
    if finding.share is not None and 0 < finding.share < 1:
        text.append(f" ({format_share(finding.share)})")
    if finding.hidden:
        text.append("; values not shown, they may be personal", style="dim")
    elif finding.examples:
        text.append(f"; {_format_examples(finding)}")
    return text


def _format_examples(finding: Finding) -> str:
    shown = [
        ", ".join("NULL" if cell is None else truncate_text(escape_hidden(cell), 40) or '""' for cell in row)
        for row in finding.examples[:MAX_EXAMPLES]
    ]
    more = len(finding.examples) > MAX_EXAMPLES
    return f"for example {' | '.join(shown)}{' | …' if more else ''}"
