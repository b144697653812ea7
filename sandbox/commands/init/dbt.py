"""``sandbox init`` in a dbt project: use dbt's manifest, with the project's sources or seeds as the source."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox import provisioner
from sandbox.commands.init.init import SettingsResult, format_source_uri, inspect_surroundings, write_settings
from sandbox.commands.init.size_stratum import add_size_stratum
from sandbox.config.sections.stack import StackSection
from sandbox.containers.protocol import Job, Mount
from sandbox.containers.runtime_choice import choose_runtime
from sandbox.dbt import runs
from sandbox.dbt.manifest import DbtProject, find_common_folder, parse_manifest
from sandbox.errors import ConfigError, PipelineError
from sandbox.model import POSTGRES_SERVICE, ResourceLimits, RunOutcome
from sandbox.report.settings_file import DbtLines, OutputLines
from sandbox.scratch import make_scratch_folder
from sandbox.sources.discover import list_source
from sandbox.store.paths import find_home_folder
from sandbox.suggest import Proposal, build_proposal
from sandbox.suggest.naming import GENERIC_KEY_NAMES, list_entity_names, normalize_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from sandbox.model import Progress
    from sandbox.sources.listing import SourceListing
    from sandbox.sources.table import DeclaredConstraints

PACKAGE_FILES = ("packages.yml", "dependencies.yml")
PACKAGES_FOLDER = "dbt_packages"
PARSE_LIMITS = ResourceLimits(cpus=2, memory_bytes=2 * 10**9, timeout_seconds=600)


def init_dbt(
    uri: str | None, file: Path, *, runtime: Literal["docker", "local", "auto"], progress: Progress
) -> SettingsResult:
    """Read a dbt project and its source, and write a proposed ``sandbox.toml``.

    Raises:
        PipelineError: dbt cannot read the project; quotes its output.
        ConfigError: The project has no models, or no known source.
        SourceError: The source cannot be read.
    """
    folder = file.parent
    manifest, beside = _parse_project(folder, runtime=runtime, progress=progress)
    project = parse_manifest(manifest)
    if not project.models:
        raise ConfigError(f"the dbt project {project.name} has no models", hint="add one, then: sandbox init")
    foreign = [name for name in beside["adapters"] if name not in {"duckdb", POSTGRES_SERVICE}]
    if foreign:
        progress.print_message(
            f"the project's profile names {', '.join(foreign)}; models run on "
            f"{'Postgres' if beside['adapter'] == POSTGRES_SERVICE else 'DuckDB'}, see DBT_TARGET in {file.name}"
        )
    uri = format_source_uri(uri, folder) if uri else _find_source_uri(project, beside, folder)
    listing = list_source(uri, base=folder)
    tables = _match_source_tables(project, listing)
    proposal = build_proposal(
        uri,
        base=folder,
        only=tables.values(),
        declared=_map_declared_constraints(project, tables),
        progress=progress,
    )
    proposal = add_size_stratum(proposal, progress)
    return write_settings(proposal, file, _build_surroundings(project, proposal, tables, beside, folder))


def _parse_project(
    folder: Path, *, runtime: Literal["docker", "local", "auto"], progress: Progress
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run ``dbt parse`` in its image and return the manifest and the project's other facts (see ``images/dbt``)."""
    runner, warning = choose_runtime(runtime)
    if warning:
        progress.print_message(warning)
    assert runner.name != "fake"
    request = provisioner.build_request(StackSection(image="dbt"), lambda _: b"")
    lock = provisioner.resolve_lock(request, previous=None, upgrade=False, progress=progress, runtime=runner.name)
    environment = provisioner.ensure_environment(
        request, lock, runner.name, home=find_home_folder(), progress=progress, frozen=False
    )
    output_lines: list[bytes] = []
    with make_scratch_folder("dbt") as scratch, progress.step("reading the dbt project"):
        kit, output = scratch / "kit", scratch / "output"
        kit.mkdir()
        output.mkdir()
        scratch.chmod(0o755)
        for name, content in runs.build_program_files({"memory": PARSE_LIMITS.memory_bytes, "seeds": []}).items():
            (kit / name).write_bytes(content)
        code = Mount(source=folder, target="/sandbox/code")
        mounts = {
            "SANDBOX_KIT": Mount(source=kit, target="/sandbox/kit"),
            "SANDBOX_OUTPUT": Mount(source=output, target="/sandbox/output", writable=True),
        }
        job = Job(
            name=f"sbx-init-{os.getpid()}-{os.urandom(2).hex()}",
            labels={"role": "run", "path": str(folder)},
            environment=environment,
            command=f"{runs.DBT_COMMAND} parse",
            workdir=code,
            mounts=(code, *mounts.values()),
            variables={variable: runner.resolve_mount_path(mount) for variable, mount in mounts.items()},
            limits=PARSE_LIMITS,
        )
        outcome = runner.run(job, stdout=lambda _: None, stderr=output_lines.append)
        if outcome.ending is not RunOutcome.SUCCEEDED:
            lines = b"".join(output_lines).decode(errors="replace").strip().splitlines()[-20:]
            raise PipelineError(
                "\n".join([f"dbt cannot read the project in {folder}:", *(f"  | {line}" for line in lines)]),
                hint="correct it, then: sandbox init",
            )
        return tuple(
            json.loads((output / "_dbt" / name).read_text("utf-8")) for name in ("manifest.json", "beside.json")
        )


def _find_source_uri(project: DbtProject, beside: Mapping[str, Any], folder: Path) -> str:
    """Return the uri of the project's data: its seeds, or the files or database of its sources."""
    files = [entry.file for entry in project.inputs]
    inside = find_common_folder([file for file in files if file]) if files and all(files) else None
    if inside is not None:
        return f"{inside}/"
    if beside["database"] and (folder / beside["database"]).is_file():
        return str(beside["database"])
    if not project.inputs:
        raise ConfigError(
            f"the models of {project.name} read no source and no seed, so there is nothing to sample",
            hint="say where production's data is: sandbox init FOLDER",
        )
    names = ", ".join(entry.names[0] for entry in project.inputs[:5])
    raise ConfigError(
        f"{project.name} reads {names}{' …' if len(project.inputs) > 5 else ''}, and does not say where that lies",
        hint="say where: sandbox init URI, a folder of Parquet, CSV or JSON Lines, or a .duckdb file, with tables of these names",
    )


def _match_source_tables(project: DbtProject, listing: SourceListing) -> dict[str, str]:
    """Map each source or seed of the project to its table in the listing."""
    there = {name.lower(): name for name in (*listing.files, *listing.problems)}
    tables = {}
    for entry in project.inputs:
        stem = Path(entry.file).name.partition(".")[0] if entry.file else ""
        names = [name.lower() for name in (*entry.names, stem)]
        if table := next((there[name] for name in names if name in there), None):
            tables[entry.id] = table
    if not tables:
        read_names = ", ".join(entry.names[0] for entry in project.inputs[:8])
        raise ConfigError(
            f"{listing.display_name} has no table that {project.name} reads: it reads {read_names}",
            hint=f"tables there: {', '.join(sorted(there.values())[:20]) or 'none'}; a table is called as the source's, with or without its schema",
        )
    return tables


def _map_declared_constraints(project: DbtProject, tables: Mapping[str, str]) -> dict[str, DeclaredConstraints]:
    """Map the constraints declared in tests to table names."""
    return {
        tables[key]: dataclasses.replace(
            constraints,
            references={
                columns: (tables[target], field)
                for columns, (target, field) in constraints.references.items()
                if target in tables
            },
        )
        for key, constraints in project.declarations.items()
        if key in tables
    }


def _build_surroundings(
    project: DbtProject, proposal: Proposal, tables: Mapping[str, str], beside: Mapping[str, Any], folder: Path
) -> Any:
    outputs = [
        OutputLines(name=model.name, key=model.key, unit_key=_find_unit_key(proposal, model.columns))
        for model in project.models
    ]
    postgres = beside["adapter"] == POSTGRES_SERVICE
    absent = [entry.names[0] for entry in project.inputs if entry.id not in tables]
    lines = DbtLines(
        adapters=tuple(
            name for name in beside["adapters"] if name != "duckdb" and not (name == POSTGRES_SERVICE and postgres)
        ),
        targets=tuple(beside["targets"]),
        postgres=postgres,
        include=(PACKAGES_FOLDER,)
        if (folder / PACKAGES_FOLDER).is_dir() and any((folder / name).is_file() for name in PACKAGE_FILES)
        else (),
        outputs=tuple(output for output in outputs if output.key or output.unit_key),
        absent=tuple(absent),
        seeded=project.reads_only_seeds,
    )
    return dataclasses.replace(inspect_surroundings(folder), requirements=None, command=None, dbt=lines)


def _find_unit_key(proposal: Proposal, columns: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return a model's column named after the unit, if the unit's own key is generic (``id``)."""
    key = proposal.tables[proposal.unit.table].key
    if key is None or len(key.columns) != 1 or normalize_name(key.columns[0]) not in GENERIC_KEY_NAMES:
        return None
    candidates = {f"{stem}{normalize_name(key.columns[0])}" for stem in list_entity_names(proposal.unit.table)}
    return next(((column,) for column in columns if normalize_name(column) in candidates), None)
