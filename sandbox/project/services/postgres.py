"""A project's Postgres brought up, and a database of its own in it for each run."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.containers import ownership
from sandbox.dbt import runs
from sandbox.engine.postgres_service import run_databases, server
from sandbox.engine.postgres_service.sample_loader import Loaded
from sandbox.model import POSTGRES
from sandbox.project.services.labels import labels, object_name
from sandbox.project.services.services import PASSWORDS, state
from sandbox.project.stack import read_lock
from sandbox.provisioner.images import service
from sandbox.provisioner.services import postgres
from sandbox.store.folder import staging
from sandbox.store.paths import home

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.engine.postgres_service.run_databases import Database
    from sandbox.model import Progress, Sample
    from sandbox.provisioner.images.service import ServiceImage
    from sandbox.provisioner.services.postgres import Postgres


def image(project: Project, *, frozen: bool, progress: Progress) -> ServiceImage:
    """Give the image of a project's Postgres, from what its lock names.

    Raises:
        EngineError: It cannot be made.
        FrozenError: It cannot be made of what the lock names.
    """
    lock = read_lock(project)
    return service.make(POSTGRES, home=home(), progress=progress, lock=lock, frozen=frozen)


def up(
    project: Project, sample: Sample, *, name: str, own: bool, frozen: bool, progress: Progress
) -> Postgres:
    """Bring up a project's Postgres with a sample in it.

    Args:
        project: The project.
        sample: What to load.
        name: Which sandbox.
        own: Whether it is the sandbox's own sample, which the user's client sees.
        frozen: Whether it must be made of what the lock names, base image included.
        progress: Shows what is done.

    Raises:
        EngineError: It cannot be brought up.
        RuleError: The sample has what Postgres cannot hold.
    """
    asked = postgres.Wanted(
        name=object_name(project, name),
        labels=labels(project, name),
        state=state(project, name),
        sample=sample.fingerprint,
        tables=_tables(project, sample),
        own=own,
        cpus=project.settings.stack.limits.cpus,
        memory=project.settings.sample.memory,
        image=image(project, frozen=frozen, progress=progress).reference,
        passwords=state(project, name) / PASSWORDS,
        by_network=project.settings.stack.network == "services",
    )
    return postgres.up(asked, progress=progress)


@dataclass(frozen=True, kw_only=True)
class Own:
    """A run's own database (see `sandbox.runner.pipeline_database.OwnDatabase`).

    Attributes:
        postgres: The server.
        database: The run's.
        state: A folder for what is on its way.
        memory: Bytes that reading may take.
        read: Whether what the run left is read out; a run that writes its outputs itself leaves nothing else.
    """

    postgres: Postgres
    database: Database
    state: Path
    memory: int
    read: bool

    @property
    def volumes(self) -> Mapping[str, str]:
        """The socket's."""
        return {self.postgres.socket: server.SOCKETS}

    @property
    def network(self) -> str | None:
        """The service's, where the settings ask for it."""
        return self.postgres.network

    @property
    def variables(self) -> Mapping[str, str]:
        """Its address."""
        address = self.database.url_at(POSTGRES) if self.network else self.database.url
        return {"SANDBOX_DATABASE_URL": address}

    def read_out(self, folder: Path) -> None:
        """Write the tables that the run made or changed."""
        if not self.read:
            return
        with staging(self.state, label="reading") as scratch:
            run_databases.read_out(
                self.postgres.server,
                self.postgres.template,
                self.database,
                folder,
                scratch=scratch,
                memory=self.memory,
            )


@dataclass(frozen=True, kw_only=True)
class Databases:
    """A database for each run (see `sandbox.runner.pipeline_database.Databases`)."""

    project: Project
    sample: Sample
    name: str
    frozen: bool
    progress: Progress

    @property
    def identity(self) -> Mapping[str, Any]:
        """The server's image decides what it answers; a run on a network may find there what another does not."""
        network = self.project.settings.stack.network
        made = image(self.project, frozen=self.frozen, progress=self.progress)
        return {"postgres": made.id, **({"network": network} if network != "none" else {})}

    @contextlib.contextmanager
    def opened(self, sample: Sample) -> Iterator[Own]:
        """Clone a sample for a run; databases of runs whose process was killed are removed first."""
        service = up(
            self.project,
            sample,
            name=self.name,
            own=sample.fingerprint == self.sample.fingerprint,
            frozen=self.frozen,
            progress=self.progress,
        )
        run_databases.swept(service.server, _gone)
        database = run_databases.opened(service.server, service.template, ownership.current().labels)
        try:
            yield Own(
                postgres=service,
                database=database,
                state=state(self.project, self.name),
                memory=self.project.settings.sample.memory,
                read=not runs.is_dbt(self.project),  # which names its models itself, views too
            )
        finally:
            run_databases.dropped(service.server, database.name)


def _gone(labelled: Mapping[str, str]) -> bool:
    named = ownership.named(labelled)
    return named is not None and named.gone


def _tables(project: Project, sample: Sample) -> Sequence[Loaded]:
    tables = project.settings.tables
    led_to: dict[str, list[tuple[str, ...]]] = {name: [] for name in sample.tables}
    for name, table in tables.items():
        for one in table.all_references:
            led_to[name].append(tuple(one.columns))
            led_to[one.table].append(tuple(one.key))
    return [
        Loaded(files=files, key=tables[name].key or [], indexed=led_to[name])
        for name, files in sorted(sample.tables.items())
    ]
