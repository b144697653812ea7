"""``sandbox test``."""

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
