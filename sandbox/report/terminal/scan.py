"""What a scan found, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from sandbox.formatting import cut, many, share, size, visible

if TYPE_CHECKING:
    from rich.console import RenderableType

    from sandbox.manifest.scan import Finding, Scan

MOST = 25  # findings; one screen
MOST_EXAMPLES = 3
STYLES = {"error": "red", "warning": "yellow", "note": "dim"}


def scan(found: Scan) -> RenderableType:
    """Show what looks broken, the most severe first; one screen is enough for any number of findings."""
    rows = sum(table.rows or 0 for table in found.tables.values())
    read = sum(table.bytes for table in found.tables.values())
    head = f"{many(len(found.tables), 'table')}, {many(rows, 'row')}, {size(read)}: {_counted(found)}"
    parts: list[RenderableType] = [Text(head, style="bold")]
    parts += [line(finding) for finding in found.findings[:MOST]]
    if len(found.findings) > MOST:
        rest = many(len(found.findings) - MOST, "more finding")
        parts.append(Text(f"{rest}; all of them: sandbox scan --json", style="dim"))
    if found.not_scanned:
        names = ", ".join(visible(name) for name in found.not_scanned)
        said = f"not looked at, because sandbox.toml does not name them: {cut(names, 200)}"
        parts.append(Text(said, style="dim"))
    return Group(*parts)


def _counted(found: Scan) -> str:
    if not found.findings:
        return "nothing looks broken"
    counts = [
        many(sum(one.severity == severity for one in found.findings), severity)
        for severity in STYLES
        if any(one.severity == severity for one in found.findings)
    ]
    return ", ".join(counts)


def line(finding: Finding) -> Text:
    """Show one finding, with how much it concerns and a few examples, unless they may be personal."""
    said = Text.assemble((f"{finding.severity:<8}", STYLES[finding.severity]), visible(finding.message))
    if finding.share is not None and 0 < finding.share < 1:
        said.append(f" ({share(finding.share)})")
    if finding.hidden:
        said.append("; values not shown, they may be personal", style="dim")
    elif finding.examples:
        said.append(f"; {_examples(finding)}")
    return said


def _examples(finding: Finding) -> str:
    shown = [
        ", ".join("NULL" if cell is None else cut(visible(cell), 40) or '""' for cell in row)
        for row in finding.examples[:MOST_EXAMPLES]
    ]
    more = len(finding.examples) > MOST_EXAMPLES
    return f"for example {' | '.join(shown)}{' | …' if more else ''}"
