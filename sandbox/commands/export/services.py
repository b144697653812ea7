"""Prepare a project's services for exported files: a dump of the sample, and what loads it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.postgres_service import sample_loader, server
from sandbox.model import NOTEBOOK_SERVICE, POSTGRES_SERVICE
from sandbox.project.services import services
from sandbox.project.services.state_files import build_notebooks_path, make_services_folder
from sandbox.provisioner.services.services import ensure_password
from sandbox.store.folder import make_staging_folder, translate_os_errors, write_file
from sandbox.store.paths import find_packaged_folder

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.model import Progress
    from sandbox.project.create import Sandbox

LOAD_PATH = "/sandbox/load"
START_FILE, DUMP_FILE, PASSWORD_FILE = "start.sh", "sample.dump", "password"
LOGIN = f"user={server.ADMIN_USER}"


@dataclass(frozen=True, kw_only=True)
class ExportedServices:
    """The services of an export.

    Attributes:
        postgres: The image of Postgres, if the project uses it.
        notebook: The image of the notebook, if the project uses it.
        folder: The folder with a script and the rows that Postgres loads, and the password of the notebook.
        notebooks: The folder of the user's notebooks.
        network: Whether Postgres is reached over a network, besides its socket.
    """

    postgres: str | None
    notebook: str | None
    folder: Path
    notebooks: Path
    network: bool

    @property
    def is_any(self) -> bool:
        """Whether there is a service."""
        return bool(self.postgres or self.notebook)

    @property
    def database_url(self) -> str:
        """The address of the sample for the pipeline; empty without Postgres."""
        if self.postgres is None:
            return ""
        if self.network:
            return f"postgresql://{POSTGRES_SERVICE}:{server.PORT}/{sample_loader.USER_DATABASE}?{LOGIN}"
        return f"postgresql:///{sample_loader.USER_DATABASE}?host={server.SOCKET_FOLDER}&{LOGIN}"


def export_services(project: Project, ready: Sandbox, *, name: str, progress: Progress) -> ExportedServices:
    """Write the data of an export's services into the sandbox's folder; ``sandbox rm`` removes it.

    The folder can be entered by its owner alone. Its files can be read by everybody, because a container mounts the folder
    and runs as another user.

    Raises:
        ContainerEngineError: The sample cannot be dumped.
    """
    folder = make_services_folder(project, name) / "export"
    postgres = notebook = None
    with make_staging_folder(folder.parent, label="export") as staging:
        if services.needs_postgres(project):
            from sandbox.project.services import postgres as postgres_service  # noqa: PLC0415 - slow to import, and most projects have none

            postgres = postgres_service.dump_sample(
                project,
                ready.sample.sample,
                staging / DUMP_FILE,
                name=name,
                frozen=ready.stack.frozen,
                progress=progress,
            )
            shutil.copyfile(find_packaged_folder("templates") / "export" / START_FILE, staging / START_FILE)
        if NOTEBOOK_SERVICE in project.settings.stack.services:
            from sandbox.project.services import notebook as notebook_service  # noqa: PLC0415

            notebook = notebook_service.build_notebook_image(
                project, frozen=ready.stack.frozen, progress=progress
            ).reference
            write_file(staging / PASSWORD_FILE, ensure_password(folder.parent))
        with translate_os_errors(folder):
            if folder.exists():
                shutil.rmtree(folder)
            shutil.copytree(staging, folder)
            for path in folder.iterdir():
                path.chmod(0o644)
            folder.chmod(0o755)
            folder.parent.chmod(0o700)
    return ExportedServices(
        postgres=postgres,
        notebook=notebook,
        folder=folder,
        notebooks=build_notebooks_path(project),
        network=project.settings.stack.network == "services",
    )
