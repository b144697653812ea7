"""Collect the outputs of a job while its mounts exist, with a reader opened during the job."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import TYPE_CHECKING

from sandbox.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path

    from sandbox.containers.protocol import Job, Runtime
    from sandbox.engine.duckdb.session import Session
    from sandbox.model import Sample
    from sandbox.runner.outputs import CollectedOutputs

VIEWS_PROGRAM_FOLDER = "views"
READER_DELAY_SECONDS = 0.05  # approximate time to request a job


@contextlib.contextmanager
def open_reader() -> Iterator[Callable[[], Session]]:
    """Open the reader of outputs in a thread while the job runs; yield a function that waits for it."""
    going = threading.Event()

    def open_after_start() -> Session:
        going.wait(READER_DELAY_SECONDS)  # this process is busy until the job begins
        session: Session = import_module("sandbox.runner.outputs").open_session()
        return session

    with ThreadPoolExecutor(1) as pool:
        session = pool.submit(open_after_start)
        try:
            yield session.result
        finally:
            going.set()
            with contextlib.suppress(SandboxError):
                session.result().close()


def collect_job_outputs(
    job: Job,
    folder: Path,
    *,
    runtime: Runtime,
    session: Session,
    sample: Sample,
    paths: Mapping[str, str],
    skipped: Collection[str],
) -> CollectedOutputs:
    """Describe a job's outputs while its mounts exist: views of databases are evaluated with the same mounts.

    Args:
        job: The job.
        folder: The run's folder.
        runtime: The runtime of the job.
        session: The query engine, closed at the end.
        sample: The sample of the run.
        paths: The outputs named by the settings, with their files or folders.
        skipped: Entries of the output folder that are no outputs.

    Raises:
        PipelineError: As `sandbox.runner.outputs.collect_outputs`.
    """
    from sandbox.runner.outputs import collect_outputs  # noqa: PLC0415 - see `open_reader`
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
    return collect_outputs(
        folder / "output", paths=paths, session=session, skipped=skipped, evaluate_views=views.evaluate
    )
