"""What a scan found, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from sandbox.formatting import escape_hidden, format_count, format_share, format_size, truncate_text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from sandbox.manifest.scan import Finding, ScanDocument

MAX_FINDINGS = 25  # findings; one screen
MAX_EXAMPLES = 3
SEVERITY_STYLES = {"error": "red", "warning": "yellow", "note": "dim"}


def render_scan(found: ScanDocument) -> RenderableType:
    """Show what looks broken, the most severe first; one screen is enough for any number of findings."""
    rows = sum(table.rows or 0 for table in found.tables.values())
    read = sum(table.bytes for table in found.tables.values())
    head = f"{format_count(len(found.tables), 'table')}, {format_count(rows, 'row')}, {format_size(read)}: {_describe_counts(found)}"
    parts: list[RenderableType] = [Text(head, style="bold")]
    parts += [render_finding(finding) for finding in found.findings[:MAX_FINDINGS]]
    if len(found.findings) > MAX_FINDINGS:
        rest = format_count(len(found.findings) - MAX_FINDINGS, "more finding")
        parts.append(Text(f"{rest}; all of them: sandbox scan --json", style="dim"))
    if found.not_scanned:
        names = ", ".join(escape_hidden(name) for name in found.not_scanned)
        said = f"not looked at, because sandbox.toml does not name them: {truncate_text(names, 200)}"
        parts.append(Text(said, style="dim"))
    return Group(*parts)


def _describe_counts(found: ScanDocument) -> str:
    if not found.findings:
        return "nothing looks broken"
    counts = [
        format_count(sum(one.severity == severity for one in found.findings), severity)
        for severity in SEVERITY_STYLES
        if any(one.severity == severity for one in found.findings)
    ]
    return ", ".join(counts)


def render_finding(finding: Finding) -> Text:
    """Show one finding, with how much it concerns and a few examples, unless they may be personal."""
    said = Text.assemble((f"{finding.severity:<8}", SEVERITY_STYLES[finding.severity]), escape_hidden(finding.message))
    if finding.share is not None and 0 < finding.share < 1:
        said.append(f" ({format_share(finding.share)})")
    if finding.hidden:
        said.append("; values not shown, they may be personal", style="dim")
    elif finding.examples:
        said.append(f"; {_format_examples(finding)}")
    return said


def _format_examples(finding: Finding) -> str:
    shown = [
        ", ".join("NULL" if cell is None else truncate_text(escape_hidden(cell), 40) or '""' for cell in row)
        for row in finding.examples[:MAX_EXAMPLES]
    ]
    more = len(finding.examples) > MAX_EXAMPLES
    return f"for example {' | '.join(shown)}{' | …' if more else ''}"
