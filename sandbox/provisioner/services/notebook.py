"""The stack's notebook: marimo on the sample, which it may only read; the notebooks lie in the project."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from sandbox.containers.docker import engine_api as plan
from sandbox.containers.docker import images
from sandbox.containers.docker import services as docker_services
from sandbox.containers.docker.client import connect
from sandbox.containers.local.permissions import show
from sandbox.containers.protocol import Mount
from sandbox.manifest.canonical_json import digest
from sandbox.manifest.lock import Lock, PlatformLock
from sandbox.model import NOTEBOOK
from sandbox.provisioner.images import environment
from sandbox.provisioner.lock import pins
from sandbox.provisioner.lock.request import StackRequest
from sandbox.provisioner.lock.resolver import inputs
from sandbox.provisioner.services import services
from sandbox.store import paths
from sandbox.store.folder import locked, reported, write

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.manifest.lock import BaseImage
    from sandbox.model import Environment, Progress

FIRST = "sample.py"
PORT = 2718
NOTEBOOKS = "/sandbox/notebooks"
PROBE_SECONDS = 2.0
# What the service is: raised when one that runs must be made again although its image and sample are the same.
VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Wanted(services.Wanted):
    """A notebook that a sandbox wants.

    Attributes:
        sample: The folder of the sample.
        notebooks: The folder for the user's notebooks; the first is put there.
        memory_bytes: What it may use.
        address: The file for its address, which holds its token.
    """

    sample: Path
    notebooks: Path
    memory_bytes: int
    address: Path


def image(
    python: str, base: BaseImage | None, *, home: Path, progress: Progress, frozen: bool
) -> Environment:
    """Give the image of the notebook, made of the libraries that this version of sandbox pins.

    Args:
        python: Major and minor.
        base: What ``sandbox.lock`` names.
        home: Where wheels are kept.
        progress: Shows what is made.
        frozen: Refuse another base than the lock names.

    Raises:
        EngineError: It cannot be made.
    """
    request = StackRequest(image=NOTEBOOK, python=python)
    with contextlib.closing(connect()) as client:
        platform = images.platform(client)
    target = pins.Target(platform=platform, python=python, container=True)
    entry = PlatformLock(python=python, libraries=pins.of_image(NOTEBOOK, target), base=base)
    lock = Lock(inputs=inputs(request), platforms={platform: entry})
    return environment.make(request, lock, home=home, progress=progress, frozen=frozen)


def up(wanted: Wanted, *, progress: Progress) -> str:
    """Bring a notebook up, wait until it answers, and give its address, which lets in whoever has it.

    Raises:
        EngineError: The engine does not answer, the service ends or does not become ready; what was made is removed.
    """
    with contextlib.closing(connect()) as client, locked(wanted.state / NOTEBOOK):
        password = services.password(wanted.state)
        user = plan.user(os.getuid(), os.getgid(), rootless=plan.engine(client.about).rootless)
        _lay_out(wanted, user)
        service = _service(wanted, password, user)
        with services.started(client, service) as container:
            port = docker_services.port(client, container, PORT)
            services.wait(client, container, lambda: _answers(port), named="the notebook", progress=progress)
    address = (
        f"http://{docker_services.LOOPBACK}:{port}/?{urlencode({'file': FIRST, 'access_token': password})}"
    )
    write(wanted.address, address, mode=0o600)
    return address


def _lay_out(wanted: Wanted, user: plan.User) -> None:
    """Put the first notebook where there is none, and let the service's user write there."""
    with reported(wanted.notebooks):
        wanted.notebooks.mkdir(parents=True, exist_ok=True)
        if not any(wanted.notebooks.glob("*.py")):
            shutil.copyfile(paths.packaged("templates") / "notebook.py", wanted.notebooks / FIRST)
        if user.lent:
            for place in (wanted.notebooks, *wanted.notebooks.rglob("*")):
                os.chown(place, user.uid, user.gid, follow_symlinks=False)
    if user.lent:
        show([wanted.sample / part for part in ("tables", "weights")])


def _service(wanted: Wanted, password: str, user: plan.User) -> docker_services.Service:
    service = docker_services.Service(
        name=f"{wanted.name}-{NOTEBOOK}",
        image=wanted.image,
        labels={**wanted.labels, "role": NOTEBOOK},
        port=PORT,
        volumes={"data": services.STATE},
        secrets={services.PASSWORD: password.encode()},
        variables={
            "HOME": plan.HOME,
            "TZ": "UTC",
            "SANDBOX_SAMPLE": "/sandbox/sample",
            "SANDBOX_WEIGHTS": "/sandbox/weights",
        },
        mounts=(
            Mount(source=wanted.sample / "tables", target="/sandbox/sample"),
            Mount(source=wanted.sample / "weights", target="/sandbox/weights"),
            Mount(source=wanted.notebooks, target=NOTEBOOKS, writable=True),
        ),
        command=(
            *("marimo", "edit", "--headless", "--host", "0.0.0.0", "--port", str(PORT)),  # noqa: S104 - in its container
            *("--token-password-file", services.PASSWORD, "--skip-update-check"),
            *("--timeout", f"{wanted.idle_seconds / 60:g}", NOTEBOOKS),
        ),
        workdir=NOTEBOOKS,
        user=str(user),
        tmpfs={plan.HOME: f"rw,nosuid,nodev,mode=0700,uid={user.uid},gid={user.gid},size=256m"},
        memory_bytes=wanted.memory_bytes,
        cpus=wanted.cpus,
    )
    config = digest({"body": docker_services.body(service), "password": password, "version": VERSION})
    return dataclasses.replace(service, labels={**service.labels, services.CONFIG: config})


def _answers(port: int) -> bool:
    """Say whether it answers; never by way of a proxy."""
    with contextlib.closing(
        http.client.HTTPConnection(docker_services.LOOPBACK, port, timeout=PROBE_SECONDS)
    ) as connection:
        try:
            connection.request("GET", "/health")
            with connection.getresponse() as answer:
                return answer.status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
