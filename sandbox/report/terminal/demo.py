"""Render the result of ``sandbox demo``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from sandbox.report.terminal.diff import render_diff

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.manifest.diff import DiffDocument


def render_demo(document: DiffDocument, folder: Path, planted: str) -> Group:
    """Render the comparison, the planted bug, and the next commands to try."""
    return Group(
        render_diff(document),
        Text.assemble(("planted bug: ", "bold"), planted),
        Text.assemble(("next: ", "dim"), f"cd {folder} && git diff, correct it, then: sandbox diff"),
    )
