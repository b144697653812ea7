"""Collect the outputs of a job while its mounts exist."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from sandbox.containers.protocol import Job, Runtime
    from sandbox.model import Sample
    from sandbox.runner.outputs import CollectedOutputs

VIEWS_PROGRAM_FOLDER = "views"


def collect_job_outputs(
    job: Job,
    folder: Path,
    *,
    runtime: Runtime,
    sample: Sample,
    paths: Mapping[str, str],
    csv: Mapping[str, Mapping[str, Any]],
    skipped: Collection[str],
) -> CollectedOutputs:
    """Describe a job's outputs while its mounts exist: views of databases are evaluated with the same mounts.

    Args:
        job: The job.
        folder: The run's folder.
        runtime: The runtime of the job.
        sample: The sample of the run.
        paths: The outputs named by the settings, with their files or folders.
        csv: How the CSV files of outputs are written, by output, as in the settings.
        skipped: Entries of the output folder that are no outputs.

    Raises:
        PipelineError: As `sandbox.runner.outputs.collect_outputs`.
    """
    from sandbox.runner.outputs import collect_outputs  # noqa: PLC0415 - slow to import, and a reused run collects nothing
    from sandbox.runner.view_evaluation import ViewJob  # noqa: PLC0415
    from sandbox.tables.database_tables import SampleFolder  # noqa: PLC0415

    files = {name: len(table.paths) for name, table in sample.tables.items()}
    views = ViewJob(
        runtime=runtime,
        job=job,
        output=folder / "output",
        folder=folder / VIEWS_PROGRAM_FOLDER,
        sample=SampleFolder(path=job.variables["SANDBOX_SAMPLE"], files=files),
    )
    return collect_outputs(folder / "output", paths=paths, csv=csv, skipped=skipped, evaluate_views=views.evaluate)
