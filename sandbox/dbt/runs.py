"""dbt projects: what their runs are given."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.engine.postgres_service import csv_transfer
from sandbox.model import POSTGRES_SERVICE
from sandbox.runner.run_setup import RunSetup
from sandbox.store.paths import find_packaged_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.config import Project
    from sandbox.runner.run import Run, RunRequest
    from sandbox.sources.listing import SourceFile

PROGRAM_FILE = "project.py"
DBT_COMMAND = f'python "$SANDBOX_KIT/{PROGRAM_FILE}"'
MAX_HEADER_BYTES = 2**20


def is_dbt_project(project: Project) -> bool:
    """Say whether the pipeline is a dbt project."""
    return project.settings.pipeline.kind == "dbt"


def build_dbt_kit(project: Project, memory_bytes: int) -> RunSetup:
    """Give what a run of the project is given: the program that calls dbt, and seeds without rows where they are the source.

    Args:
        project: The project.
        memory_bytes: What a run may use at first.
    """
    seeds = find_seed_files(project)
    plan = {
        "memory": memory_bytes,
        "seeds": sorted(seeds),
        "postgres": POSTGRES_SERVICE in project.settings.pipeline.inputs,
    }
    return RunSetup(
        files=build_program_files(plan),
        stubs={path: _read_header(file) for path, file in seeds.values()},
    )


def build_program_files(plan: Mapping[str, Any]) -> dict[str, bytes]:
    """Give the files of the program that calls dbt."""
    sources = sorted((find_packaged_folder("images") / "dbt").glob("*.py"))
    return {
        **{source.name: source.read_bytes() for source in [*sources, Path(csv_transfer.__file__)]},
        "plan.json": json.dumps(plan, sort_keys=True).encode(),
    }


def find_seed_files(project: Project) -> dict[str, tuple[str, SourceFile]]:
    """Give, for each table that is a CSV file of the code, its path there and the file: seeds that are the source.

    A run reads the sample in their place, so the code has them without their rows.
    """
    uri, root = project.settings.source.uri, project.root.resolve()
    if "://" in uri or not (root / uri).resolve().is_relative_to(root):
        return {}
    from sandbox.sources.discover import list_source  # noqa: PLC0415 - heavy, and only projects of dbt need it

    found = {}
    for name, (form, files) in list_source(uri, base=project.root).files.items():
        path = Path(files[0].path).resolve()
        if form == "csv" and len(files) == 1 and name in project.settings.tables and path.is_relative_to(root):
            found[name] = path.relative_to(root).as_posix(), files[0]
    return found


def defer_to_baseline(project: Project, candidate: RunRequest, baseline: Run) -> RunRequest:
    """Let the candidate build only what differs from the baseline and what depends on that, and take over the rest.

    Where the settings ask for all of it, or the two do not stand on the same ground, it is built whole.
    """
    if not is_dbt_project(project) or project.settings.pipeline.build == "all" or candidate.setup is None:
        return candidate
    record = baseline.record
    same = (
        record.environment.id == candidate.environment.id
        and record.sample == candidate.sample.fingerprint
        and record.code.tree != candidate.code.version.tree
    )
    if not same:
        return candidate
    state = dataclasses.replace(candidate.setup, state=baseline.output_folder, state_run_id=record.id)
    return dataclasses.replace(candidate, setup=state)


def _read_header(file: SourceFile) -> bytes:
    with file.open_decompressed() as stream:
        return stream.readline(MAX_HEADER_BYTES).rstrip(b"\r\n") + b"\n"
