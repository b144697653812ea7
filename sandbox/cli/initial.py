"""``sandbox init``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sandbox.cli.options import Call, command

if TYPE_CHECKING:
    from sandbox.commands.init import Ci


@click.command()
@click.option(
    "--ci",
    type=click.Choice(["github", "gitlab"]),
    help="Write the job that runs `sandbox diff` on every pull request.",
)
@click.option("--yes", is_flag=True, help="Overwrite files that are there already.")
@command
def init(call: Call, *, ci: Ci | None, yes: bool) -> None:
    """Write the files that a project starts with: the job for GitHub Actions or GitLab (--ci)."""
    if ci is None:
        raise click.UsageError(
            "say what to write: --ci github or --ci gitlab writes the job that compares every pull request "
            "(a sandbox.toml is written by hand; sandbox demo makes one to start from)"
        )
    from sandbox.commands.init import init_ci  # noqa: PLC0415 - heavy, and --help does not need it

    result = init_ci(call.project(), ci, overwrite=yes)
    if call.as_json:
        call.print(result, lambda: "")
        return
    for file in result.files:
        click.echo(f"wrote {file}")
    for step in result.next:
        click.echo(f"next: {step}")
