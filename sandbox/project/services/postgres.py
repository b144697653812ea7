"""Start a project's Postgres and create a database in it for each run."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.containers import ownership
from sandbox.dbt import runs
from sandbox.engine.postgres_service import run_databases, server
from sandbox.engine.postgres_service.sample_loader import TableToLoad
from sandbox.model import POSTGRES_SERVICE
from sandbox.project.lock_file import read_lock
from sandbox.project.services.labels import build_labels, build_object_name
from sandbox.project.services.state_files import PASSWORDS_FILE, make_services_folder
from sandbox.provisioner.images import service
from sandbox.provisioner.services import postgres
from sandbox.store.folder import make_staging_folder
from sandbox.store.paths import find_home_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.engine.postgres_service.run_databases import PostgresDatabase
    from sandbox.model import Progress, Sample
    from sandbox.provisioner.images.service import ServiceImage
    from sandbox.provisioner.services.postgres import PostgresService


def build_postgres_image(project: Project, *, frozen: bool, progress: Progress) -> ServiceImage:
    """Build the image of a project's Postgres from its lock.

    Raises:
        ContainerEngineError: It cannot be built.
        FrozenMismatchError: It cannot be built from the lock.
    """
    lock = read_lock(project)
    return service.ensure_service_image(
        POSTGRES_SERVICE, home=find_home_folder(), progress=progress, lock=lock, frozen=frozen
    )


def start_postgres(
    project: Project, sample: Sample, *, name: str, belongs_to_sandbox: bool, frozen: bool, progress: Progress
) -> PostgresService:
    """Start a project's Postgres with a sample loaded.

    Args:
        project: The project.
        sample: The sample to load.
        name: The sandbox.
        belongs_to_sandbox: Whether it is the sandbox's own sample, visible to the user's client.
        frozen: Whether only images and packages in the lock may be used, base image included.
        progress: Shows the steps.

    Raises:
        ContainerEngineError: It cannot be started.
        DataRuleError: The sample has values unsupported by Postgres.
    """
    request = postgres.PostgresRequest(
        name=build_object_name(project, name),
        labels=build_labels(project, name),
        state=make_services_folder(project, name),
        sample=sample.fingerprint,
        tables=list_tables_to_load(project, sample),
        belongs_to_sandbox=belongs_to_sandbox,
        cpus=project.settings.stack.limits.cpus,
        loading_memory_bytes=project.settings.sample.memory,
        image=build_postgres_image(project, frozen=frozen, progress=progress).reference,
        password_file=make_services_folder(project, name) / PASSWORDS_FILE,
        needs_network=project.settings.stack.network == "services",
    )
    return postgres.start_postgres(request, progress=progress)


def dump_sample(project: Project, sample: Sample, file: Path, *, name: str, frozen: bool, progress: Progress) -> str:
    """Write a dump of the loaded sample, as of ``pg_dump --format=custom``, and return the name of the server's image.

    Raises:
        ContainerEngineError: The service cannot be started, or ends.
        StoreError: The file cannot be written.
    """
    service = start_postgres(project, sample, name=name, belongs_to_sandbox=True, frozen=frozen, progress=progress)
    with progress.step("writing the sample for Postgres"):
        postgres.dump_database(f"{build_object_name(project, name)}-{POSTGRES_SERVICE}", service.template, file)
    return build_postgres_image(project, frozen=frozen, progress=progress).reference


@dataclass(frozen=True, kw_only=True)
class PostgresRunDatabase:
    """A run's database (see `sandbox.runner.pipeline_database.PipelineDatabase`).

    Attributes:
        postgres: The server.
        database: The run's database.
        state: Folder for temporary files.
        memory: Bytes of memory for reading.
        seconds: The time limit of reading.
        collects_outputs: Whether changed tables are exported; False if the run writes its outputs itself.
    """

    postgres: PostgresService
    database: PostgresDatabase
    state: Path
    memory: int
    seconds: float
    collects_outputs: bool

    @property
    def volumes(self) -> Mapping[str, str]:
        """The volume of the socket."""
        return {self.postgres.socket: server.SOCKET_FOLDER}

    @property
    def network(self) -> str | None:
        """The service's network, if the settings ask for it."""
        return self.postgres.network

    @property
    def variables(self) -> Mapping[str, str]:
        """The variable with its address."""
        address = self.database.build_network_url(POSTGRES_SERVICE) if self.network else self.database.url
        return {"SANDBOX_DATABASE_URL": address}

    def export_outputs(self, folder: Path) -> Mapping[str, str]:
        """Check that the run has ended, write the tables and views it created or changed; return unreadable ones."""
        run_databases.check_server_after_run(self.postgres.server, self.database)
        if not self.collects_outputs:
            return {}
        with make_staging_folder(self.state, label="reading") as scratch:
            return run_databases.export_changed_tables(
                self.postgres.server,
                self.postgres.template,
                self.database,
                folder,
                scratch=scratch,
                memory=self.memory,
                seconds=self.seconds,
            )


@dataclass(frozen=True, kw_only=True)
class PostgresDatabases:
    """A database for each run (see `sandbox.runner.pipeline_database.PipelineDatabaseFactory`)."""

    project: Project
    sample: Sample
    name: str
    frozen: bool
    progress: Progress

    @property
    def identity(self) -> Mapping[str, Any]:
        """Image and network: both can change a run's outputs."""
        network = self.project.settings.stack.network
        image = build_postgres_image(self.project, frozen=self.frozen, progress=self.progress)
        return {"postgres": image.id, **({"network": network} if network != "none" else {})}

    @contextlib.contextmanager
    def open_database(self, sample: Sample) -> Iterator[PostgresRunDatabase]:
        """Clone a sample for a run, after removing databases left by killed runs."""
        service = start_postgres(
            self.project,
            sample,
            name=self.name,
            belongs_to_sandbox=sample.fingerprint == self.sample.fingerprint,
            frozen=self.frozen,
            progress=self.progress,
        )
        run_databases.drop_orphan_databases(service.server, _is_owner_gone)
        database = run_databases.create_database(service.server, service.template, ownership.identify_owner().labels)
        try:
            yield PostgresRunDatabase(
                postgres=service,
                database=database,
                state=make_services_folder(self.project, self.name),
                memory=self.project.settings.sample.memory,
                seconds=self.project.settings.stack.limits.timeout,
                collects_outputs=not runs.is_dbt_project(self.project),  # dbt exports its models itself, views too
            )
        finally:
            run_databases.drop_database(service.server, database.name)


def _is_owner_gone(labelled: Mapping[str, str]) -> bool:
    named = ownership.parse_owner(labelled)
    return named is not None and named.has_ended


def list_tables_to_load(project: Project, sample: Sample) -> Sequence[TableToLoad]:
    """Return the tables of a sample with their keys and the columns of their references."""
    tables = project.settings.tables
    led_to: dict[str, list[tuple[str, ...]]] = {name: [] for name in sample.tables}
    for name, table in tables.items():
        for reference in table.all_references:
            led_to[name].append(tuple(reference.columns))
            led_to[reference.table].append(tuple(reference.key))
    return [
        TableToLoad(files=files, key=tables[name].key or [], index_columns=led_to[name])
        for name, files in sorted(sample.tables.items())
    ]
