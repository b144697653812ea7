"""``sandbox gc``: delete unused data and leftovers."""

from __future__ import annotations

import sys
from typing import Any

import click

from sandbox.cli.options import Call, QuantityType, add_common_options
from sandbox.errors import UsageError


@click.command()
@click.option(
    "--older",
    type=QuantityType("duration"),
    metavar="AGE",
    help="Remove samples, and what was made from them, that are older, used or not (default: 90d).",
)
@click.option(
    "--idle",
    type=QuantityType("duration"),
    metavar="AGE",
    help="Remove what was not used for so long (default: 30d).",
)
@click.option(
    "--max-size",
    "most",
    type=QuantityType("size"),
    metavar="SIZE",
    help="Keep no more, least lately used first.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@add_common_options
def gc(call: Call, *, older: Any, idle: Any, most: Any, dry_run: bool, yes: bool) -> None:
    """Delete unused samples, runs, images and leftovers of all your projects: what is old, idle, or left by killed commands.

    Samples, runs, reports, environments, images and wheels; AGE is as in 12h or 30d, SIZE as in 20GB. What a
    running command uses stays, and so does everything that sandbox did not make.
    """
    from sandbox.commands.cleanup import gc as gc_command  # noqa: PLC0415 - heavy, and --help does not need it
    from sandbox.report.terminal.cleanup import render_cleanup  # noqa: PLC0415

    limits = {"max_age": older, "max_idle": idle, "max_bytes": most}
    policy = gc_command.RetentionPolicy(**{name: value for name, value in limits.items() if value is not None})
    with call.progress.step("finding unused objects"):
        garbage = gc_command.find_garbage(policy)
    planned = gc_command.GcResult(garbage=garbage, dry_run=True)
    if dry_run or not (garbage.leftovers or garbage.candidates):
        call.print(planned, lambda: render_cleanup(planned.to_dict(), done=False))
        return
    if not yes:
        if not sys.stdin.isatty() or call.as_json:
            raise UsageError(
                "removing needs a yes, and there is no terminal to ask",
                hint="sandbox gc --yes; to see what would go: sandbox gc --dry-run",
            )
        call.print(planned, lambda: render_cleanup(planned.to_dict(), done=False))
        click.confirm("Remove this?", abort=True, err=True)
    removal = gc_command.GcResult(garbage=gc_command.remove_garbage(garbage, progress=call.progress), dry_run=False)
    call.print(removal, lambda: render_cleanup(removal.to_dict(), done=True))
