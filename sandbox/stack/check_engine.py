"""Checks of the container engine: it runs containers rather than guessing."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.containers import docker_images as images
from sandbox.containers import owner
from sandbox.containers.docker import DockerRuntime
from sandbox.containers.docker_client import connect, translated
from sandbox.containers.protocol import Job, Mount
from sandbox.model import Ending, Environment, Limits
from sandbox.stack import base as bases
from sandbox.stack import check_pool
from sandbox.stack.check_machine import space
from sandbox.stack.checks import Check, bad, carried_out, good, unchecked
from sandbox.store.folder import reported

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox.model import Outcome

ENGINE = "container engine"
BASE = "base image"
ALWAYS = ("images", "space for images", check_pool.NAME, "what was left behind", "engine's clock")
RUNNING = ("build", "files belong to you", "memory limit", "process limit", "no network")
MEMORY_BYTES = 96 * 2**20
PIDS = 32
DRIFT_SECONDS = 5.0
CREATE = "sandbox create"

_TAKE_MEMORY = (
    f"exec python3 -c 'b = bytearray({2 * MEMORY_BYTES}); b[::4096] = b\"x\" * len(b[::4096]); print(len(b))'"
)
_TAKE_PROCESSES = "for i in $(seq 200); do sleep 5 & done; wait"
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
        check_pool.NAME: lambda: check_pool.pool(client),
        "what was left behind": lambda: _left(runtime),
        "engine's clock": lambda: _clock(client),
    }
    found = [_base(base), *(carried_out(name, always[name]) for name in ALWAYS)]
    if base is None:
        return [*found, *(unchecked(name, "there is no base image") for name in RUNNING)]
    trial = _Trial(runtime, base, home)
    running: dict[str, Callable[[], Check]] = {
        "build": lambda: _build(client, base),
        "files belong to you": trial.ownership,
        "memory limit": trial.memory,
        "process limit": trial.processes,
        "no network": trial.network,
    }
    return [*found, *(carried_out(name, running[name]) for name in RUNNING)]


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
    names = ", ".join(sorted(tag for image in found for tag in image.tags))
    return good("images", f"{names} ({sum(image.bytes for image in found) / 1e9:.1f} GB)")


def _space(client: images.Client) -> Check:
    with translated("ask the Docker Engine where its images lie"):
        place = Path(str(client.info().get("DockerRootDir") or "/"))
    if not place.exists():  # in a virtual machine, as with Docker Desktop
        return unchecked("space for images", f"{place} is not on this machine's own disk")
    return space("space for images", place)


def _left(runtime: DockerRuntime) -> Check:
    name = "what was left behind"
    abandoned = [
        one.name
        for one in runtime.held({})
        if one.kind == "container" and (owning := owner.named(one.labels)) is not None and owning.gone
    ]
    if not abandoned:
        return good(name, "nothing")
    return bad(
        name, f"containers of ended commands: {', '.join(abandoned)}", f"docker rm -f {' '.join(abandoned)}"
    )


def _clock(client: images.Client) -> Check:
    with translated("ask the Docker Engine for its time"):
        said = str(client.info().get("SystemTime", ""))
    # Nine digits of a second are more than Python reads.
    theirs = dt.datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", said))
    drift = abs((dt.datetime.now(dt.UTC) - theirs).total_seconds())
    if drift <= DRIFT_SECONDS:
        return good("engine's clock", "agrees with this machine's")
    return bad("engine's clock", f"differs from this machine's by {drift:.0f} s", "restart Docker")


def _build(client: images.Client, base: str) -> Check:
    tag = f"sandbox/doctor:{uuid.uuid4().hex[:12]}"
    with tempfile.TemporaryDirectory(prefix="sandbox-doctor-") as scratch:
        context = Path(scratch)
        lines = [
            "ARG BASE",
            "FROM ${BASE}",
            "COPY built /built",
            "RUN test -s /built && ! test -e /sys/class/net/eth0",
        ]
        (context / "Dockerfile").write_text("\n".join(lines) + "\n", "utf-8")
        (context / "built").write_text("built\n", "utf-8")
        labels = {"managed": "true", "role": "doctor"}
        built = images.build(
            client, context, tag=tag, arguments={"BASE": base}, labels=labels, step=lambda _: None
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
        name = "files belong to you"
        with self._folder() as folder:
            outcome, said = self._run("echo made >file", folder)
            made = folder / "file"
            if outcome.ending is not Ending.SUCCEEDED or not made.exists():
                return bad(
                    name,
                    f"a run could not write to its folder: {said}",
                    "use a folder of a local disk for SANDBOX_HOME",
                )
            uid = made.stat().st_uid
        if uid == os.getuid():
            return good(name, f"a file that a run made belongs to user {uid}")
        return bad(
            name,
            f"a file that a run made belongs to user {uid}, you are {os.getuid()}",
            "use an engine without user remapping (userns-remap)",
        )

    def memory(self) -> Check:
        """Check that a job that takes too much memory is ended."""
        with self._folder() as folder:
            outcome, _ = self._run(_TAKE_MEMORY, folder)
        if outcome.ending is Ending.OUT_OF_MEMORY:
            return good("memory limit", "a run that took too much was ended")
        return bad(
            "memory limit",
            f"a run that took too much {outcome.ending.value.replace('_', ' ')}",
            "enable the memory controller of control groups, then restart the machine",
        )

    def processes(self) -> Check:
        """Check that a job cannot start processes without end."""
        with self._folder() as folder:
            outcome, said = self._run(_TAKE_PROCESSES, folder)
        if "fork" in said.lower() or "resource" in said.lower():
            return good("process limit", f"a run could not start more than {PIDS}")
        return bad(
            "process limit",
            f"a run started 200 processes ({outcome.ending.value})",
            "enable the pids controller of control groups, then restart the machine",
        )

    def network(self) -> Check:
        """Check that a job sees no network but its own loopback."""
        with self._folder() as folder:
            outcome, said = self._run(_SEE_NETWORK, folder)
        devices = [
            line.partition(":")[0].strip() for line in said.splitlines() if re.match(r"\s*\w+:\s+\d", line)
        ]
        wired = [
            one
            for one in devices
            if one != "lo" and not one.startswith(("tunl", "sit", "ip6", "gre", "erspan", "ip_vti"))
        ]
        if devices and not wired and outcome.ending is Ending.FAILED and "OSError" in said:
            return good("no network", "a run has only its own loopback, and reaches nothing")
        return bad(
            "no network",
            f"a run sees {', '.join(devices) or 'no devices at all'} and {outcome.ending.value} to connect",
            "see whether the engine has a plugin that adds networks: docker info",
        )

    @contextlib.contextmanager
    def _folder(self) -> Iterator[Path]:
        """Give a folder where samples lie, because an engine in a virtual machine sees only some of the disk."""
        with reported(self._home):
            self._home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".doctor-", dir=self._home) as folder:
            yield Path(folder)

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
