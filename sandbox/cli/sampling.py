"""``sandbox plan``, ``sample`` and ``verify``."""

from __future__ import annotations

import click

from sandbox.cli.options import Call, command


@click.command()
@command
def plan(call: Call) -> None:
    """Say what a sample would take: strata, rows, bytes, precision, smallest effect it would detect."""
    from sandbox.commands.sample import plan as carry_out  # noqa: PLC0415 - heavy, and --help does not need it
    from sandbox.report.samples import plan as shown  # noqa: PLC0415

    result = carry_out(call.project(), progress=call.progress)
    call.print(result, lambda: shown(result))


@click.command()
@click.option("--refresh", is_flag=True, help="Draw again from the source as it is now.")
@command
def sample(call: Call, *, refresh: bool) -> None:
    """Draw the sample; does nothing if it is already drawn."""
    from sandbox.commands.sample import sample as carry_out  # noqa: PLC0415 - see `plan`
    from sandbox.report.samples import sample as shown  # noqa: PLC0415

    result = carry_out(call.project(), refresh=refresh, progress=call.progress)
    call.print(result, lambda: shown(result.sample, result.manifest, drawn=result.drawn))


@click.command()
@click.argument("what", required=False, metavar="[SAMPLE|RUN]")
@command
def verify(call: Call, *, what: str | None) -> None:
    """Check samples and runs against what was recorded of them."""
    from sandbox.commands.verify import verify as carry_out  # noqa: PLC0415 - see `plan`
    from sandbox.report.samples import verified as shown  # noqa: PLC0415

    result = carry_out(call.project(), what=what, progress=call.progress)
    result.require()
    call.print(result, lambda: shown(result.problems))
