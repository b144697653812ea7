"""``sandbox run`` and ``sandbox diff``."""

from __future__ import annotations

import click

from sandbox.cli.options import Call, command, frozen_option, name_option

OUTSIDE_GATE = 1


@click.command()
@click.argument("ref", required=False)
@name_option
@frozen_option
@click.option("--fresh", is_flag=True, help="Run it again although it ran before.")
@command
def run(call: Call, *, ref: str | None, name: str, frozen: bool, fresh: bool) -> None:
    """Run one version of the code (a git REF, or the working tree) on the sample in the stack."""
    from sandbox.commands.run import run as carry_out  # noqa: PLC0415 - heavy, and --help does not need it
    from sandbox.report.runs import run as shown  # noqa: PLC0415

    result = carry_out(call.project(), ref=ref, name=name, fresh=fresh, frozen=frozen, progress=call.progress)
    call.print(result, lambda: shown(result.run))


@click.command()
@click.argument("tables", nargs=-1, metavar="[TABLE TABLE]")
@click.option("--baseline", metavar="REF", help="What to compare with; default: what production runs.")
@click.option("--candidate", metavar="REF", help="What to compare; default: the working tree.")
@click.option(
    "--key", multiple=True, metavar="COLUMN", help="With two tables: a key column; may be repeated."
)
@name_option
@frozen_option
@click.option("--fresh", is_flag=True, help="Run both versions again although they ran before.")
@click.option("--no-values", is_flag=True, help="Keep values of rows out of comment.md.")
@command
def diff(
    call: Call,
    *,
    tables: tuple[str, ...],
    baseline: str | None,
    candidate: str | None,
    key: tuple[str, ...],
    name: str,
    frozen: bool,
    fresh: bool,
    no_values: bool,
) -> int:
    """Run production's code and the changed code on the sample, and compare what they make.

    With two tables (Parquet, CSV, JSON Lines, or file.duckdb:table), compare these, baseline first.

    Exits 0 within the gate, 1 outside, 10 and up if it could not be judged.
    """
    from sandbox.commands.diff import Versions, diff_tables  # noqa: PLC0415 - see `run`
    from sandbox.commands.diff import diff as carry_out  # noqa: PLC0415
    from sandbox.report.terminal import render  # noqa: PLC0415

    if len(tables) not in (0, 2):
        raise click.UsageError("name two tables, baseline first, or none to compare two versions of the code")
    if key and not tables:
        raise click.UsageError("--key goes with two tables; for a project's outputs see [outputs.NAME] key")
    if tables:
        result = diff_tables(*tables, key=list(key), progress=call.progress)
    else:
        versions = Versions(baseline=baseline, candidate=candidate)
        result = carry_out(
            call.project(),
            versions,
            name=name,
            fresh=fresh,
            frozen=frozen,
            progress=call.progress,
            values=not no_values,
        )
    call.print(result, lambda: render(result.document))
    return OUTSIDE_GATE if result.verdict == "outside_gate" else 0
