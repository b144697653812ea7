"""Start, describe and log a project's services, loading their modules on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.config.config_problems import suggest_name
from sandbox.errors import ContainerEngineError, UsageError
from sandbox.model import NOTEBOOK_SERVICE, POSTGRES_SERVICE
from sandbox.project.services.state_files import NOTEBOOK_URL_FILE, PASSWORDS_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.containers.protocol import Runtime, RuntimeObject
    from sandbox.model import Progress, Sample
    from sandbox.project.services.postgres import PostgresDatabases


def needs_postgres(project: Project) -> bool:
    """Check whether a project uses Postgres, as a service or as an input of its pipeline."""
    settings = project.settings
    return POSTGRES_SERVICE in settings.stack.services or POSTGRES_SERVICE in settings.pipeline.inputs


def start_services(
    project: Project, sample: Sample, *, name: str, runtime: Runtime, frozen: bool, progress: Progress
) -> list[dict[str, str]]:
    """Start a project's services with its sample and return their client addresses, as JSON.

    Raises:
        ContainerEngineError: A service cannot be started, or there is no container engine.
    """
    descriptions = []
    if needs_postgres(project) or project.settings.stack.services:
        check_container_engine(runtime)
    if needs_postgres(project):
        from sandbox.project.services import postgres as postgres_service  # noqa: PLC0415 - slow to import, and most projects have no service

        postgres = postgres_service.start_postgres(
            project, sample, name=name, belongs_to_sandbox=True, frozen=frozen, progress=progress
        )
        descriptions.append(_describe_postgres(postgres.url, postgres.password_file))
    if NOTEBOOK_SERVICE in project.settings.stack.services:
        from sandbox.project.services import notebook  # noqa: PLC0415

        descriptions.append(
            _describe_notebook(notebook.start_notebook(project, sample, name=name, frozen=frozen, progress=progress))
        )
    return descriptions


def build_service_images(project: Project, *, frozen: bool, progress: Progress) -> set[str]:
    """Build the images of a project's services, without starting them, and return their names.

    Raises:
        ContainerEngineError: One cannot be built.
    """
    references = set()
    if needs_postgres(project):
        from sandbox.project.services import postgres  # noqa: PLC0415 - see `start_services`

        references.add(postgres.build_postgres_image(project, frozen=frozen, progress=progress).reference)
    if NOTEBOOK_SERVICE in project.settings.stack.services:
        from sandbox.project.services import notebook  # noqa: PLC0415

        references.add(notebook.build_notebook_image(project, frozen=frozen, progress=progress).reference)
    return references


def build_databases(
    project: Project, sample: Sample, *, name: str, runtime: Runtime, frozen: bool, progress: Progress
) -> PostgresDatabases | None:
    """Build the factory of the runs' databases; None if the pipeline reads none.

    Raises:
        ContainerEngineError: The runtime is local, and services need a container engine.
    """
    if POSTGRES_SERVICE not in project.settings.pipeline.inputs:
        return None
    check_container_engine(runtime)
    from sandbox.project.services.postgres import PostgresDatabases  # noqa: PLC0415 - see `start_services`

    return PostgresDatabases(project=project, sample=sample, name=name, frozen=frozen, progress=progress)


def _describe_postgres(url: str, passwords: Path) -> dict[str, str]:
    return {"service": POSTGRES_SERVICE, "url": url, "passwords": str(passwords)}


def _describe_notebook(url: str) -> dict[str, str]:
    return {"service": NOTEBOOK_SERVICE, "url": url}


def describe_running_services(root: Path, name: str, running: Sequence[RuntimeObject]) -> list[dict[str, str]]:
    """Return the client addresses of a sandbox's running services from its state folder."""
    folder = root / ".sandbox" / "services" / name
    roles = {running_object.labels.get("role") for running_object in running}
    descriptions = []
    if POSTGRES_SERVICE in roles and (passwords := folder / PASSWORDS_FILE).is_file():
        from sandbox.provisioner.services.postgres import build_url  # noqa: PLC0415 - see `start_services`

        port = int(passwords.read_text("utf-8").split(":")[1])
        descriptions.append(_describe_postgres(build_url(port), passwords))
    if NOTEBOOK_SERVICE in roles and (address := folder / NOTEBOOK_URL_FILE).is_file():
        descriptions.append(_describe_notebook(address.read_text("utf-8")))
    return descriptions


def stream_service_log(
    project: Project, service: str, *, name: str, follow: bool, take: Callable[[bytes], object]
) -> None:
    """Pass a service's log to a function; with ``follow`` until the service ends.

    Raises:
        UsageError: There is no such service.
        ContainerEngineError: The container engine does not answer.
    """
    from sandbox.containers.docker import inventory, services  # noqa: PLC0415
    from sandbox.containers.docker.client import open_shared_client  # noqa: PLC0415
    from sandbox.project.services.labels import build_labels  # noqa: PLC0415 - see `start_services`

    client = open_shared_client()
    containers = inventory.list_containers(client, build_labels(project, name))
    there = {c.labels["role"]: c.id for c in containers if c.labels["role"] in {POSTGRES_SERVICE, NOTEBOOK_SERVICE}}
    if service not in there:
        raise UsageError(
            f"sandbox {name} has no service {service!r}{suggest_name(service, there)}",
            hint=f"it has {', '.join(sorted(there))}" if there else "bring services up: sandbox create",
        )
    services.read_log(client, there[service], follow=follow, take=take)


def check_container_engine(runtime: Runtime) -> None:
    """Check that services are possible.

    Raises:
        ContainerEngineError: The runtime is local.
    """
    if runtime.name != "docker":
        raise ContainerEngineError(
            "services are containers, and there is no container engine here (the runtime is local)",
            hint="start Docker and leave out SANDBOX_RUNTIME=local, or take services and inputs out of sandbox.toml",
        )
