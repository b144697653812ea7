"""The stack's notebook: marimo on a read-only sample, with notebooks in the project."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from sandbox.containers.docker import engine_api, images
from sandbox.containers.docker import services as docker_services
from sandbox.containers.docker.client import open_client
from sandbox.containers.local.permissions import grant_read_access
from sandbox.containers.protocol import Mount
from sandbox.manifest.canonical_json import hash_json
from sandbox.manifest.lock import LockDocument, PlatformLock
from sandbox.model import NOTEBOOK_SERVICE
from sandbox.provisioner.images import environment
from sandbox.provisioner.lock import pins
from sandbox.provisioner.lock.request import StackRequest
from sandbox.provisioner.lock.resolver import compute_inputs
from sandbox.provisioner.services import services
from sandbox.store import paths
from sandbox.store.folder import lock_path, translate_os_errors, write_file

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.manifest.lock import LockedImage
    from sandbox.model import Environment, Progress

FIRST_NOTEBOOK = "sample.py"
NOTEBOOK_PORT = 2718
NOTEBOOKS_PATH = "/sandbox/notebooks"
# A notebook shows its tables and charts when it opens. Only a user's own settings may ask for that, and `HOME` is empty.
RUN_CELLS_COMMAND = (
    'mkdir -p "$HOME/.config/marimo" && '
    'printf "[runtime]\\nauto_instantiate = true\\n" >"$HOME/.config/marimo/marimo.toml" && exec "$0" "$@"'
)
PROBE_SECONDS = 2.0
# Increased when a running service must be recreated with the same image and sample.
SERVICE_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class NotebookRequest(services.ServiceRequest):
    """A requested notebook service.

    Attributes:
        sample: The folder of the sample.
        notebooks: The folder for the user's notebooks, filled with a first one.
        memory_bytes: Memory limit.
        address_file: The file for its address, which contains its token.
    """

    sample: Path
    notebooks: Path
    memory_bytes: int
    address_file: Path


def ensure_notebook_image(
    python: str, base: LockedImage | None, *, home: Path, progress: Progress, frozen: bool
) -> Environment:
    """Return the notebook's image, built if necessary from the libraries pinned in this version of sandbox.

    Raises:
        ContainerEngineError: It cannot be built.
    """
    request = StackRequest(image=NOTEBOOK_SERVICE, python=python)
    with contextlib.closing(open_client()) as client:
        platform = images.read_platform(client)
    target = pins.InstallTarget(platform=platform, python=python, in_container=True)
    entry = PlatformLock(python=python, libraries=pins.read_image_pins(NOTEBOOK_SERVICE, target), base=base)
    lock = LockDocument(inputs=compute_inputs(request), platforms={platform: entry})
    return environment.ensure_image_environment(request, lock, home=home, progress=progress, frozen=frozen)


def start_notebook(request: NotebookRequest, *, progress: Progress) -> str:
    """Start a notebook, wait until it answers, and return its address, which grants access.

    Raises:
        ContainerEngineError: The container engine does not answer, or the service ends or does not become ready; it is
            then removed.
    """
    with contextlib.closing(open_client()) as client, lock_path(request.state / NOTEBOOK_SERVICE):
        password = services.ensure_password(request.state)
        user = engine_api.choose_user(
            os.getuid(), os.getgid(), rootless=engine_api.parse_engine_info(client.engine_info).rootless
        )
        _prepare_folders(request, user)
        service = _build_service(request, password, user)
        with services.open_service(client, service) as container:
            port = docker_services.find_port(client, container, NOTEBOOK_PORT)
            services.wait_until_ready(
                client, container, lambda: _is_ready(port), label="the notebook", progress=progress
            )
    address = f"http://{docker_services.LOOPBACK_ADDRESS}:{port}/?{urlencode({'file': FIRST_NOTEBOOK, 'access_token': password})}"
    write_file(request.address_file, address, mode=0o600)
    return address


def _prepare_folders(request: NotebookRequest, user: engine_api.ContainerUser) -> None:
    """Create the first notebook if there is none, and give the service's user write access."""
    with translate_os_errors(request.notebooks):
        request.notebooks.mkdir(parents=True, exist_ok=True)
        if not any(request.notebooks.glob("*.py")):
            shutil.copyfile(paths.find_packaged_folder("templates") / "notebook.py", request.notebooks / FIRST_NOTEBOOK)
        if user.needs_chown:
            for path in (request.notebooks, *request.notebooks.rglob("*")):
                os.chown(path, user.uid, user.gid, follow_symlinks=False)
    if user.needs_chown:
        grant_read_access([request.sample / part for part in ("tables", "weights")], gid=user.gid)


def _build_service(
    request: NotebookRequest, password: str, user: engine_api.ContainerUser
) -> docker_services.ServiceSpec:
    service = docker_services.ServiceSpec(
        name=f"{request.name}-{NOTEBOOK_SERVICE}",
        image=request.image,
        labels={**request.labels, "role": NOTEBOOK_SERVICE},
        port=NOTEBOOK_PORT,
        volumes={"data": services.STATE_PATH},
        secrets={services.PASSWORD_PATH: password.encode()},
        variables={
            "HOME": engine_api.HOME_PATH,
            "TZ": "UTC",
            "SANDBOX_SAMPLE": "/sandbox/sample",
            "SANDBOX_WEIGHTS": "/sandbox/weights",
        },
        mounts=(
            Mount(source=request.sample / "tables", target="/sandbox/sample"),
            Mount(source=request.sample / "weights", target="/sandbox/weights"),
            Mount(source=request.notebooks, target=NOTEBOOKS_PATH, writable=True),
        ),
        command=(
            *("/bin/sh", "-c", RUN_CELLS_COMMAND),
            *("marimo", "edit", "--headless", "--host", "0.0.0.0", "--port", str(NOTEBOOK_PORT)),  # noqa: S104 - in its container
            *("--token-password-file", services.PASSWORD_PATH, "--skip-update-check"),
            *("--timeout", f"{request.idle_seconds / 60:g}", NOTEBOOKS_PATH),
        ),
        workdir=NOTEBOOKS_PATH,
        user=str(user),
        tmpfs={engine_api.HOME_PATH: f"rw,nosuid,nodev,mode=0700,uid={user.uid},gid={user.gid},size=256m"},
        memory_bytes=request.memory_bytes,
        cpus=request.cpus,
    )
    config = hash_json(
        {
            "body": docker_services.build_service_body(service),
            "password": password,
            "version": SERVICE_VERSION,
        }
    )
    return dataclasses.replace(service, labels={**service.labels, services.CONFIG_LABEL: config})


def _is_ready(port: int) -> bool:
    """Return whether the notebook answers, without a proxy."""
    with contextlib.closing(
        http.client.HTTPConnection(docker_services.LOOPBACK_ADDRESS, port, timeout=PROBE_SECONDS)
    ) as connection:
        try:
            connection.request("GET", "/health")
            with connection.getresponse() as answer:
                return answer.status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
