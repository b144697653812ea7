"""A project's notebook brought up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.containers.docker import images
from sandbox.containers.docker.client import connected
from sandbox.model import is_own_image
from sandbox.project.services.labels import labels, object_name
from sandbox.project.services.services import ADDRESS, notebooks, state
from sandbox.project.stack import read_lock
from sandbox.provisioner.lock.request import PYTHONS
from sandbox.provisioner.services import notebook
from sandbox.store.paths import home

if TYPE_CHECKING:
    from sandbox.config import Project
    from sandbox.manifest.lock import BaseImage
    from sandbox.model import Progress, Sample


def up(project: Project, sample: Sample, *, name: str, frozen: bool, progress: Progress) -> str:
    """Bring up a project's notebook on a sample, and give its address.

    Raises:
        EngineError: It cannot be brought up.
    """
    stack = project.settings.stack
    made = notebook.image(PYTHONS[0], _base(project), home=home(), progress=progress, frozen=frozen)
    wanted = notebook.Wanted(
        name=object_name(project, name),
        labels=labels(project, name),
        state=state(project, name),
        image=made.reference,
        cpus=stack.limits.cpus,
        sample=sample.path,
        notebooks=notebooks(project),
        memory_bytes=project.limits(connected().about["MemTotal"]).memory_bytes,
        address=state(project, name) / ADDRESS,
    )
    return notebook.up(wanted, progress=progress)


def _base(project: Project) -> BaseImage | None:
    """Give the base image that the project's lock names, where it is one of sandbox's own."""
    lock = read_lock(project)
    if lock is None or is_own_image(lock.inputs.image):
        return None
    entry = lock.platforms.get(images.platform(connected()))
    return entry.base if entry else None
