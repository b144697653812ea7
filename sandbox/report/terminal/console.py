"""Create terminal consoles: colours and widths on a terminal, plain text elsewhere, NO_COLOR respected."""

from __future__ import annotations

import sys

from rich.console import Console

PLAIN_WIDTH = 120


def create_console(*, stderr: bool) -> Console:
    """Create a console on stdout or stderr, without interpreting printed text as markup, emoji or numbers."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PLAIN_WIDTH
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False, width=width)
