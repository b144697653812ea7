"""``sandbox mcp``."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import click

from sandbox.errors import UsageError


@click.command()
@click.option(
    "--runtime", type=click.Choice(["docker", "local"]), help="Where code runs; default: as production's file says."
)
@click.option("--source", is_flag=True, help="Let `plan` count production's rows, and a missing sample be drawn.")
def mcp(*, runtime: str | None, source: bool) -> None:
    """Serve this project to a coding agent over stdin and stdout (Model Context Protocol).

    Tools: status, plan, diff, rows, why, why_change, sql. They read the masked sample, write to .sandbox alone, and
    cannot change where code runs.
    """
    if importlib.util.find_spec("mcp") is None:
        raise UsageError("sandbox mcp needs the library mcp", hint="pip install 'mcp>=2.3'")
    from sandbox.mcp.server import ServerOptions, build_server  # noqa: PLC0415 - heavy, and --help does not need it

    build_server(ServerOptions(root=Path.cwd(), runtime=runtime, reads_source=source)).run("stdio")
