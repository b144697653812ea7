"""``sandbox why``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sandbox.cli import shell_completion
from sandbox.cli.options import Call, accept_masks_option, add_common_options, brief_option, frozen_option, name_option

if TYPE_CHECKING:
    from sandbox.report.why.witness_files import ExpectedSide
    from sandbox.runner.code.code_parts import PartKind

NOT_FOUND_STATUS = 1


@click.command()
@click.argument("output", required=False)
@click.option(
    "--baseline",
    metavar="REF",
    help="What to compare with; default: what production runs.",
    shell_complete=shell_completion.complete_refs,
)
@click.option(
    "--candidate",
    metavar="REF",
    help="What to compare; default: the working tree.",
    shell_complete=shell_completion.complete_refs,
)
@click.option(
    "--expect",
    type=click.Choice(["baseline", "candidate"]),
    default="baseline",
    show_default=True,
    help="The side whose rows the written test expects.",
)
@click.option(
    "--to",
    "target",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the witness to this folder; default: beside the report.",
)
@click.option("--change", is_flag=True, help="Attribute the differing rows to the parts of the change instead.")
@click.option(
    "--by",
    type=click.Choice(["file", "hunk", "commit"]),
    help="With --change: the parts; default: files, or the hunks of the only changed file.",
)
@name_option
@frozen_option
@accept_masks_option
@click.option("--no-values", is_flag=True, help="Keep values of rows out of everything that is written and shown.")
@brief_option
@add_common_options
def why(
    call: Call,
    *,
    output: str | None,
    baseline: str | None,
    candidate: str | None,
    expect: ExpectedSide,
    target: Path | None,
    change: bool,
    by: PartKind | None,
    name: str,
    frozen: bool,
    accept_masks: bool,
    no_values: bool,
    brief: bool,
) -> int:
    """Find the fewest units of the sample on which OUTPUT still differs, by running both versions on parts of it.

    Writes these rows as CSV, the rows of both versions, and a test that passes on the baseline and fails on the
    candidate. OUTPUT is the one that differs most by default. [why] in sandbox.toml limits runs and time.

    With --change each part of the change runs alone, and is left out alone, on the whole sample: the rows that differ are
    attributed to the parts.

    Exits 0 if a case was found, 1 if none was found within the limits.
    """
    if by is not None and not change:
        raise click.UsageError("--by goes with --change")
    if change and (output is not None or target is not None):
        raise click.UsageError("--change attributes the rows of all outputs; OUTPUT and --to do not go with it")
    from sandbox.commands.why.smallest_case import WhyOptions  # noqa: PLC0415 - heavy, and --help does not need it
    from sandbox.commands.why.smallest_case import why as run_command  # noqa: PLC0415
    from sandbox.impact.options import DiffOptions, DiffVersions  # noqa: PLC0415
    from sandbox.report.brief import build_brief_attribution, shorten_json  # noqa: PLC0415
    from sandbox.report.terminal.why import render_attribution, render_why  # noqa: PLC0415

    project = call.load_run_project(baseline=baseline, accept_masks=accept_masks)
    options = WhyOptions(
        output=output,
        expect=expect,
        target=target,
        diff=DiffOptions(name=name, frozen=frozen, values=not no_values, accept_rules=True, groups=False),
    )
    if change:
        from sandbox.commands.why.change import why_change  # noqa: PLC0415

        versions = DiffVersions(baseline=baseline, candidate=candidate)
        attributed = why_change(project, versions, by, options.diff, progress=call.progress)
        call.print(
            attributed,
            lambda: render_attribution(attributed.document),
            brief=(lambda: build_brief_attribution(attributed.document, attributed.path)) if brief else None,
        )
        return 0
    result = run_command(project, DiffVersions(baseline=baseline, candidate=candidate), options, progress=call.progress)
    call.print(
        result,
        lambda: render_why(result.output, result.runs, result.witness, result.folder),
        brief=(lambda: shorten_json(result.to_dict())) if brief else None,
    )
    return 0 if result.witness is not None else NOT_FOUND_STATUS
