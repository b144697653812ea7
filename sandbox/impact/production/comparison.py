"""Run the candidate on the sample, and compare its outputs with production's real outputs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from sandbox.dbt import failures, runs
from sandbox.impact.artifacts import SideContents
from sandbox.impact.compare_outputs import (
    build_comparison_options,
    check_csv_settings,
    check_declared_outputs,
    compare_tables,
    run_data_tests,
)
from sandbox.impact.document import DiffFindings, describe_plain_side, describe_run_side
from sandbox.impact.production import baseline as production_baseline
from sandbox.impact.production.certification import certify_models, check_dialect
from sandbox.impact.row_files import write_row_files
from sandbox.impact.sides import add_side_to_errors, open_side
from sandbox.runner.output_records import list_output_tables
from sandbox.store.folder import make_staging_folder

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.compare.rows.row_files import RowFileOptions
    from sandbox.impact.sides import SideContext
    from sandbox.model import Progress


def compare_with_production(
    ground: SideContext,
    path: Path,
    *,
    candidate_ref: str | None,
    certify: bool = False,
    fresh: bool,
    rows: RowFileOptions | None = None,
    progress: Progress,
) -> DiffFindings:
    """Run the candidate, and compare its outputs with production's real outputs.

    Args:
        ground: The context of the candidate.
        path: The path of production's outputs.
        candidate_ref: The candidate's git ref; None is the working tree.
        certify: Whether to certify the models with production's rows.
        fresh: Whether to ignore earlier runs.
        rows: The target of all differing rows; None writes none.
        progress: Shows the steps.
    """
    project, sample_ = ground.project, ground.sample
    if certify:
        check_dialect(project, candidate_ref)
    terms = build_comparison_options(project, sample_.manifest)
    paths = {name: output.path for name, output in project.settings.outputs.items() if output.path}
    with add_side_to_errors("baseline"):
        opened = production_baseline.open_outputs(path, paths=paths, csv=project.settings.output_csv)
    is_translated = project.settings.pipeline.dialect is not None
    tables = {name.lower() if is_translated else name: table.files for name, table in opened.tables.items()}
    with open_side("candidate", ground, candidate_ref, progress=progress) as candidate:
        run = candidate.run(fresh=fresh, progress=progress)
    failed = failures.list_failed_nodes(None, run, production=tables) if runs.is_dbt_project(project) else []
    check_declared_outputs(project, {*tables, *run.record.outputs, *(entry.name for entry in failed)})
    check_csv_settings(project, tables, list_output_tables(run.output_folder, run.record.outputs))
    tables = {name: table for name, table in tables.items() if name not in {entry.output for entry in failed}}
    with make_staging_folder(project.state_folder, label="production") as folder:
        with add_side_to_errors("baseline"):
            production = production_baseline.restrict_outputs(
                tables,
                sample=sample_.sample,
                manifest=sample_.manifest,
                rules=terms.rules,
                folder=folder,
                fold_case=is_translated,
                progress=progress,
            )
        ours = list_output_tables(run.output_folder, run.record.outputs)
        judged = {name: table for name, table in ours.items() if name not in production.exclusions}
        rules = production_baseline.add_rounding_tolerances(terms.rules, production.tables)
        terms = dataclasses.replace(terms, rules=rules)
        outputs = compare_tables(production.tables, judged, terms, progress=progress)
        if rows is not None:
            write_row_files(production.tables, judged, outputs, terms, rows, progress=progress)
        tests = run_data_tests(project, production.tables, ours, sample_.sample, progress=progress)
    contents = (
        production_baseline.describe_contents(opened, path, complete=production_baseline.is_complete(sample_.manifest)),
        SideContents.from_run(run),
    )
    warnings = [*production.warnings, production_baseline.ROUNDING_WARNING]
    if certify:
        warnings.append(certify_models(project, run, outputs))
    artifacts, left_out = production_baseline.compare_artifacts_of_sample(*contents)
    return DiffFindings(
        baseline=describe_plain_side(str(path.absolute())).model_copy(update={"made": production.descriptions}),
        candidate=describe_run_side(run),
        baseline_run=None,
        candidate_run=run,
        outputs=outputs,
        tests=tests,
        artifacts=artifacts,
        not_compared=[*failed, *production_baseline.list_exclusions(production), *left_out],
        warnings=warnings,
    )
