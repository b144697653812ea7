"""``sandbox init``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from sandbox.cli.options import Call, add_common_options

if TYPE_CHECKING:
    from sandbox.commands.init.ci_files import CiProvider


@click.command()
@click.argument("uri", required=False)
@click.option(
    "--ci",
    type=click.Choice(["github", "gitlab"]),
    help="Write the job that runs `sandbox diff` on every pull request.",
)
@click.option(
    "--install",
    "requirement",
    metavar="REQUIREMENT",
    help="With --ci: what the job installs, pinned by a commit or a hash; default: what is running here.",
)
@click.option("--agents", is_flag=True, help="Write AGENTS.md, which tells coding agents how to use sandbox.")
@click.option("--yes", "--force", "overwrite", is_flag=True, help="Overwrite files that are there already.")
@add_common_options
def init(
    call: Call, *, uri: str | None, ci: CiProvider | None, requirement: str | None, agents: bool, overwrite: bool
) -> None:
    """Write a sandbox.toml that proposes how to sample a source, or write the CI job (--ci).

    URI is where production's data is: a folder of Parquet, CSV or JSON Lines, a .duckdb or SQLite file. In a dbt project it
    may be left out where the project says it: its seeds, or the files that its sources name.
    """
    if ci is not None and uri is not None:
        raise click.UsageError("--ci writes the CI job of a project that has a sandbox.toml; it takes no URI")
    if requirement is not None and ci is None:
        raise click.UsageError("--install goes with --ci")
    if agents:
        if ci is not None or uri is not None:
            raise click.UsageError("--agents writes one file of a project that has a sandbox.toml; it goes alone")
        _write_agents_file(call, overwrite=overwrite)
        return
    if ci is not None:
        _write_ci_job(call, ci, requirement=requirement, overwrite=overwrite)
        return
    from sandbox.commands.init import init  # noqa: PLC0415 - heavy, and --help does not need it
    from sandbox.report.settings_file import summarize_proposal  # noqa: PLC0415

    file = (call.config or Path("sandbox.toml")).absolute()
    dbt = (file.parent / init.DBT_PROJECT_FILE).is_file()
    if uri is None and not dbt:
        raise init.build_missing_source_error(file.parent)
    file = init.choose_target(call.config, overwrite=overwrite or _confirm_overwrite(call))
    if dbt:
        from sandbox.commands.init.dbt import init_dbt  # noqa: PLC0415 - see above

        result = init_dbt(uri, file, runtime=_choose_runtime(call), progress=call.progress)
    else:
        assert uri is not None
        result = init.init_source(uri, file, progress=call.progress)
    if call.as_json:
        call.print(result, lambda: "")
        return
    click.echo(f"wrote {result.file}")
    for line in summarize_proposal(result.proposal):
        click.echo(f"  {line}")
    click.echo("next: read it, then: sandbox plan")


def _choose_runtime(call: Call) -> Literal["docker", "local", "auto"]:
    """Return the requested runtime, before there is a file that could set it."""
    requested = call.runtime or os.environ.get("SANDBOX_STACK_RUNTIME", os.environ.get("SANDBOX_RUNTIME", "auto"))
    match requested:
        case "docker" | "local" | "auto":
            return requested
        case _:
            raise click.UsageError(f"SANDBOX_RUNTIME={requested}: it is docker, local or auto")


def _confirm_overwrite(call: Call) -> bool:
    """Ask on a terminal whether an existing file may be overwritten."""
    file = (call.config or Path("sandbox.toml")).absolute()
    if not file.exists() or not sys.stdin.isatty() or call.as_json:
        return False
    return click.confirm(f"{file} is there already; write it anew?", default=False, err=True)


def _write_agents_file(call: Call, *, overwrite: bool) -> None:
    from sandbox.commands.init.agents_file import init_agents  # noqa: PLC0415 - heavy, and --help does not need it

    result = init_agents(call.load_project(), overwrite=overwrite)
    call.print(result, lambda: f"wrote {result.file}")


def _write_ci_job(call: Call, ci: CiProvider, *, requirement: str | None, overwrite: bool) -> None:
    from sandbox.commands.init.ci_files import init_ci  # noqa: PLC0415 - heavy, and --help does not need it

    result = init_ci(call.load_project(), ci, requirement=requirement, overwrite=overwrite)
    if call.as_json:
        call.print(result, lambda: "")
        return
    for file in result.files:
        click.echo(f"wrote {file}")
    for step in result.next:
        click.echo(f"next: {step}")
