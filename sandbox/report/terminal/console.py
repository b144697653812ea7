"""The terminal: colours and widths where there is one, plain text where there is none, NO_COLOR respected."""

from __future__ import annotations

import sys

from rich.console import Console

PLAIN_WIDTH = 120


def create_console(*, stderr: bool) -> Console:
    """Give a console on stdout or stderr; nothing in what it prints is taken for markup, emoji or a number to colour."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PLAIN_WIDTH
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False, width=width)
