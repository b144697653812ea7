"""Evaluate the views of a run's databases in a second job with the isolation of the run."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.containers.protocol import Mount
from sandbox.errors import SandboxError
from sandbox.runner import programs
from sandbox.tables.database_tables import SampleFolder, ViewEvaluation, list_views
from sandbox.tables.file_formats import find_database_format

if TYPE_CHECKING:
    from sandbox.containers.protocol import Job, Runtime
    from sandbox.engine.duckdb.session import Session

PROGRAM = "views.py"
PLAN_FILE = "views.json"
PROGRAM_MOUNT = "/sandbox/views_program"
ROWS_MOUNT = "/sandbox/views"


@dataclass(frozen=True, kw_only=True)
class ViewJob:
    """Evaluates views in the environment of the job that left them.

    Attributes:
        runtime: The runtime of the evaluation.
        job: The job that left the views.
        output: The folder of the job's outputs.
        folder: An empty folder for the program.
        sample: The sample as seen by the job.
    """

    runtime: Runtime
    job: Job
    output: Path
    folder: Path
    sample: SampleFolder

    def evaluate(self, session: Session, databases: list[Path], rows: Path) -> ViewEvaluation:
        """Write the rows of databases' views into a folder; without views nothing is run."""
        evaluation = ViewEvaluation(folder=rows, root=self.output, sample=self.sample)
        plan = [entry for path in databases if (entry := _plan_database(session, path, evaluation)) is not None]
        if not plan:
            return evaluation
        rows.mkdir()
        self.folder.mkdir()
        (self.folder / PROGRAM).write_bytes(Path(programs.__file__).with_name(PROGRAM).read_bytes())
        (self.folder / PLAN_FILE).write_text(json.dumps(plan), "utf-8")
        program = Mount(source=self.folder, target=PROGRAM_MOUNT)
        target = Mount(source=rows, target=ROWS_MOUNT, writable=True)
        mounts = tuple(dataclasses.replace(mount, writable=False) for mount in self.job.mounts)
        job = dataclasses.replace(
            self.job,
            name=f"{self.job.name}-views",
            command=f'python "$SANDBOX_VIEWS_PROGRAM/{PROGRAM}"',
            workdir=dataclasses.replace(self.job.workdir, writable=False),
            mounts=(*mounts, program, target),
            variables={
                **self.job.variables,
                "SANDBOX_VIEWS": self.runtime.resolve_mount_path(target),
                "SANDBOX_VIEWS_PROGRAM": self.runtime.resolve_mount_path(program),
            },
        )
        self.runtime.run(job, stdout=_discard, stderr=_discard)
        return evaluation


def _plan_database(session: Session, path: Path, evaluation: ViewEvaluation) -> dict[str, object] | None:
    try:
        known = list_views(session, path)
    except SandboxError:  # the error is reported later with the file, which is then no output
        return None
    views = [[view.schema, view.name] for view, sql in known if not evaluation.sample.is_shown_by(view.name, sql)]
    if not views:
        return None
    return {
        "database": path.relative_to(evaluation.root).as_posix(),
        "format": find_database_format(path),
        "rows": evaluation.locate_rows(path).name,
        "views": views,
    }


def _discard(data: bytes) -> None:
    del data
