"""``sandbox bundle`` and ``unbundle``."""

from __future__ import annotations

from pathlib import Path

import click

from sandbox.cli.options import Call, add_common_options

_file_argument = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@click.command()
@_file_argument
@add_common_options
def bundle(call: Call, *, file: Path) -> None:
    """Write sample, lock, wheels, images and services to FILE, for a machine without a network.

    What is missing is drawn, downloaded and built first. An interrupted call goes on when it is called again. FILE holds
    the rows of the sample.
    """
    from sandbox.commands.bundle.write import write_bundle  # noqa: PLC0415 - heavy, and --help does not need it
    from sandbox.report.terminal.transfers import render_bundle  # noqa: PLC0415

    result = write_bundle(call.load_run_project(), file, progress=call.progress)
    call.print(result, lambda: render_bundle(result.file, result.digest, result.bytes, result.document))


@click.command()
@_file_argument
@click.option("--digest", metavar="SHA256", help="Refuse any other bundle than this one, which sandbox bundle named.")
@add_common_options
def unbundle(call: Call, *, file: Path, digest: str | None) -> None:
    """Bring what FILE holds to this machine, in a clone of the same commit; then create and diff need no network.

    Everything is checked by its digest, and nothing that is there is replaced. An interrupted call goes on when it is
    called again.
    """
    from sandbox.commands.bundle.read import read_bundle  # noqa: PLC0415 - see `bundle`
    from sandbox.report.terminal.transfers import render_unbundled  # noqa: PLC0415

    result = read_bundle(call.load_project(), file, digest=digest, progress=call.progress)
    call.print(result, lambda: render_unbundled(result.sample, result.files, result.images))
