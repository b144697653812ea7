"""Start a project's notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.containers.docker import images
from sandbox.containers.docker.client import open_shared_client
from sandbox.model import is_custom_image
from sandbox.project.lock_file import read_lock
from sandbox.project.services.labels import build_labels, build_object_name
from sandbox.project.services.state_files import NOTEBOOK_URL_FILE, build_notebooks_path, make_services_folder
from sandbox.provisioner.lock.request import SUPPORTED_PYTHONS
from sandbox.provisioner.services import notebook
from sandbox.store.paths import find_home_folder

if TYPE_CHECKING:
    from sandbox.config import Project
    from sandbox.manifest.lock import LockedImage
    from sandbox.model import Environment, Progress, Sample


def build_notebook_image(project: Project, *, frozen: bool, progress: Progress) -> Environment:
    """Build the image of a project's notebook, on the base of its lock.

    Raises:
        ContainerEngineError: It cannot be built.
    """
    return notebook.ensure_notebook_image(
        SUPPORTED_PYTHONS[0],
        _find_base_image(project),
        home=find_home_folder(),
        progress=progress,
        frozen=frozen,
    )


def start_notebook(project: Project, sample: Sample, *, name: str, frozen: bool, progress: Progress) -> str:
    """Start a project's notebook on a sample and return its address.

    Raises:
        ContainerEngineError: It cannot be started.
    """
    stack = project.settings.stack
    image = build_notebook_image(project, frozen=frozen, progress=progress)
    request = notebook.NotebookRequest(
        name=build_object_name(project, name),
        labels=build_labels(project, name),
        state=make_services_folder(project, name),
        image=image.reference,
        cpus=stack.limits.cpus,
        sample=sample.path,
        notebooks=build_notebooks_path(project),
        memory_bytes=project.resolve_limits(open_shared_client().engine_info["MemTotal"]).memory_bytes,
        address_file=make_services_folder(project, name) / NOTEBOOK_URL_FILE,
    )
    return notebook.start_notebook(request, progress=progress)


def _find_base_image(project: Project) -> LockedImage | None:
    """Return the base image in the project's lock, if it is one of sandbox's own."""
    lock = read_lock(project)
    if lock is None or is_custom_image(lock.inputs.image):
        return None
    entry = lock.platforms.get(images.read_platform(open_shared_client()))
    return entry.base if entry else None
