"""``sandbox create``, ``lock``, ``shell``, ``ls``, ``stop``, ``rm`` and ``doctor``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal, cast

import click

from sandbox.cli import shell_completion
from sandbox.cli.options import DEFAULT_NAME, Call, command, frozen_option, name_option
from sandbox.errors import ConfigError, EngineError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from sandbox.config import Project

SHOWN = 50  # rows of an answer, unless all are asked for


@click.command()
@name_option
@frozen_option
@command
def create(call: Call, *, name: str, frozen: bool) -> None:
    """Make everything ready: draw the sample, build the image, record the sandbox. Does only what is not done yet."""
    from sandbox.project.create import create as carry_out  # noqa: PLC0415 - heavy, and --help does not need it
    from sandbox.report.terminal.sandboxes import created as shown  # noqa: PLC0415

    result = carry_out(call.project(), name=name, frozen=frozen, progress=call.progress)
    call.print(
        result,
        lambda: shown(
            result.record,
            result.sample.manifest,
            drawn=result.sample.drawn,
            services=result.fields()["services"],
        ),
    )


@click.command()
@click.option("--upgrade", is_flag=True, help="Resolve everything anew, and list what moved.")
@command
def lock(call: Call, *, upgrade: bool) -> None:
    """Resolve the stack's pins into sandbox.lock."""
    from sandbox.commands.lock import lock as carry_out  # noqa: PLC0415 - see `create`
    from sandbox.report.terminal.sandboxes import locked as shown  # noqa: PLC0415

    result = carry_out(call.project(), upgrade=upgrade, progress=call.progress)
    call.print(result, lambda: shown(result.lock, result.path, changed=result.changed, moved=result.moved))


@click.command()
@name_option
@frozen_option
@command
def shell(call: Call, *, name: str, frozen: bool) -> int:
    """Open a terminal inside the sandbox, isolated as a run is, on a copy of the working tree."""
    from sandbox.commands.shell import shell as carry_out  # noqa: PLC0415 - see `create`

    if call.as_json or not sys.stdin.isatty():
        raise UsageError("a shell needs a terminal", hint="to run the pipeline: sandbox run")
    return carry_out(call.project(), name=name, frozen=frozen, progress=call.progress)


@click.command("exec", context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, required=True, metavar="COMMAND...", type=click.UNPROCESSED)
@name_option
@frozen_option
@command
def execute(call: Call, *, words: tuple[str, ...], name: str, frozen: bool) -> int:
    """Carry out one command inside the sandbox, isolated as a run is; its exit status is the command's own.

    Flags of sandbox come before the command: sandbox exec --name wide python -c 'print(1)'
    """
    from sandbox.commands.shell import execute as carry_out  # noqa: PLC0415 - see `create`

    out, err = passed_on(sys.stdout.buffer), passed_on(sys.stderr.buffer)
    return carry_out(
        call.project(), words, name=name, frozen=frozen, stdout=out, stderr=err, progress=call.progress
    )


@click.command()
@click.argument("run", required=False, shell_complete=shell_completion.runs)
@click.option("-f", "--follow", is_flag=True, help="Go on until it ends.")
@click.option("--service", metavar="NAME", help="Of a service instead: postgres or notebook.")
@name_option
@command
def logs(call: Call, *, run: str | None, follow: bool, service: str | None, name: str) -> None:
    """Print what a run printed, by default the latest one, also while it goes on."""
    from sandbox.commands import logs as carry_out  # noqa: PLC0415 - see `create`

    if call.as_json:
        raise UsageError("logs have no JSON", hint="the runs' records: sandbox verify --json")
    if service is not None:
        from sandbox.project.services.services import show_log  # noqa: PLC0415

        if run is not None:
            raise UsageError("name a run or a service, not both", hint="sandbox logs --help")
        show_log(call.project(), service, name=name, follow=follow, take=passed_on(sys.stdout.buffer))
        return
    if name != DEFAULT_NAME:
        raise UsageError(
            "runs belong to the project, whichever of its sandboxes they ran in; --name goes with --service",
            hint=f"sandbox logs --service postgres --name {name}",
        )
    found = carry_out.log(call.project(), run=run)
    call.progress.say(f"run {found.run}{', going on' if found.going_on else ''}")
    out, err = passed_on(sys.stdout.buffer), passed_on(sys.stderr.buffer)
    carry_out.show(found, follow=follow, stdout=out, stderr=err)


def passed_on(stream: BinaryIO) -> Callable[[bytes], None]:
    """Give a function that writes what it is given to a stream at once."""

    def take(chunk: bytes) -> None:
        stream.write(chunk)
        stream.flush()

    return take


@click.command()
@click.argument("query")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, every row.")
@click.option("--all", "whole", is_flag=True, help="Print every row, not only the first 50.")
@click.option("--service", type=click.Choice(["postgres"]), help="Ask the stack's Postgres instead.")
@name_option
@command
def sql(call: Call, *, query: str, as_csv: bool, whole: bool, service: str | None, name: str) -> None:
    """Query the sample: its tables, weights.UNIT, and output.NAME of the last run. QUERY may be - for stdin."""
    from sandbox.commands import sql as carry_out  # noqa: PLC0415 - see `create`
    from sandbox.report.terminal import query_result as report  # noqa: PLC0415

    text = sys.stdin.read() if query == "-" else query
    most = None if whole or as_csv else SHOWN
    if service is None:
        result = carry_out.sql(call.project(), text, most=most, progress=call.progress)
    else:
        result = carry_out.postgres(call.project(), text, name=name, most=most, progress=call.progress)
    if as_csv and not call.as_json:
        click.echo(report.as_csv(result.columns, result.rows), nl=False)
        return
    call.print(result, lambda: report.answer(result.columns, result.rows, complete=result.complete))


@click.command()
@command
def ls(call: Call) -> None:
    """List the project's sandboxes, with what they use."""
    from sandbox.commands.cleanup.sandboxes import ls as carry_out  # noqa: PLC0415 - see `create`
    from sandbox.report.terminal.sandboxes import listing as shown  # noqa: PLC0415

    result = carry_out(call.project())
    call.print(result, lambda: shown([entry.record for entry in result.entries], result.fields()))


class Removed:
    """What was ended or removed, by name."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def fields(self) -> dict[str, Any]:
        """Give the JSON."""
        return {"format_version": 1, "removed": self.names}


@click.command()
@name_option
@command
def stop(call: Call, *, name: str) -> None:
    """End what runs for a sandbox."""
    from sandbox.commands.cleanup.sandboxes import stop as carry_out  # noqa: PLC0415 - see `create`

    names = carry_out(call.project(), name=name, progress=call.progress)
    call.print(Removed(names), lambda: "\n".join(f"ended {one}" for one in names) or "nothing was running")


@click.command()
@name_option
@click.option("--samples", is_flag=True, help="Remove the project's sample as well.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@command
def rm(call: Call, *, name: str, samples: bool, yes: bool) -> None:
    """Remove a sandbox, what runs for it, and with the last one the project's runs and reports; samples stay."""
    from sandbox.commands.cleanup.sandboxes import rm as carry_out  # noqa: PLC0415 - see `create`

    project = call.project()
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError(
                "removing needs a yes, and there is no terminal to ask",
                hint=f"sandbox rm --name {name} --yes",
            )
        click.confirm(f"Remove sandbox {name} of {project.root}?", abort=True, err=True)
    names = carry_out(project, name=name, samples=samples, progress=call.progress)
    call.print(Removed(names), lambda: "\n".join(f"removed {one}" for one in names))


@click.command()
@command
def doctor(call: Call) -> int:
    """Check this machine, with one fix for each failure."""
    from sandbox.commands.doctor import doctor as carry_out  # noqa: PLC0415 - see `create`
    from sandbox.report.terminal.sandboxes import diagnosis as shown  # noqa: PLC0415

    project, runtime = _project_or_none(call)
    result = carry_out(project, runtime=runtime, progress=call.progress)
    call.print(result, lambda: shown(result.checks))
    if result.healthy:
        return 0
    failed = [check.name for check in result.checks if check.ok is False]
    said = f"{len(failed)} of {len(result.checks)} checks failed: {', '.join(failed)}"
    if not call.as_json:
        raise EngineError(said)
    click.echo(said, err=True)  # what was printed is the one document
    return EngineError.status


def _project_or_none(call: Call) -> tuple[Project | None, Literal["auto", "docker", "local"]]:
    """Give the project and its runtime where there is a project; a machine can be checked without one."""
    try:
        project = call.project()
    except ConfigError:
        if call.config is not None:
            raise
        return None, cast("Literal['auto', 'docker', 'local']", call.runtime or "auto")
    return project, project.settings.stack.runtime
