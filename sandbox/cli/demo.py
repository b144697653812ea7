"""``sandbox demo``."""

from __future__ import annotations

from pathlib import Path

import click

from sandbox.cli.options import Call, add_common_options


@click.command()
@click.argument("folder", default="sandbox-demo", type=click.Path(path_type=Path))
@click.option(
    "--scale",
    default=1.0,
    show_default=True,
    type=click.FloatRange(min=0.001, max=1000),
    help="1 is a million orders.",
)
@add_common_options
def demo(call: Call, *, folder: Path, scale: float) -> None:
    """Create a complete project in FOLDER (warehouse, pipeline, a change with a bug) and run a diff in it."""
    from sandbox.commands.demo import demo as run_command  # noqa: PLC0415 - heavy, and --help does not need it
    from sandbox.report.terminal.demo import render_demo  # noqa: PLC0415

    result = run_command(folder.absolute(), scale=scale, runtime=call.runtime, progress=call.progress)
    call.print(result, lambda: render_demo(result.document, folder, result.planted_bug))
