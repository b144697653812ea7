"""``sandbox report``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from sandbox.cli import shell_completion
from sandbox.cli.options import Call, add_common_options

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.argument("which", required=False, metavar="[ID]", shell_complete=shell_completion.complete_reports)
@click.option("--list", "listed", is_flag=True, help="List all reports, the last one first.")
@add_common_options
def report(call: Call, *, which: str | None, listed: bool) -> None:
    """Open the last report, or the one whose ID begins like this, in a browser; off a terminal print its path."""
    from sandbox.commands import report as reports  # noqa: PLC0415 - heavy, and --help does not need it

    if listed and which is not None:
        raise click.UsageError("--list shows all reports; leave the ID out")
    if listed:
        from sandbox.report.terminal.report_list import render_report_list  # noqa: PLC0415

        listing = reports.list_reports(call.load_project())
        call.print(
            listing,
            lambda: render_report_list([(entry.document, entry.page) for entry in listing.reports], listing.damaged),
        )
        return
    chosen = reports.report(call.load_project(), which=which)
    if call.as_json:
        call.print(chosen, lambda: "")
    elif sys.stdout.isatty() and _open_in_browser(chosen.page):
        click.echo(f"opened {chosen.page}", err=True)
    else:
        click.echo(chosen.page)


def _open_in_browser(page: Path) -> bool:
    """Open a page in the default browser; return False if there is none."""
    import webbrowser  # noqa: PLC0415 - needed here alone

    try:
        return webbrowser.get().open(page.resolve().as_uri())
    except webbrowser.Error:
        return False
