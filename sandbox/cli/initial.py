"""``sandbox init``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sandbox.cli.options import Call, command

if TYPE_CHECKING:
    from sandbox.commands.init import Ci


@click.command()
@click.argument("uri", required=False)
@click.option(
    "--ci",
    type=click.Choice(["github", "gitlab"]),
    help="Write the job that runs `sandbox diff` on every pull request.",
)
@click.option("--yes", "--force", "overwrite", is_flag=True, help="Overwrite files that are there already.")
@command
def init(call: Call, *, uri: str | None, ci: Ci | None, overwrite: bool) -> None:
    """Look at a source and write a sandbox.toml that proposes how to sample it; or write the CI job (--ci).

    URI is where production's data is: a folder of Parquet, CSV or JSON Lines.
    """
    if ci is not None and uri is not None:
        raise click.UsageError("--ci writes the CI job of a project that has a sandbox.toml; it takes no URI")
    if ci is not None:
        _ci(call, ci, overwrite=overwrite)
        return
    from sandbox.commands import init_source  # noqa: PLC0415 - heavy, and --help does not need it
    from sandbox.report.proposal import lines  # noqa: PLC0415

    if uri is None:
        raise init_source.missing((call.config or Path("sandbox.toml")).absolute().parent)
    file = init_source.target(call.config, overwrite=overwrite or _agreed(call))
    result = init_source.init_source(uri, file, progress=call.progress)
    if call.as_json:
        call.print(result, lambda: "")
        return
    click.echo(f"wrote {result.file}")
    for line in lines(result.proposal):
        click.echo(f"  {line}")
    click.echo("next: read it, then: sandbox plan")


def _agreed(call: Call) -> bool:
    """Ask, on a terminal, whether a file that is there may be overwritten."""
    file = (call.config or Path("sandbox.toml")).absolute()
    if not file.exists() or not sys.stdin.isatty() or call.as_json:
        return False
    return click.confirm(f"{file} is there already; write it anew?", default=False, err=True)


def _ci(call: Call, ci: Ci, *, overwrite: bool) -> None:
    from sandbox.commands.init import init_ci  # noqa: PLC0415 - heavy, and --help does not need it

    result = init_ci(call.project(), ci, overwrite=overwrite)
    if call.as_json:
        call.print(result, lambda: "")
        return
    for file in result.files:
        click.echo(f"wrote {file}")
    for step in result.next:
        click.echo(f"next: {step}")
