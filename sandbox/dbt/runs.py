"""dbt projects: what their runs are given."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.engine.postgres_service import csv_transfer
from sandbox.model import POSTGRES
from sandbox.runner.run_setup import Kit
from sandbox.store.paths import packaged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.config import Project
    from sandbox.runner.run import Request, Run
    from sandbox.sources.listing import SourceFile

PROGRAM = "project.py"
COMMAND = f'python "$SANDBOX_KIT/{PROGRAM}"'
HEADER_BYTES = 2**20


def is_dbt(project: Project) -> bool:
    """Say whether the pipeline is a dbt project."""
    return project.settings.pipeline.kind == "dbt"


def kit(project: Project, memory_bytes: int) -> Kit:
    """Give what a run of the project is given: the program that calls dbt, and seeds without rows where they are the source.

    Args:
        project: The project.
        memory_bytes: What a run may use at first.
    """
    seeds = seed_files(project)
    plan = {
        "memory": memory_bytes,
        "seeds": sorted(seeds),
        "postgres": POSTGRES in project.settings.pipeline.inputs,
    }
    return Kit(
        files=program(plan),
        stubs={path: _header(file) for path, file in seeds.values()},
    )


def program(plan: Mapping[str, Any]) -> dict[str, bytes]:
    """Give the files of the program that calls dbt."""
    sources = sorted((packaged("images") / "dbt").glob("*.py"))
    return {
        **{source.name: source.read_bytes() for source in [*sources, Path(csv_transfer.__file__)]},
        "plan.json": json.dumps(plan, sort_keys=True).encode(),
    }


def seed_files(project: Project) -> dict[str, tuple[str, SourceFile]]:
    """Give, for each table that is a CSV file of the code, its path there and the file: seeds that are the source.

    A run reads the sample in their place, so the code has them without their rows.
    """
    uri, root = project.settings.source.uri, project.root.resolve()
    if "://" in uri or not (root / uri).resolve().is_relative_to(root):
        return {}
    from sandbox.sources.discover import listed  # noqa: PLC0415 - heavy, and only projects of dbt need it

    found = {}
    for name, (form, files) in listed(uri, base=project.root).files.items():
        path = Path(files[0].path).resolve()
        if (
            form == "csv"
            and len(files) == 1
            and name in project.settings.tables
            and path.is_relative_to(root)
        ):
            found[name] = path.relative_to(root).as_posix(), files[0]
    return found


def deferring(project: Project, candidate: Request, baseline: Run) -> Request:
    """Let the candidate build only what differs from the baseline and what depends on that, and take over the rest.

    Where the settings ask for all of it, or the two do not stand on the same ground, it is built whole.
    """
    if not is_dbt(project) or project.settings.pipeline.build == "all" or candidate.kit is None:
        return candidate
    record = baseline.record
    same = (
        record.environment.id == candidate.environment.id
        and record.sample == candidate.sample.fingerprint
        and record.code.tree != candidate.code.version.tree
    )
    if not same:
        return candidate
    state = dataclasses.replace(candidate.kit, state=baseline.output, since=record.id)
    return dataclasses.replace(candidate, kit=state)


def _header(file: SourceFile) -> bytes:
    with file.unpacked() as stream:
        return stream.readline(HEADER_BYTES).rstrip(b"\r\n") + b"\n"
