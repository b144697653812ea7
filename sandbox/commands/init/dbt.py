"""``sandbox init`` in a dbt project: dbt reads the project, and its sources or seeds become the source."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox import provisioner
from sandbox.commands.init.init import SettingsResult, format_source_uri, inspect_surroundings, write_settings
from sandbox.config.settings import StackSection
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
    """Read a dbt project and its source, and write the file that proposes how to sample and run it.

    Raises:
        PipelineError: dbt cannot read the project; with its words.
        ConfigError: The project has no models, or does not say where its sources lie.
        SourceError: The source cannot be read.
    """
    folder = file.parent
    manifest, beside = _parse_project(folder, runtime=runtime, progress=progress)
    project = parse_manifest(manifest)
    if not project.models:
        raise ConfigError(f"the dbt project {project.name} has no models", hint="add one, then: sandbox init")
    uri = format_source_uri(uri, folder) if uri else _find_source_uri(project, beside, folder)
    listing = list_source(uri, base=folder)
    tables = _match_source_tables(project, listing)
    found = build_proposal(
        uri,
        base=folder,
        only=tables.values(),
        declared=_map_declared_constraints(project, tables),
        progress=progress,
    )
    return write_settings(found, file, _build_surroundings(project, found, tables, beside, folder))


def _parse_project(
    folder: Path, *, runtime: Literal["docker", "local", "auto"], progress: Progress
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Let dbt read the project in its image; gives its manifest, and what lies beside it (see ``images/dbt``)."""
    carrier, warning = choose_runtime(runtime)
    if warning:
        progress.print_message(warning)
    assert carrier.name != "fake"
    request = provisioner.build_request(StackSection(image="dbt"), lambda _: b"")
    lock = provisioner.resolve_lock(request, previous=None, upgrade=False, progress=progress, runtime=carrier.name)
    environment = provisioner.ensure_environment(
        request, lock, carrier.name, home=find_home_folder(), progress=progress, frozen=False
    )
    said: list[bytes] = []
    with make_scratch_folder("dbt") as place, progress.step("reading the dbt project"):
        kit, output = place / "kit", place / "output"
        kit.mkdir()
        output.mkdir()
        place.chmod(0o755)
        for one, content in runs.build_program_files({"memory": PARSE_LIMITS.memory_bytes, "seeds": []}).items():
            (kit / one).write_bytes(content)
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
            variables={variable: carrier.resolve_mount_path(mount) for variable, mount in mounts.items()},
            limits=PARSE_LIMITS,
        )
        outcome = carrier.run(job, stdout=lambda _: None, stderr=said.append)
        if outcome.ending is not RunOutcome.SUCCEEDED:
            lines = b"".join(said).decode(errors="replace").strip().splitlines()[-20:]
            raise PipelineError(
                "\n".join([f"dbt cannot read the project in {folder}:", *(f"  | {line}" for line in lines)]),
                hint="correct it, then: sandbox init",
            )
        return tuple(json.loads((output / "_dbt" / one).read_text("utf-8")) for one in ("manifest.json", "beside.json"))


def _find_source_uri(project: DbtProject, beside: Mapping[str, Any], folder: Path) -> str:
    """Give where the project says that its data lies: its seeds, the files or the database that its sources name."""
    files = [one.file for one in project.inputs]
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
    names = ", ".join(one.names[0] for one in project.inputs[:5])
    raise ConfigError(
        f"{project.name} reads {names}{' …' if len(project.inputs) > 5 else ''}, and does not say where that lies",
        hint="say where: sandbox init URI, a folder of Parquet, CSV or JSON Lines, or a .duckdb file, with tables of these names",
    )


def _match_source_tables(project: DbtProject, listing: SourceListing) -> dict[str, str]:
    """Give, for each source or seed of the project, the table of the source that it is."""
    there = {name.lower(): name for name in (*listing.files, *listing.problems)}
    found = {}
    for one in project.inputs:
        stem = Path(one.file).name.partition(".")[0] if one.file else ""
        names = [name.lower() for name in (*one.names, stem)]
        if table := next((there[name] for name in names if name in there), None):
            found[one.id] = table
    if not found:
        wanted = ", ".join(one.names[0] for one in project.inputs[:8])
        raise ConfigError(
            f"{listing.display_name} has no table that {project.name} reads: it reads {wanted}",
            hint=f"tables there: {', '.join(sorted(there.values())[:20]) or 'none'}; a table is called as the source's, with or without its schema",
        )
    return found


def _map_declared_constraints(project: DbtProject, tables: Mapping[str, str]) -> dict[str, DeclaredConstraints]:
    """Say what the tests declare by the names of tables."""
    return {
        tables[key]: dataclasses.replace(
            said,
            references={
                columns: (tables[target], field)
                for columns, (target, field) in said.references.items()
                if target in tables
            },
        )
        for key, said in project.declarations.items()
        if key in tables
    }


def _build_surroundings(
    project: DbtProject, found: Proposal, tables: Mapping[str, str], beside: Mapping[str, Any], folder: Path
) -> Any:
    outputs = [
        OutputLines(name=one.name, key=one.key, unit_key=_find_unit_key(found, one.columns)) for one in project.models
    ]
    postgres = beside["adapter"] == POSTGRES_SERVICE
    absent = [one.names[0] for one in project.inputs if one.id not in tables]
    lines = DbtLines(
        adapters=tuple(
            one for one in beside["adapters"] if one != "duckdb" and not (one == POSTGRES_SERVICE and postgres)
        ),
        postgres=postgres,
        include=(PACKAGES_FOLDER,)
        if (folder / PACKAGES_FOLDER).is_dir() and any((folder / one).is_file() for one in PACKAGE_FILES)
        else (),
        outputs=tuple(one for one in outputs if one.key or one.unit_key),
        absent=tuple(absent),
        seeded=project.reads_only_seeds,
    )
    return dataclasses.replace(inspect_surroundings(folder), requirements=None, command=None, dbt=lines)


def _find_unit_key(found: Proposal, columns: tuple[str, ...]) -> tuple[str, ...] | None:
    """Give the column of a model that is named for the unit where the unit's own key is a mere ``id``."""
    key = found.tables[found.unit.table].key
    if key is None or len(key.columns) != 1 or normalize_name(key.columns[0]) not in GENERIC_KEY_NAMES:
        return None
    wanted = {f"{stem}{normalize_name(key.columns[0])}" for stem in list_entity_names(found.unit.table)}
    return next(((column,) for column in columns if normalize_name(column) in wanted), None)
