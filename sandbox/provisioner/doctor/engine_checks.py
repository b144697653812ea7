"""Checks of the container engine: it runs containers rather than guessing."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.containers import ownership
from sandbox.containers.docker import images
from sandbox.containers.docker.client import connect, translated
from sandbox.containers.docker.runtime import DockerRuntime
from sandbox.containers.protocol import LABEL, Job, Mount
from sandbox.model import Environment, Limits
from sandbox.provisioner.doctor import address_pool, trial_results
from sandbox.provisioner.doctor.check import Check, bad, carried_out, good, unchecked
from sandbox.provisioner.doctor.machine_checks import space
from sandbox.provisioner.images import base as bases
from sandbox.scratch import scratch
from sandbox.store.folder import staging

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from sandbox.model import Outcome

ENGINE = "container engine"
BASE = "base image"
ALWAYS = ("images", "space for images", address_pool.NAME, trial_results.CLOCK)
RUNNING = (
    "build",
    trial_results.OWNERSHIP,
    trial_results.MEMORY,
    trial_results.PROCESSES,
    trial_results.NETWORK,
)
MEMORY_BYTES = 96 * 2**20
PIDS = 32
CREATE = "sandbox create"

_TAKE_MEMORY = (
    f"exec python3 -c 'b = bytearray({2 * MEMORY_BYTES}); b[::4096] = b\"x\" * len(b[::4096]); print(len(b))'"
)
_TAKE_PROCESSES = "for i in $(seq 200); do sleep 5 & done; wait"
_NO_ROUTE = "test $(wc -l </proc/net/route) -le 1"  # but for the line of titles
_SEE_NETWORK = (
    "cat /proc/net/dev; exec python3 -c 'import socket; socket.create_connection((\"1.1.1.1\", 53), 2)'"
)


def engine(home: Path) -> list[Check]:
    """Check the engine, then what needs it; what cannot be checked says what stands in the way."""
    runtime = DockerRuntime()
    answers = carried_out(ENGINE, lambda: good(ENGINE, runtime.check()))
    if not answers.ok:
        return [answers, *(unchecked(name, "no engine answers") for name in (BASE, *ALWAYS, *RUNNING))]
    with contextlib.closing(connect()) as client:
        answers = good(ENGINE, f"{answers.detail}, API {client.api.api_version}")
        return [answers, *_dependent(runtime, client, home)]


def _dependent(runtime: DockerRuntime, client: images.Client, home: Path) -> list[Check]:
    base = _present_base(client)
    always: dict[str, Callable[[], Check]] = {
        "images": lambda: _images(client),
        "space for images": lambda: _space(client),
        address_pool.NAME: lambda: address_pool.pool(client),
        trial_results.CLOCK: lambda: _clock(client),
    }
    found = [_base(base), *(carried_out(name, always[name], trial_results.LOG) for name in ALWAYS)]
    if base is None:
        return [*found, *(unchecked(name, "there is no base image") for name in RUNNING)]
    trial = _Trial(runtime, base, home)
    running: dict[str, Callable[[], Check]] = {
        "build": lambda: _build(client, base),
        trial_results.OWNERSHIP: trial.ownership,
        trial_results.MEMORY: trial.memory,
        trial_results.PROCESSES: trial.processes,
        trial_results.NETWORK: trial.network,
    }
    return [*found, *(carried_out(name, running[name], trial_results.LOG) for name in RUNNING)]


def _present_base(client: images.Client) -> str | None:
    return next((one for one in (bases.MADE, bases.OFFICIAL) if images.find(client, one)), None)


def _base(base: str | None) -> Check:
    if base is None:
        return bad(BASE, "not there yet; it is needed to build offline", CREATE)
    return good(BASE, base.partition("@")[0])


def _images(client: images.Client) -> Check:
    found = [image for image in images.ours(client, {"role": "image"}) if image.tags]
    if not found:
        return bad("images", "none is built yet; one is needed to run offline", CREATE)
    names = sorted(tag for image in found for tag in image.tags)
    total = sum(image.bytes for image in found) / 1e9
    return good("images", f"{len(names)} built, {total:.1f} GB", names)


def _space(client: images.Client) -> Check:
    with translated("ask the Docker Engine where its images lie"):
        place = Path(str(client.info().get("DockerRootDir") or "/"))
    if not place.exists():  # in a virtual machine, as with Docker Desktop
        return unchecked("space for images", f"{place} is not on this machine's own disk")
    return space("space for images", place)


def _clock(client: images.Client) -> Check:
    with translated("ask the Docker Engine for its time"):
        said = str(client.info().get("SystemTime", ""))
    return trial_results.clock(said, now=dt.datetime.now(dt.UTC))


def _build(client: images.Client, base: str) -> Check:
    tag = f"sandbox/doctor:{uuid.uuid4().hex[:12]}"
    # With its owner in it, what is left of a check that was killed is known: see `unused_images.left`.
    labels = {"managed": "true", "role": "doctor", **ownership.current().labels}
    with scratch("doctor") as context:
        lines = [
            "ARG BASE",
            "FROM ${BASE}",
            *(f'LABEL "{LABEL}.{name}"="{value}"' for name, value in labels.items()),
            "COPY built /built",
            f"RUN test -s /built && {_NO_ROUTE}",
        ]
        (context / "Dockerfile").write_text("\n".join(lines) + "\n", "utf-8")
        (context / "built").write_text("built\n", "utf-8")
        built = images.build(
            client, context, tag=tag, arguments={"BASE": base}, labels={}, step=lambda _: None
        )
    images.remove(client, built)
    return good("build", "an image was built with no network")


class _Trial:
    """Jobs in the base image that show whether the runtime keeps its promises."""

    def __init__(self, runtime: DockerRuntime, base: str, home: Path) -> None:
        self._runtime = runtime
        self._home = home
        self._environment = Environment(
            id="0" * 64, runtime="docker", reference=base, platform="", python="3.13", base=base
        )

    def ownership(self) -> Check:
        """Check that what a job makes belongs to the caller, and can be read."""
        with self._folder() as folder:
            outcome, said = self._run("echo made >file", folder)
            made = folder / "file"
            whose = made.stat().st_uid if made.exists() else None
        return trial_results.ownership(outcome, said, owner=whose, caller=os.getuid())

    def memory(self) -> Check:
        """Check that a job that takes too much memory is ended."""
        return trial_results.memory(*self._tried(_TAKE_MEMORY))

    def processes(self) -> Check:
        """Check that a job cannot start processes without end."""
        return trial_results.processes(*self._tried(_TAKE_PROCESSES), most=PIDS)

    def network(self) -> Check:
        """Check that a job sees no network but its own loopback."""
        return trial_results.network(*self._tried(_SEE_NETWORK))

    def _tried(self, command: str) -> tuple[Outcome, str]:
        with self._folder() as folder:
            return self._run(command, folder)

    def _folder(self) -> AbstractContextManager[Path]:
        """Give a folder where samples lie, because an engine in a virtual machine sees only some of the disk."""
        return staging(self._home, label="doctor")

    def _run(self, command: str, folder: Path) -> tuple[Outcome, str]:
        said: list[bytes] = []
        place = Mount(source=folder, target="/work", writable=True)
        job = Job(
            name=f"sbx-doctor-{uuid.uuid4().hex[:12]}",
            labels={"role": "doctor"},
            environment=self._environment,
            command=command,
            workdir=place,
            mounts=(place,),
            variables={},
            limits=Limits(cpus=1, memory_bytes=MEMORY_BYTES, timeout_seconds=30, pids=PIDS),
        )
        outcome = self._runtime.run(job, stdout=said.append, stderr=said.append)
        return outcome, b"".join(said).decode("utf-8", "replace")
