"""The services of a project: which it has, and where they are; what brings them up is loaded where there are any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.config.config_problems import nearest
from sandbox.errors import EngineError, UsageError
from sandbox.model import NOTEBOOK, POSTGRES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.containers.protocol import Held, Runtime
    from sandbox.model import Progress, Sample
    from sandbox.project.services.postgres import Databases

PASSWORDS = "pgpass"
ADDRESS = "notebook.url"


def wanted(project: Project) -> bool:
    """Say whether a project has a Postgres: as a service, or because its pipeline reads from one."""
    settings = project.settings
    return POSTGRES in settings.stack.services or POSTGRES in settings.pipeline.inputs


def up(
    project: Project, sample: Sample, *, name: str, runtime: Runtime, frozen: bool, progress: Progress
) -> list[dict[str, str]]:
    """Bring up a project's services with its sample in them, and say how the user's own client reaches each, as JSON.

    Raises:
        EngineError: One cannot be brought up, or there is no engine.
    """
    made = []
    if wanted(project) or project.settings.stack.services:
        require_engine(runtime)
    if wanted(project):
        from sandbox.project.services import postgres as postgres_service  # noqa: PLC0415 - heavy, and most projects have no service

        postgres = postgres_service.up(project, sample, name=name, own=True, frozen=frozen, progress=progress)
        made.append(_postgres(postgres.url, postgres.passwords))
    if NOTEBOOK in project.settings.stack.services:
        from sandbox.project.services import notebook  # noqa: PLC0415

        made.append(_notebook(notebook.up(project, sample, name=name, frozen=frozen, progress=progress)))
    return made


def databases(
    project: Project, sample: Sample, *, name: str, runtime: Runtime, frozen: bool, progress: Progress
) -> Databases | None:
    """Give what makes the databases of a project's runs; None where its pipeline reads from none.

    Raises:
        EngineError: Services need a container engine, and runs are processes here.
    """
    if POSTGRES not in project.settings.pipeline.inputs:
        return None
    require_engine(runtime)
    from sandbox.project.services.postgres import Databases  # noqa: PLC0415 - see `up`

    return Databases(project=project, sample=sample, name=name, frozen=frozen, progress=progress)


def _postgres(url: str, passwords: Path) -> dict[str, str]:
    return {"service": POSTGRES, "url": url, "passwords": str(passwords)}


def _notebook(url: str) -> dict[str, str]:
    return {"service": NOTEBOOK, "url": url}


def known(root: Path, name: str, running: Sequence[Held]) -> list[dict[str, str]]:
    """Give the same of the services of a sandbox that run, by what is kept of them.

    Args:
        root: The project's folder.
        name: Which sandbox.
        running: What runs for it.
    """
    folder = root / ".sandbox" / "services" / name
    roles = {one.labels.get("role") for one in running}
    found = []
    if POSTGRES in roles and (passwords := folder / PASSWORDS).is_file():
        from sandbox.provisioner.services.postgres import url  # noqa: PLC0415 - see `up`

        port = int(passwords.read_text("utf-8").split(":")[1])
        found.append(_postgres(url(port), passwords))
    if NOTEBOOK in roles and (address := folder / ADDRESS).is_file():
        found.append(_notebook(address.read_text("utf-8")))
    return found


def show_log(
    project: Project, service: str, *, name: str, follow: bool, take: Callable[[bytes], object]
) -> None:
    """Hand what a sandbox's service printed to a function; with ``follow`` until it ends.

    Raises:
        UsageError: There is no such service.
        EngineError: The engine does not answer.
    """
    from sandbox.containers.docker import inventory, services  # noqa: PLC0415
    from sandbox.containers.docker.client import connected  # noqa: PLC0415
    from sandbox.project.services.labels import labels  # noqa: PLC0415 - see `up`

    client = connected()
    there = {one.labels["role"]: one.id for one in inventory.containers(client, labels(project, name))}
    there = {role: one for role, one in there.items() if role in {POSTGRES, NOTEBOOK}}
    if service not in there:
        raise UsageError(
            f"sandbox {name} has no service {service!r}{nearest(service, there)}",
            hint=f"it has {', '.join(sorted(there))}" if there else "bring services up: sandbox create",
        )
    services.show(client, there[service], follow=follow, take=take)


def require_engine(runtime: Runtime) -> None:
    """Make sure that services can be had.

    Raises:
        EngineError: Runs are processes of this machine.
    """
    if runtime.name != "docker":
        raise EngineError(
            "services are containers, and there is no container engine here (the runtime is local)",
            hint="start Docker and leave out SANDBOX_RUNTIME=local, or take services and inputs out of sandbox.toml",
        )


def state(project: Project, name: str) -> Path:
    """Give the folder for what is kept of a sandbox's services."""
    folder = project.state / "services" / name
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def notebooks(project: Project) -> Path:
    """Give where a project's notebooks lie; they are the user's work, and stay when sandboxes go."""
    return project.state / "notebooks"
