"""``sandbox report``."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

import click

from sandbox.cli import shell_completion
from sandbox.cli.options import Call, add_common_options
from sandbox.formatting import format_count


@click.command()
@click.argument("which", required=False, metavar="[ID]", shell_complete=shell_completion.complete_reports)
@click.option("--list", "listed", is_flag=True, help="List all reports, the last one first.")
@click.option(
    "--site",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write pages of all diffs, samples, promotions and checks into a folder, to publish.",
)
@click.option("--serve", is_flag=True, help="Show these pages on 127.0.0.1, until Ctrl-C.")
@click.option("--port", type=click.IntRange(0, 65535), help="Of --serve.  [default: a free one]")
@add_common_options
def report(call: Call, *, which: str | None, listed: bool, site: Path | None, serve: bool, port: int | None) -> None:
    """Open the last report, or the one whose ID begins like this, in a browser; off a terminal print its path."""
    if sum((listed, which is not None, site is not None, serve)) > 1:
        raise click.UsageError("an ID, --list, --site and --serve exclude each other")
    if port is not None and not serve:
        raise click.UsageError("--port is of --serve")
    if site is not None:
        _write_site(call, site)
    elif serve:
        _serve_site(call, port or 0)
    elif listed:
        _list_reports(call)
    else:
        _open_report(call, which)


def _list_reports(call: Call) -> None:
    from sandbox.commands.report import list_reports  # noqa: PLC0415 - heavy, and --help does not need it
    from sandbox.report.terminal.report_list import render_report_list  # noqa: PLC0415

    listing = list_reports(call.load_project())
    call.print(
        listing,
        lambda: render_report_list([(entry.document, entry.page) for entry in listing.reports], listing.damaged),
    )


def _open_report(call: Call, which: str | None) -> None:
    from sandbox.commands.report import report as find_report  # noqa: PLC0415 - see `_list_reports`

    chosen = find_report(call.load_project(), which=which)
    if call.as_json:
        call.print(chosen, lambda: "")
    elif sys.stdout.isatty() and _open_in_browser(chosen.page.resolve().as_uri()):
        click.echo(f"opened {chosen.page}", err=True)
    else:
        click.echo(chosen.page)


def _write_site(call: Call, folder: Path) -> None:
    from sandbox.commands.site.write import write_site  # noqa: PLC0415 - see `_list_reports`

    project = call.load_project()
    written = write_site(project, folder, runtime=project.settings.stack.runtime, progress=call.progress)
    index = written.folder / "index.html"
    call.print(
        written,
        lambda: f"wrote {format_count(written.pages, 'page')} and {format_count(written.reports, 'report')}: {index}",
    )


def _serve_site(call: Call, port: int) -> None:
    from sandbox.commands.site.serve import open_server  # noqa: PLC0415 - see `_list_reports`

    project = call.load_project()
    with open_server(project, port, runtime=project.settings.stack.runtime, progress=call.progress) as server:
        click.echo(json.dumps({"format_version": 1, "url": server.url}) if call.as_json else server.url)
        if sys.stdout.isatty() and not call.as_json and _open_in_browser(server.url):
            click.echo("opened in the browser; Ctrl-C ends it", err=True)
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


def _open_in_browser(address: str) -> bool:
    """Open an address in the default browser; return False if there is none."""
    import webbrowser  # noqa: PLC0415 - needed here alone

    try:
        return webbrowser.get().open(address)
    except webbrowser.Error:
        return False
