"""``sandbox test`` and ``sandbox score``."""

from __future__ import annotations

from pathlib import Path

import click

from sandbox.cli.options import Call, add_common_options
from sandbox.errors import PipelineError

BROKEN_STATUS = 1


@click.command()
@click.option(
    "--production",
    "place",
    metavar="[PLACE]",
    is_flag=False,
    flag_value="",
    help="Ask production's own outputs: a folder, bucket, database file or database; default: [production] outputs.",
)
@click.option(
    "--dbt-results",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Take the results of a dbt project's own tests from dbt's target folder.",
)
@add_common_options
def test(call: Call, *, place: str | None, dbt_results: Path | None) -> int:
    """Ask the data tests and declared keys, ranges, references and NULL rules of production's outputs.

    Nothing is written there. Exits 0 if all hold, 1 if some break, 10 and up if they could not be judged.
    """
    from sandbox.commands.production.data_tests import (  # noqa: PLC0415 - heavy, and --help does not need it
        test_production,
    )
    from sandbox.report.terminal.production import render_production_tests  # noqa: PLC0415

    if place is None and dbt_results is None:
        raise click.UsageError("say what is tested: --production; a change is tested by sandbox diff")
    result = test_production(call.load_run_project(), place, dbt_results=dbt_results, progress=call.progress)
    call.print(result, lambda: render_production_tests(result.document, result.folder))
    return {"held": 0, "broken": BROKEN_STATUS, "not_judged": PipelineError.status}[result.document.verdict]


@click.command()
@click.option("--before", metavar="PLACE", help="Production's outputs before the deployment.")
@click.option("--after", metavar="PLACE", help="Its outputs after it; default: [production] outputs.")
@click.option(
    "--before-version", type=int, metavar="N", help="Version of the Delta, or snapshot of the Iceberg tables."
)
@click.option("--after-version", type=int, metavar="N", help="The same after the deployment; default: the newest.")
@click.option(
    "--record",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="The promotion record; default: the newest.",
)
@click.option("--list", "listed", is_flag=True, help="List all scores, and how often predictions held the truth.")
@add_common_options
def score(
    call: Call,
    *,
    before: str | None,
    after: str | None,
    before_version: int | None,
    after_version: int | None,
    record: Path | None,
    listed: bool,
) -> None:
    """Compare what a promotion record predicted (rows, units, totals) with what production then did.

    Outputs are compared whole, before and after. The score is appended to .sandbox/scores.jsonl.
    """
    from sandbox.commands.production import scores as command  # noqa: PLC0415 - heavy, and --help does not need it
    from sandbox.report.terminal.production import render_score, render_scores  # noqa: PLC0415

    project = call.load_run_project()
    if listed:
        if before or after or record or before_version is not None or after_version is not None:
            raise click.UsageError("--list compares nothing; leave the other options out")
        listing = command.list_scores(project)
        call.print(listing, lambda: render_scores(listing.scores, listing.calibration))
        return
    place = after or project.settings.production.outputs
    if place is None or (before is None and before_version is None):
        raise click.UsageError("name production's outputs before and after: --before PLACE --after PLACE")
    result = command.score(
        project,
        command.OutputState(place=before or place, version=before_version),
        command.OutputState(place=place, version=after_version),
        record=record,
        progress=call.progress,
    )
    call.print(result, lambda: render_score(result))
