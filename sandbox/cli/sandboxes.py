"""``sandbox create``, ``lock``, ``shell``, ``ls``, ``stop``, ``rm`` and ``doctor``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal, cast

import click

from sandbox.cli import shell_completion
from sandbox.cli.options import (
    DEFAULT_NAME,
    Call,
    accept_masks_option,
    add_common_options,
    brief_option,
    frozen_option,
    name_option,
)
from sandbox.errors import ConfigError, ContainerEngineError, UsageError
from sandbox.formatting import ControlFilter, format_count

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from sandbox.config import Project

MAX_QUERY_ROWS = 50  # without --all


@click.command()
@name_option
@frozen_option
@accept_masks_option
@add_common_options
def create(call: Call, *, name: str, frozen: bool, accept_masks: bool) -> None:
    """Prepare everything: draw the sample, build the image, record the sandbox. Finished steps are skipped."""
    from sandbox.project.create import create as run_command  # noqa: PLC0415 - heavy, and --help does not need it
    from sandbox.report.terminal.sandboxes import render_sandbox  # noqa: PLC0415

    project = call.load_run_project(accept_masks=accept_masks)
    result = run_command(project, name=name, frozen=frozen, progress=call.progress)
    call.print(
        result,
        lambda: render_sandbox(
            result.record,
            result.sample.manifest,
            drawn=result.sample.drawn,
            check=result.check,
            services=result.to_dict()["services"],
        ),
    )


@click.command()
@click.option("--upgrade", is_flag=True, help="Resolve everything anew, and list what moved.")
@add_common_options
def lock(call: Call, *, upgrade: bool) -> None:
    """Resolve the stack's pins into sandbox.lock."""
    from sandbox.commands.lock import lock as run_command  # noqa: PLC0415 - see `create`
    from sandbox.report.terminal.sandboxes import render_lock  # noqa: PLC0415

    result = run_command(call.load_run_project(), upgrade=upgrade, progress=call.progress)
    call.print(result, lambda: render_lock(result.lock, result.path, changed=result.changed, moved=result.lock_changes))


@click.command()
@name_option
@frozen_option
@add_common_options
def shell(call: Call, *, name: str, frozen: bool) -> int:
    """Open a terminal inside the sandbox, isolated as a run is, on a copy of the working tree."""
    from sandbox.commands.shell import shell as run_command  # noqa: PLC0415 - see `create`

    if call.as_json or not sys.stdin.isatty():
        raise UsageError("a shell needs a terminal", hint="to run the pipeline: sandbox run")
    return run_command(call.load_run_project(), name=name, frozen=frozen, progress=call.progress)


@click.command("exec", context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, required=True, metavar="COMMAND...", type=click.UNPROCESSED)
@name_option
@frozen_option
@add_common_options
def execute(call: Call, *, words: tuple[str, ...], name: str, frozen: bool) -> int:
    """Run one command inside the sandbox, isolated like a run; the exit status is the command's.

    Flags of sandbox come before the command: sandbox exec --name wide python -c 'print(1)'
    """
    from sandbox.commands.shell import execute as run_command  # noqa: PLC0415 - see `create`

    out, err = create_writer(sys.stdout.buffer), create_writer(sys.stderr.buffer)
    return run_command(
        call.load_run_project(), words, name=name, frozen=frozen, stdout=out, stderr=err, progress=call.progress
    )


@click.command()
@click.argument("run", required=False, shell_complete=shell_completion.complete_runs)
@click.option("-f", "--follow", is_flag=True, help="Go on until it ends.")
@click.option("--service", metavar="NAME", help="Of a service instead: postgres or notebook.")
@name_option
@add_common_options
def logs(call: Call, *, run: str | None, follow: bool, service: str | None, name: str) -> None:
    """Print the log of a run, by default the latest, also while it runs."""
    from sandbox.commands import logs as logs_command  # noqa: PLC0415 - see `create`

    if call.as_json:
        raise UsageError("logs have no JSON", hint="the runs' records: sandbox verify --json")
    if service is not None:
        from sandbox.project.services.services import stream_service_log  # noqa: PLC0415

        if run is not None:
            raise UsageError("name a run or a service, not both", hint="sandbox logs --help")
        stream_service_log(
            call.load_project(), service, name=name, follow=follow, take=create_safe_writer(sys.stdout.buffer)
        )
        return
    if name != DEFAULT_NAME:
        raise UsageError(
            "runs belong to the project, whichever of its sandboxes they ran in; --name goes with --service",
            hint=f"sandbox logs --service postgres --name {name}",
        )
    log = logs_command.find_run_log(call.load_project(), run=run)
    call.progress.print_message(f"run {log.run}{', going on' if log.is_running else ''}")
    out, err = create_safe_writer(sys.stdout.buffer), create_safe_writer(sys.stderr.buffer)
    logs_command.stream_log(log, follow=follow, stdout=out, stderr=err)


def create_safe_writer(stream: BinaryIO) -> Callable[[bytes], None]:
    """Create a function that writes to a stream at once, with control sequences shown instead of sent."""
    write_chunk, show_controls = create_writer(stream), ControlFilter()
    return lambda chunk: write_chunk(show_controls(chunk))


def create_writer(stream: BinaryIO) -> Callable[[bytes], None]:
    """Return a function that writes and flushes chunks to a stream."""

    def write_chunk(chunk: bytes) -> None:
        stream.write(chunk)
        stream.flush()

    return write_chunk


@click.command()
@click.argument("query")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, every row.")
@click.option("--all", "whole", is_flag=True, help="Print every row, not only the first 50.")
@click.option("--service", type=click.Choice(["postgres"]), help="Ask the stack's Postgres instead.")
@click.option(
    "--diff", "which_diff", metavar="ID", help="The diff to query, by the beginning of its id; default: the last."
)
@name_option
@add_common_options
def sql(
    call: Call, *, query: str, as_csv: bool, whole: bool, service: str | None, which_diff: str | None, name: str
) -> None:
    """Query the sample: its tables, weights.UNIT, and output.NAME of the last run. QUERY may be - for stdin.

    baseline.NAME and candidate.NAME are the outputs of both sides of the last diff; diff.NAME_added, diff.NAME_removed
    and diff.NAME_changed are the rows that differ. "show tables" lists them all.
    """
    from sandbox.commands import sql as sql_command  # noqa: PLC0415 - see `create`
    from sandbox.report.terminal import query_result as report  # noqa: PLC0415

    text = sys.stdin.read() if query == "-" else query
    most = None if whole or as_csv else MAX_QUERY_ROWS
    if service is not None and which_diff is not None:
        raise click.UsageError("--diff is not in the Postgres service; leave --service out")
    if service is None:
        result = sql_command.sql(call.load_project(), text, most=most, which_diff=which_diff, progress=call.progress)
    else:
        result = sql_command.query_postgres(call.load_run_project(), text, name=name, most=most, progress=call.progress)
    if as_csv and not call.as_json:
        click.echo(report.format_csv(result.columns, result.rows), nl=False)
        return
    call.print(result, lambda: report.render_query_result(result.columns, result.rows, complete=result.complete))


@click.command()
@add_common_options
def ls(call: Call) -> None:
    """List the project's sandboxes, with what they use."""
    from sandbox.commands.cleanup.sandboxes import ls as run_command  # noqa: PLC0415 - see `create`
    from sandbox.report.terminal.sandboxes import render_sandboxes  # noqa: PLC0415

    result = run_command(call.load_project())
    call.print(result, lambda: render_sandboxes([entry.record for entry in result.entries], result.to_dict()))


class RemovalResult:
    def __init__(self, names: list[str]) -> None:
        self.names = names

    def to_dict(self) -> dict[str, Any]:
        return {"format_version": 1, "removed": self.names}


@click.command()
@name_option
@add_common_options
def stop(call: Call, *, name: str) -> None:
    """Stop the runs and services of a sandbox."""
    from sandbox.commands.cleanup.sandboxes import stop as run_command  # noqa: PLC0415 - see `create`

    names = run_command(call.load_project(), name=name, progress=call.progress)
    call.print(RemovalResult(names), lambda: "\n".join(f"ended {item}" for item in names) or "nothing was running")


@click.command()
@name_option
@click.option("--samples", is_flag=True, help="Remove the project's sample as well.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@add_common_options
def rm(call: Call, *, name: str, samples: bool, yes: bool) -> None:
    """Remove a sandbox, what runs for it, and with the last one the project's runs and reports; samples stay."""
    from sandbox.commands.cleanup.sandboxes import rm as run_command  # noqa: PLC0415 - see `create`

    project = call.load_project()
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError(
                "removing needs a yes, and there is no terminal to ask",
                hint=f"sandbox rm --name {name} --yes",
            )
        click.confirm(f"Remove sandbox {name} of {project.root}?", abort=True, err=True)
    names = run_command(project, name=name, samples=samples, progress=call.progress)
    call.print(RemovalResult(names), lambda: "\n".join(f"removed {item}" for item in names))


@click.command()
@brief_option
@add_common_options
def doctor(call: Call, *, brief: bool) -> int:
    """Check this machine, with one fix for each failure."""
    from sandbox.commands.doctor import doctor as run_command  # noqa: PLC0415 - see `create`
    from sandbox.report.brief import build_brief_diagnosis  # noqa: PLC0415
    from sandbox.report.terminal.sandboxes import render_checks  # noqa: PLC0415

    project, runtime = _find_project(call)
    result = run_command(project, runtime=runtime, progress=call.progress)
    call.print(
        result,
        lambda: render_checks(result.checks),
        brief=(lambda: build_brief_diagnosis(result.to_dict())) if brief else None,
    )
    if result.is_healthy:
        return 0
    failed = [check.name for check in result.checks if check.ok is False]
    summary = f"{len(failed)} of {format_count(len(result.checks), 'check')} failed: {', '.join(failed)}"
    if not (call.as_json or brief):
        raise ContainerEngineError(summary)
    click.echo(summary, err=True)  # stdout has the JSON document only
    return ContainerEngineError.status


def _find_project(call: Call) -> tuple[Project | None, Literal["auto", "docker", "local"]]:
    """Return the project and its runtime; the machine can be checked without a project."""
    try:
        project = call.load_project()
    except ConfigError:
        if call.config is not None:
            raise
        return None, cast("Literal['auto', 'docker', 'local']", call.runtime or "auto")
    return project, project.settings.stack.runtime
