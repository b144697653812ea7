"""The services of a project: which it has, and where they are; what brings them up is loaded where there are any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sandbox.commands.databases import Databases
    from sandbox.config import Project
    from sandbox.containers.protocol import Held, Runtime
    from sandbox.model import Progress, Sample
    from sandbox.stack.services import Postgres

POSTGRES = "postgres"
PASSWORDS = "pgpass"


def wanted(project: Project) -> bool:
    """Say whether a project has a Postgres: as a service, or because its pipeline reads from one."""
    settings = project.settings
    return POSTGRES in settings.stack.services or POSTGRES in settings.pipeline.inputs


def up(
    project: Project, sample: Sample, *, name: str, runtime: Runtime, frozen: bool, progress: Progress
) -> Postgres | None:
    """Bring up a project's Postgres with its sample in it; None where it has none (see `sandbox.commands.databases.up`)."""
    if not wanted(project):
        return None
    require_engine(runtime)
    from sandbox.commands import databases  # noqa: PLC0415 - heavy, and most projects have no service

    return databases.up(project, sample, name=name, own=True, frozen=frozen, progress=progress)


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
    from sandbox.commands.databases import Databases  # noqa: PLC0415 - see `up`

    return Databases(project=project, sample=sample, name=name, frozen=frozen, progress=progress)


def described(postgres: Postgres) -> dict[str, str]:
    """Give what the user's own client needs to know of a Postgres, as JSON; the password is in a file."""
    return {"service": POSTGRES, "url": postgres.url, "passwords": str(postgres.passwords)}


def known(root: Path, name: str, running: Sequence[Held]) -> list[dict[str, str]]:
    """Give the same of the services of a sandbox that run, by what is kept of them.

    Args:
        root: The project's folder.
        name: Which sandbox.
        running: What runs for it.
    """
    passwords = root / ".sandbox" / "services" / name / PASSWORDS
    if not passwords.is_file() or not any(one.labels.get("role") == POSTGRES for one in running):
        return []
    from sandbox.stack.services import url  # noqa: PLC0415 - see `up`

    port = int(passwords.read_text("utf-8").split(":")[1])
    return [{"service": POSTGRES, "url": url(port), "passwords": str(passwords)}]


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
