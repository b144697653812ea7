"""``sandbox run`` and ``sandbox diff``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from sandbox.compare.rows.row_files import RowFileFormat, RowFileOptions
    from sandbox.impact.options import DiffOptions
    from sandbox.report.files import DiffResult

GATE_FAILURE_STATUS = 1


@click.command()
@click.argument("ref", required=False, shell_complete=shell_completion.complete_refs)
@name_option
@frozen_option
@click.option("--fresh", is_flag=True, help="Run it again although it ran before.")
@accept_masks_option
@add_common_options
def run(call: Call, *, ref: str | None, name: str, frozen: bool, fresh: bool, accept_masks: bool) -> None:
    """Run one version of the code (a git REF, or the working tree) on the sample in the stack."""
    from sandbox.project.pipeline_run import run as run_command  # noqa: PLC0415 - heavy, and --help does not need it
    from sandbox.report.terminal.run import render_run  # noqa: PLC0415

    project = call.load_run_project(accept_masks=accept_masks)
    result = run_command(project, ref=ref, name=name, fresh=fresh, frozen=frozen, progress=call.progress)
    call.print(result, lambda: render_run(result.run))


@click.command()
@click.argument("tables", nargs=-1, metavar="[TABLE TABLE]")
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
    "--baseline-output",
    "outputs",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Compare with outputs that production really made: a folder, or a .duckdb file.",
)
@click.option(
    "--stack",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Compare two stacks instead of two versions: a file with a [stack] table for the candidate.",
)
@click.option("--bisect", is_flag=True, help="For `git bisect run`: judge the commit that is checked out.")
@click.option("--key", multiple=True, metavar="COLUMN", help="With two tables: a key column; may be repeated.")
@click.option(
    "--rules",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With two tables: a file with an [output] table: key, tolerance, ignore, rename, gate.",
)
@click.option(
    "--report",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With two tables: write the report to this HTML file.",
)
@click.option(
    "--rows",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write all differing rows to this folder: OUTPUT/added, removed and changed.",
)
@click.option(
    "--format",
    "row_format",
    type=click.Choice(["parquet", "csv"]),
    help="With --rows: the format of the files; default: parquet.",
)
@name_option
@frozen_option
@click.option("--fresh", is_flag=True, help="Run everything again although it ran before.")
@click.option(
    "--certify",
    is_flag=True,
    help="With --baseline-output, and dialect in [pipeline]: certify models that make what production made.",
)
@click.option(
    "--groups/--no-groups",
    default=None,
    help="Run random groups of units for outputs by day or country; default: if that takes less than a minute.",
)
@click.option(
    "--accept-rules",
    is_flag=True,
    help="Accept that the change also changes the rules that judge it, listed in the report.",
)
@accept_masks_option
@click.option("--no-values", is_flag=True, help="Keep values of rows out of everything that is written and shown.")
@brief_option
@add_common_options
def diff(
    call: Call,
    *,
    tables: tuple[str, ...],
    baseline: str | None,
    candidate: str | None,
    outputs: Path | None,
    stack: Path | None,
    bisect: bool,
    key: tuple[str, ...],
    rules: Path | None,
    report: Path | None,
    rows: Path | None,
    row_format: RowFileFormat | None,
    name: str,
    frozen: bool,
    fresh: bool,
    certify: bool,
    groups: bool | None,
    accept_rules: bool,
    accept_masks: bool,
    no_values: bool,
    brief: bool,
) -> int:
    """Run production's code and the changed code on the sample, and compare what they make.

    With two tables (Parquet, CSV, JSON Lines, or file.duckdb:table), compare these, baseline first; --rules and --report
    then stand for what a project has.

    Exits 0 within the gate, 1 outside, 10 and up if it could not be judged. With --bisect: 125 if this commit cannot
    be judged, 128 if none can.
    """
    from sandbox.impact.options import DiffOptions, DiffVersions  # noqa: PLC0415 - see `run`
    from sandbox.report.brief import build_brief_diff  # noqa: PLC0415
    from sandbox.report.terminal.diff import render_diff  # noqa: PLC0415

    versions = {
        "--baseline": baseline,
        "--candidate": candidate,
        "--baseline-output": outputs,
        "--stack": stack,
    }
    row_files = _build_row_options(rows, row_format, no_values=no_values, bisect=bisect)
    version_flags = {flag for flag, value in versions.items() if value is not None}
    if tables:
        flags = {"--bisect": bisect, "--fresh": fresh, "--frozen": frozen, "--name": name != DEFAULT_NAME}
        flags |= {"--groups": groups is not None, "--certify": certify}
        flags |= {"--accept-rules": accept_rules, "--accept-masks": accept_masks}
        flags |= {"--config": call.config is not None, "--runtime": call.runtime is not None}
        _check_tables(tables, version_flags, flags)
    else:
        _check_project(version_flags, {"--key": key, "--rules": rules, "--report": report}, bisect=bisect)
    if certify and (outputs is None or bisect):
        raise click.UsageError("--certify compares with what production made: it goes with --baseline-output PATH")
    options = DiffOptions(
        name=name,
        fresh=fresh,
        certify=certify,
        frozen=frozen,
        values=not no_values,
        accept_rules=accept_rules or bisect,
        rows=row_files,
        groups=groups,
    )
    result: DiffResult
    if tables:
        from sandbox.commands.table_diff import TableDiffOptions, diff_tables  # noqa: PLC0415 - see `run`

        before, after = tables
        terms = TableDiffOptions(key=key, rules=rules, report=report, rows=row_files)
        result = diff_tables(before, after, terms, values=options.values, progress=call.progress)
    elif bisect:
        once = dataclasses.replace(options, persistent=False)
        result = _run_bisect(call, str(baseline), once, accept_masks=accept_masks)
    else:
        from sandbox.commands.diff import diff as run_command  # noqa: PLC0415 - see `run`

        chosen = DiffVersions(baseline=baseline, candidate=candidate, outputs=outputs, stack=stack)
        project = call.load_run_project(baseline=baseline, accept_masks=accept_masks)
        result = run_command(project, chosen, options, progress=call.progress)
    call.print(
        result,
        lambda: render_diff(result.document),
        brief=(lambda: build_brief_diff(result.document, result.folder)) if brief else None,
    )
    if rows is not None:
        call.progress.print_message(f"differing rows: {rows}")
    return GATE_FAILURE_STATUS if result.verdict == "outside_gate" else 0


def _build_row_options(
    folder: Path | None, row_format: RowFileFormat | None, *, no_values: bool, bisect: bool
) -> RowFileOptions | None:
    """Build the options of ``--rows``, and refuse flags that contradict it."""
    if folder is None:
        if row_format is not None:
            raise click.UsageError("--format goes with --rows DIR")
        return None
    if no_values:
        raise click.UsageError("--rows writes values of rows, and --no-values keeps them out of everything; keep one")
    if bisect:
        raise click.UsageError("--rows does not go with --bisect; compare the two commits alone")
    from sandbox.compare.rows.row_files import RowFileOptions  # noqa: PLC0415 - see `run`

    return RowFileOptions(folder=folder, format=row_format or "parquet")


def _check_tables(tables: tuple[str, ...], version_flags: set[str], flags: dict[str, bool]) -> None:
    """Refuse flags that have no effect on two tables, and would silently change the verdict."""
    if len(tables) != len(("baseline", "candidate")):
        raise click.UsageError("name two tables, baseline first, or none to compare two versions of the code")
    if wrong := sorted(version_flags | {flag for flag, value in flags.items() if value}):
        raise click.UsageError(f"{', '.join(wrong)}: goes with a project, not with two tables")


def _check_project(version_flags: set[str], of_tables: dict[str, object], *, bisect: bool) -> None:
    """Refuse conflicting flags in a project (see `_check_tables`)."""
    if wrong := [flag for flag, value in of_tables.items() if value]:
        raise click.UsageError(
            f"{', '.join(wrong)}: goes with two tables; a project's file says it in [outputs.NAME], "
            "and its reports are found with: sandbox report"
        )
    if {"--baseline", "--baseline-output"} <= version_flags:
        raise click.UsageError("--baseline and --baseline-output exclude each other; keep one")
    if "--stack" in version_flags and version_flags - {"--stack", "--candidate"}:
        raise click.UsageError(
            "--stack compares one version of the code on two stacks; say which with --candidate, or leave it out"
        )
    if bisect and version_flags != {"--baseline"}:
        raise click.UsageError(
            "--bisect compares the commit that is checked out with one that stays the same: it goes with --baseline REF, "
            "and with none of --candidate, --baseline-output and --stack"
        )


def _run_bisect(call: Call, baseline: str, options: DiffOptions, *, accept_masks: bool) -> DiffResult:
    from sandbox.commands.bisect import bisect  # noqa: PLC0415 - see `run`

    return bisect(
        lambda: call.load_run_project(baseline=baseline, accept_masks=accept_masks),
        baseline=baseline,
        start=Path.cwd(),
        has_config_flag=call.config is not None,
        options=options,
        progress=call.progress,
    )
