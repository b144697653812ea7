"""``sandbox export``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sandbox.cli.options import Call, add_common_options, name_option

if TYPE_CHECKING:
    from sandbox.commands.export.export import ExportFormat


@click.command()
@click.argument("form", type=click.Choice(["compose", "devcontainer"]))
@click.option("--force", "--yes", "overwrite", is_flag=True, help="Overwrite the file if it is there already.")
@name_option
@add_common_options
def export(call: Call, *, form: ExportFormat, overwrite: bool, name: str) -> None:
    """Write compose.yaml, or .devcontainer/devcontainer.json, for the stack of a run.

    Image, sample, limits and isolation are those of a run. The code is the working tree, without what git ignores. Services
    come along: Postgres with the sample in it, and the notebook.
    """
    from sandbox.commands.export.export import export as run_command  # noqa: PLC0415 - heavy, and --help does not need it

    result = run_command(call.load_project(), form, name=name, overwrite=overwrite, progress=call.progress)
    if call.as_json:
        call.print(result, lambda: "")
        return
    click.echo(f"wrote {result.file}")
    for note in result.notes:
        click.echo(note)
