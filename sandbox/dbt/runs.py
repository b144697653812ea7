"""Set up runs of dbt projects."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.dbt import programs
from sandbox.dbt.packages import PACKAGES_FOLDER, find_version_packages
from sandbox.dbt.tests import check_state
from sandbox.engine.postgres_service import csv_transfer
from sandbox.manifest.sample import SampleManifest
from sandbox.model import POSTGRES_SERVICE
from sandbox.runner.output_records import DBT_FOLDER
from sandbox.runner.run_setup import RunSetup
from sandbox.samples.catalog import MANIFEST_FILE
from sandbox.store.paths import find_packaged_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.config import Project
    from sandbox.model import Sample
    from sandbox.runner.code.checkout import CodeCheckout
    from sandbox.runner.run import Run, RunRequest
    from sandbox.sources.listing import SourceFile

PROGRAM_FILE = "project.py"
DBT_COMMAND = f'python "$SANDBOX_KIT/{PROGRAM_FILE}"'
MAX_HEADER_BYTES = 2**20


def is_dbt_project(project: Project) -> bool:
    return project.settings.pipeline.kind == "dbt"


def build_dbt_kit(project: Project, code: CodeCheckout, drawn: Sample, memory_bytes: int) -> RunSetup:
    """Build the setup of a run: the program that calls dbt, the version's packages, seeds without rows if they are the source.

    A template's ``run_started_at`` is the time at which the sample was drawn, so that it is equal on both sides of a diff.

    Raises:
        ConfigError: The version's packages are not there.
    """
    packages = find_version_packages(project, code)
    seeds = find_seed_files(project)
    plan = {
        "memory": memory_bytes,
        "seeds": sorted(seeds),
        "postgres": POSTGRES_SERVICE in project.settings.pipeline.inputs,
        "started": SampleManifest.read(drawn.path / MANIFEST_FILE).drawn,
        "environment": sorted(project.settings.pipeline.env),
    }
    if project.settings.pipeline.dialect is not None:
        plan["dialect"] = project.settings.pipeline.dialect
    return RunSetup(
        files=build_program_files(plan),
        stubs={**packages.files, **{path: _read_header(file) for path, file in seeds.values()}},
        cleared=(PACKAGES_FOLDER,) if packages.is_replaced else (),
        links=packages.links,
        kept_folders=(DBT_FOLDER,),
    )


def build_program_files(plan: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the files of the program that calls dbt."""
    sources = sorted((find_packaged_folder("images") / "dbt").glob("*.py"))
    shared = sorted(path for path in Path(programs.__file__).parent.glob("*.py") if path.name != "__init__.py")
    return {
        **{source.name: source.read_bytes() for source in [*sources, *shared, Path(csv_transfer.__file__)]},
        "plan.json": json.dumps(plan, sort_keys=True).encode(),
    }


def find_seed_files(project: Project) -> dict[str, tuple[str, SourceFile]]:
    """Return, by table, the path in the code and the file of every seed in the source.

    A run reads the sample instead, so the code has these seeds without rows.
    """
    uri, root = project.settings.source.uri, project.root.resolve()
    if "://" in uri or not (root / uri).resolve().is_relative_to(root):
        return {}
    from sandbox.sources.discover import list_source  # noqa: PLC0415 - slow to import, and only dbt projects need it
    from sandbox.sources.registry import ADAPTERS  # noqa: PLC0415

    seeds = {}
    for name, (form, files) in list_source(uri, base=project.root).files.items():
        path = Path(files[0].path).resolve()
        if (
            ADAPTERS[form].has_header_line
            and len(files) == 1
            and name in project.settings.tables
            and path.is_relative_to(root)
        ):
            seeds[name] = path.relative_to(root).as_posix(), files[0]
    return seeds


def defer_to_baseline(project: Project, candidate: RunRequest, baseline: Run) -> RunRequest:
    """Let the candidate take over the nodes with outputs that are proven equal to the baseline's.

    It is built whole if the settings ask for it, if environment or sample differ, or if the code is the same.

    Raises:
        StoreError: The record of the baseline's build is incomplete.
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
    check_state(baseline)
    state = dataclasses.replace(candidate.setup, state=baseline.output_folder, state_run_id=record.id)
    return dataclasses.replace(candidate, setup=state)


def _read_header(file: SourceFile) -> bytes:
    with file.open_decompressed() as stream:
        return stream.readline(MAX_HEADER_BYTES).rstrip(b"\r\n") + b"\n"
