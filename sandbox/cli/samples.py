"""``sandbox plan``, ``sample`` (with ``push`` and ``pull``), ``verify`` and ``scan``."""

from __future__ import annotations

import json
from typing import get_args

import click

from sandbox.cli import shell_completion
from sandbox.cli.options import Call, accept_masks_option, add_common_options, brief_option
from sandbox.model import SqlDialect

STALE_STATUS = 1


@click.command()
@click.option(
    "--sql",
    "dialect",
    type=click.Choice(get_args(SqlDialect)),
    help="Print SQL instead that draws the same rows in a database; for warehouses it is compiled, not run.",
)
@brief_option
@add_common_options
def plan(call: Call, *, dialect: SqlDialect | None, brief: bool) -> None:
    """Show the strata, rows, bytes and precision of a sample, and the smallest effect it detects."""
    from sandbox.project.plan import plan as run_command  # noqa: PLC0415 - heavy, and --help does not need it
    from sandbox.project.plan import plan_sql  # noqa: PLC0415
    from sandbox.report.brief import build_brief_plan  # noqa: PLC0415
    from sandbox.report.terminal.samples import render_plan  # noqa: PLC0415

    if dialect is not None:
        if brief:
            raise click.UsageError("--brief does not go with --sql, which prints a script")
        compiled = plan_sql(call.load_project(), dialect, progress=call.progress)
        text = json.dumps(compiled.to_dict(), ensure_ascii=False, indent=1) if call.as_json else compiled.text
        click.echo(text.rstrip("\n"))
        return
    result = run_command(call.load_project(), progress=call.progress)
    call.print(
        result, lambda: render_plan(result), brief=(lambda: build_brief_plan(result.to_dict())) if brief else None
    )


@click.group(invoke_without_command=True)
@click.option("--refresh", is_flag=True, help="Draw again from the source as it is now.")
@click.option("--profile", is_flag=True, help="Compare it with production, tables of any size.")
@click.option("--same-source", is_flag=True, help="uri in [source] is another address of the data it was drawn from.")
@click.option(
    "--check", is_flag=True, help="Compare production as it is now with what it was when the sample was drawn."
)
@accept_masks_option
@add_common_options
def sample(
    call: Call, *, refresh: bool, profile: bool, same_source: bool, check: bool, accept_masks: bool
) -> int | None:
    """Draw the sample; does nothing if it is already drawn. With a store in sandbox.toml: pull it from there if it has it.

    With --check nothing is drawn. The verdict is fresh, drifting or stale, and only stale exits 1.
    """
    if _has_subcommand():
        return None
    if check:
        if refresh or profile or same_source:
            raise click.UsageError("--check draws nothing; leave --refresh, --profile and --same-source out")
        return _check_sample(call, accept_masks=accept_masks)
    from sandbox.project.profiled_sample import ensure_profiled_sample as run_command  # noqa: PLC0415 - see `plan`
    from sandbox.report.terminal.samples import render_sample  # noqa: PLC0415

    if refresh and same_source:
        raise click.UsageError("--refresh and --same-source exclude each other")
    project = call.load_run_project(accept_masks=accept_masks)
    result = run_command(project, refresh=refresh, profile=profile, same_source=same_source, progress=call.progress)
    call.print(
        result,
        lambda: render_sample(
            result.sample,
            result.manifest,
            drawn=result.drawn,
            pulled=result.pulled,
            profile=result.profile,
            store=result.store,
        ),
    )
    return None


def _check_sample(call: Call, *, accept_masks: bool) -> int:
    from sandbox.commands.production.sample_check import check_sample  # noqa: PLC0415 - see `plan`
    from sandbox.report.terminal.production import render_drift  # noqa: PLC0415

    result = check_sample(call.load_run_project(accept_masks=accept_masks), progress=call.progress)
    call.print(result, lambda: render_drift(result))
    return STALE_STATUS if result.verdict == "stale" else 0


def _has_subcommand() -> bool:
    """Return whether ``push`` or ``pull`` follows; flags before it would be ignored, so they are refused."""
    context = click.get_current_context()
    following = context.invoked_subcommand
    flags = [name for name, value in context.params.items() if value]
    if following and flags:
        raise click.UsageError(f"put the flags after {following}", ctx=context)
    return following is not None


@sample.command()
@click.argument("uri", required=False)
@add_common_options
def push(call: Call, *, uri: str | None) -> None:
    """Bring the sample to a folder or bucket (URI, or the project's store), so that others get the same one.

    URI is a path, s3://bucket/folder, gs://bucket/folder or abfss://container@account.dfs.core.windows.net/folder.
    Credentials come from the environment. An interrupted push goes on when it is called again.
    """
    from sandbox.project.sharing import push as run_command  # noqa: PLC0415 - see `plan`
    from sandbox.report.terminal.transfers import render_push  # noqa: PLC0415

    result = run_command(call.load_project(), uri=uri, progress=call.progress)
    call.print(result, lambda: render_push(result.sample, result.store, result.transfer))


@sample.command()
@click.argument("fingerprint", required=False, shell_complete=shell_completion.complete_samples)
@click.option("--store", "uri", help="The folder or bucket; without it the project's store.")
@add_common_options
def pull(call: Call, *, fingerprint: str | None, uri: str | None) -> None:
    """Bring a sample from a folder or bucket: the one that begins with FINGERPRINT, else what the project asks for.

    Everything is checked on arrival. An interrupted pull goes on when it is called again.
    """
    from sandbox.project.sharing import pull as run_command  # noqa: PLC0415 - see `plan`
    from sandbox.report.terminal.transfers import render_pull  # noqa: PLC0415

    result = run_command(call.load_project(), fingerprint=fingerprint, uri=uri, progress=call.progress)
    call.print(result, lambda: render_pull(result.sample, result.transfer, used=result.used))


@click.command()
@click.argument(
    "what", required=False, metavar="[SAMPLE|RUN]", shell_complete=shell_completion.complete_samples_and_runs
)
@add_common_options
def verify(call: Call, *, what: str | None) -> None:
    """Check samples and runs against what was recorded of them."""
    from sandbox.commands.verify import verify as run_command  # noqa: PLC0415 - see `plan`
    from sandbox.report.terminal.samples import render_verification  # noqa: PLC0415

    result = run_command(call.load_project(), what=what, progress=call.progress)
    result.raise_for_problems()
    call.print(result, lambda: render_verification(result.problems))


@click.command()
@add_common_options
def scan(call: Call) -> None:
    """Look through the source and say what seems broken in it: keys, references, columns, text, dates.

    It exits 0 when it could look, whatever it found.
    """
    from sandbox.commands.scan import scan as run_command  # noqa: PLC0415 - see `plan`
    from sandbox.report.terminal.scan import render_scan  # noqa: PLC0415

    result = run_command(call.load_project(), progress=call.progress)
    call.print(result, lambda: render_scan(result))
