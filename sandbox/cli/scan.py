"""``sandbox scan``."""

from __future__ import annotations

import click

from sandbox.cli.options import Call, add_common_options


@click.command()
@add_common_options
def scan(call: Call) -> None:
    """Look through the source and say what seems broken in it: keys, references, columns, text, dates.

    It exits 0 when it could look, whatever it found.
    """
    from sandbox.commands.scan import scan as run_command  # noqa: PLC0415 - heavy, and --help does not need it
    from sandbox.report.terminal.scan import render_scan  # noqa: PLC0415

    result = run_command(call.load_project(), progress=call.progress)
    call.print(result, lambda: render_scan(result))
