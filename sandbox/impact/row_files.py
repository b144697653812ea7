"""Write the differing rows of a diff's outputs to a folder: ``sandbox diff --rows``."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
from typing import TYPE_CHECKING

from sandbox.compare import OutputRules
from sandbox.errors import UsageError
from sandbox.impact.compare_outputs import build_comparison_options, compare_tables
from sandbox.impact.noise.detection import OutputNoise, add_noise_to_rules
from sandbox.runner.output_records import list_output_tables
from sandbox.store.folder import make_staging_folder, publish_folder, restrict_access, translate_os_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sandbox.compare.rows.row_files import RowFileOptions
    from sandbox.impact.compare_outputs import ComparisonOptions
    from sandbox.impact.document import DiffFindings
    from sandbox.impact.sides import SideContext
    from sandbox.manifest.diff import OutputDiff
    from sandbox.model import Progress, TableFiles

INDEX_FILE = "rows.json"


def check_rows_folder(folder: Path) -> None:
    """Check that a folder may be written: absent, empty, or written by an earlier diff.

    Raises:
        UsageError: It holds other files.
    """
    if not folder.exists() and not folder.is_symlink():
        return
    if folder.is_dir() and ((folder / INDEX_FILE).is_file() or not any(folder.iterdir())):
        return
    raise UsageError(f"--rows: {folder} holds other files", hint="name a folder that is empty or does not exist yet")


def write_row_files(
    baseline: Mapping[str, TableFiles],
    candidate: Mapping[str, TableFiles],
    outputs: Mapping[str, OutputDiff],
    terms: ComparisonOptions,
    request: RowFileOptions,
    *,
    progress: Progress,
) -> None:
    """Write the rows of all outputs that differ, comparing these once more with the rules and the noise found.

    Args:
        baseline: The baseline's tables, by output.
        candidate: The candidate's tables, by output.
        outputs: The results of the comparison.
        terms: The options of that comparison.
        request: The folder and format.
        progress: Shows one step for each output.

    Raises:
        UsageError: The rows are not those of the results: the rules have changed since.
        StoreError: The folder cannot be written.
    """
    differing = [name for name, output in outputs.items() if output.rows.different]
    rules = {name: _build_rules(terms.rules.get(name, OutputRules()), outputs[name]) for name in differing}
    with stage_rows_folder(request) as staged:
        written = compare_tables(
            {name: baseline[name] for name in differing if name in baseline},
            {name: candidate[name] for name in differing if name in candidate},
            dataclasses.replace(terms, rules=rules, draws=None, details=False, row_files=staged),
            progress=progress,
        )
        for name, output in written.items():
            check_row_counts(name, outputs[name], output)
        write_index(staged, written)


def write_rows_of_runs(
    ground: SideContext, findings: DiffFindings, request: RowFileOptions, *, progress: Progress
) -> None:
    """Write the rows of all outputs that differ between two runs (see `write_row_files`)."""
    assert findings.baseline_run is not None
    baseline, candidate = (
        list_output_tables(run.output_folder, run.record.outputs)
        for run in (findings.baseline_run, findings.candidate_run)
    )
    terms = build_comparison_options(ground.project, ground.sample.manifest)
    write_row_files(baseline, candidate, findings.outputs, terms, request, progress=progress)


@contextlib.contextmanager
def stage_rows_folder(request: RowFileOptions) -> Iterator[RowFileOptions]:
    """Yield the options with an empty folder; it takes the place of the requested one if the block succeeds."""
    check_rows_folder(request.folder)
    with make_staging_folder(request.folder.absolute().parent, label="rows") as folder:
        yield dataclasses.replace(request, folder=folder)
        restrict_access(folder)
        with translate_os_errors(request.folder):
            if request.folder.exists():
                shutil.rmtree(request.folder)
        publish_folder(folder, request.folder)


def write_index(request: RowFileOptions, outputs: Mapping[str, OutputDiff]) -> None:
    """Write ``rows.json``: the number of rows in each file, by output."""
    index = {
        "format_version": 1,
        "format": request.format,
        "outputs": {
            name: {
                "added": output.rows.added,
                "removed": output.rows.removed,
                "changed": output.rows.changed,
            }
            for name, output in outputs.items()
        },
    }
    (request.folder / INDEX_FILE).write_text(json.dumps(index, ensure_ascii=False, indent=1) + "\n", "utf-8")


def check_row_counts(name: str, expected: OutputDiff, written: OutputDiff) -> None:
    """Check that as many rows were written as the diff counted.

    Raises:
        UsageError: Other rules apply now.
    """
    counts = [(rows.added, rows.removed, rows.changed) for rows in (expected.rows, written.rows)]
    if counts[0] != counts[1]:
        raise UsageError(
            f"{name}: {counts[0]} rows were added, removed and changed in the diff, and {counts[1]} by the present rules",
            hint="compare again: sandbox diff",
        )


def _build_rules(rules: OutputRules, output: OutputDiff) -> OutputRules:
    noise = OutputNoise(columns=frozenset(output.tainted), rounding=output.noise_tolerances)
    return add_noise_to_rules(rules, noise)
