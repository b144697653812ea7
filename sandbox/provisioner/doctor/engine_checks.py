"""Checks of the container engine, by running containers."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.containers import ownership
from sandbox.containers.docker import images
from sandbox.containers.docker.client import open_client, translate_errors
from sandbox.containers.docker.runtime import DockerRuntime
from sandbox.containers.protocol import LABEL_PREFIX, Job, Mount
from sandbox.model import Environment, ResourceLimits
from sandbox.provisioner.doctor import address_pool, trial_results
from sandbox.provisioner.doctor.check import DoctorCheck, fail_check, pass_check, run_check, skip_check
from sandbox.provisioner.doctor.machine_checks import check_space
from sandbox.provisioner.images import base as bases
from sandbox.scratch import make_scratch_folder
from sandbox.store.folder import make_staging_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from sandbox.model import JobResult

ENGINE_CHECK = "container engine"
BASE_CHECK = "base image"
ENGINE_CHECKS = ("images", "space for images", address_pool.POOL_CHECK, trial_results.CLOCK_CHECK)
TRIAL_CHECKS = (
    "build",
    trial_results.OWNERSHIP_CHECK,
    trial_results.MEMORY_CHECK,
    trial_results.PROCESSES_CHECK,
    trial_results.NETWORK_CHECK,
)
TRIAL_MEMORY_BYTES = 96 * 2**20
TRIAL_PIDS = 32
CREATE_COMMAND = "sandbox create"

_MEMORY_COMMAND = (
    f"exec python3 -c 'b = bytearray({2 * TRIAL_MEMORY_BYTES}); b[::4096] = b\"x\" * len(b[::4096]); print(len(b))'"
)
_PROCESSES_COMMAND = "for i in $(seq 200); do sleep 5 & done; wait"
_NO_ROUTE_TEST = "test $(wc -l </proc/net/route) -le 1"  # apart from the header
_NETWORK_COMMAND = "cat /proc/net/dev; exec python3 -c 'import socket; socket.create_connection((\"1.1.1.1\", 53), 2)'"


def check_engine(home: Path) -> list[DoctorCheck]:
    """Check the container engine, then its functions; skipped checks name the failed prerequisite."""
    runtime = DockerRuntime()
    answers = run_check(ENGINE_CHECK, lambda: pass_check(ENGINE_CHECK, runtime.check()))
    if not answers.ok:
        return [
            answers,
            *(skip_check(name, "no engine answers") for name in (BASE_CHECK, *ENGINE_CHECKS, *TRIAL_CHECKS)),
        ]
    with contextlib.closing(open_client()) as client:
        answers = pass_check(ENGINE_CHECK, f"{answers.detail}, API {client.api.api_version}")
        return [answers, *_run_dependent_checks(runtime, client, home)]


def _run_dependent_checks(runtime: DockerRuntime, client: images.Client, home: Path) -> list[DoctorCheck]:
    base = _find_base_reference(client)
    always: dict[str, Callable[[], DoctorCheck]] = {
        "images": lambda: _check_images(client),
        "space for images": lambda: _check_image_space(client),
        address_pool.POOL_CHECK: lambda: address_pool.check_address_pool(client),
        trial_results.CLOCK_CHECK: lambda: _check_clock(client),
    }
    checks = [
        _check_base(base),
        *(run_check(name, always[name], trial_results.LOG_HINT) for name in ENGINE_CHECKS),
    ]
    if base is None:
        return [*checks, *(skip_check(name, "there is no base image") for name in TRIAL_CHECKS)]
    trial = _Trial(runtime, base, home)
    running: dict[str, Callable[[], DoctorCheck]] = {
        "build": lambda: _check_build(client, base),
        trial_results.OWNERSHIP_CHECK: trial.check_ownership,
        trial_results.MEMORY_CHECK: trial.check_memory,
        trial_results.PROCESSES_CHECK: trial.check_processes,
        trial_results.NETWORK_CHECK: trial.check_network,
    }
    return [*checks, *(run_check(name, running[name], trial_results.LOG_HINT) for name in TRIAL_CHECKS)]


def _find_base_reference(client: images.Client) -> str | None:
    return next((name for name in (bases.LOCAL_BASE, bases.OFFICIAL_BASE) if images.find_image(client, name)), None)


def _check_base(base: str | None) -> DoctorCheck:
    if base is None:
        return fail_check(BASE_CHECK, "not there yet; it is needed to build offline", CREATE_COMMAND)
    return pass_check(BASE_CHECK, base.partition("@")[0])


def _check_images(client: images.Client) -> DoctorCheck:
    tagged = [image for image in images.list_images(client, {"role": "image"}) if image.tags]
    if not tagged:
        return fail_check("images", "none is built yet; one is needed to run offline", CREATE_COMMAND)
    names = sorted(tag for image in tagged for tag in image.tags)
    total = sum(image.bytes for image in tagged) / 1e9
    return pass_check("images", f"{len(names)} built, {total:.1f} GB", names)


def _check_image_space(client: images.Client) -> DoctorCheck:
    with translate_errors("ask the Docker Engine where its images lie"):
        path = Path(str(client.info().get("DockerRootDir") or "/"))
    if not path.exists():  # in a virtual machine, as with Docker Desktop
        return skip_check("space for images", f"{path} is not on this machine's own disk")
    return check_space("space for images", path)


def _check_clock(client: images.Client) -> DoctorCheck:
    with translate_errors("ask the Docker Engine for its time"):
        engine_time = str(client.info().get("SystemTime", ""))
    return trial_results.judge_clock(engine_time, now=dt.datetime.now(dt.UTC))


def _check_build(client: images.Client, base: str) -> DoctorCheck:
    tag = f"sandbox/doctor:{uuid.uuid4().hex[:12]}"
    # The owner's label identifies leftovers of a killed check: see
    # `sandbox.provisioner.images.image_usage.list_leftovers`.
    labels = {"managed": "true", "role": "doctor", **ownership.identify_owner().labels}
    with make_scratch_folder("doctor") as context:
        lines = [
            "ARG BASE",
            "FROM ${BASE}",
            *(f'LABEL "{LABEL_PREFIX}.{name}"="{value}"' for name, value in labels.items()),
            "COPY built /built",
            f"RUN test -s /built && {_NO_ROUTE_TEST}",
        ]
        (context / "Dockerfile").write_text("\n".join(lines) + "\n", "utf-8")
        (context / "built").write_text("built\n", "utf-8")
        built = images.build_image(client, context, tag=tag, arguments={"BASE": base}, labels={}, step=lambda _: None)
    images.remove_image(client, built)
    return pass_check("build", "an image was built with no network")


class _Trial:
    """Jobs in the base image that test the runtime's isolation."""

    def __init__(self, runtime: DockerRuntime, base: str, home: Path) -> None:
        self._runtime = runtime
        self._home = home
        self._environment = Environment(
            id="0" * 64, runtime="docker", reference=base, platform="", python="3.13", base=base
        )

    def check_ownership(self) -> DoctorCheck:
        """Check that files created by a job belong to the caller and are readable."""
        with self._make_folder() as folder:
            outcome, output = self._run_command("echo made >file", folder)
            created = folder / "file"
            owner = created.stat().st_uid if created.exists() else None
        return trial_results.judge_ownership(outcome, output, owner=owner, caller=os.getuid())

    def check_memory(self) -> DoctorCheck:
        """Check that a job over its memory limit is killed."""
        return trial_results.judge_memory(*self._run_in_new_folder(_MEMORY_COMMAND))

    def check_processes(self) -> DoctorCheck:
        """Check that a job cannot exceed its process limit."""
        return trial_results.judge_processes(*self._run_in_new_folder(_PROCESSES_COMMAND), most=TRIAL_PIDS)

    def check_network(self) -> DoctorCheck:
        """Check that a job has only a loopback network."""
        return trial_results.judge_network(*self._run_in_new_folder(_NETWORK_COMMAND))

    def _run_in_new_folder(self, command: str) -> tuple[JobResult, str]:
        with self._make_folder() as folder:
            return self._run_command(command, folder)

    def _make_folder(self) -> AbstractContextManager[Path]:
        """Return a folder beside the samples: a container engine in a virtual machine sees only parts of the disk."""
        return make_staging_folder(self._home, label="doctor")

    def _run_command(self, command: str, folder: Path) -> tuple[JobResult, str]:
        output: list[bytes] = []
        mount = Mount(source=folder, target="/work", writable=True)
        job = Job(
            name=f"sbx-doctor-{uuid.uuid4().hex[:12]}",
            labels={"role": "doctor"},
            environment=self._environment,
            command=command,
            workdir=mount,
            mounts=(mount,),
            variables={},
            limits=ResourceLimits(cpus=1, memory_bytes=TRIAL_MEMORY_BYTES, timeout_seconds=30, pids=TRIAL_PIDS),
        )
        outcome = self._runtime.run(job, stdout=output.append, stderr=output.append)
        return outcome, b"".join(output).decode("utf-8", "replace")
