"""Requirements of runs on any image, tested in a container like that of a run."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from sandbox.containers.docker.client import translate_errors
from sandbox.containers.docker.runtime import DockerRuntime
from sandbox.containers.protocol import Job, Mount
from sandbox.errors import ContainerEngineError
from sandbox.model import ResourceLimits, RunOutcome
from sandbox.provisioner.doctor.check import DoctorCheck, fail_check, pass_check
from sandbox.store.folder import make_staging_folder

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.containers.docker.images import Client
    from sandbox.model import Environment
    from sandbox.provisioner.images.custom_image import CustomImage

SHELL_CHECK = "own image: shell"
VOLUMES_CHECK = "own image: volumes"
FOLDERS_CHECK = "own image: folders"
PYTHON_CHECK = "own image: python"
TRIAL_SECONDS = 60.0
TRIAL_MEMORY_BYTES = 512 * 2**20

# Each line of output names a missing feature.
_TRIAL_SCRIPT = """
echo begun
{ echo made > "$HOME/made"; } 2>&- || echo "missing home"
{ echo made > /tmp/made; } 2>&- || echo "missing tmp"
{ echo made > /sandbox/output/made; } 2>&- || echo "missing output"
cat /sandbox/sample/given > /dev/null 2>&1 || echo "missing sample"
python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>&- || echo "missing python"
echo ended
"""


def check_contract(
    client: Client, environment: Environment, *, custom_image: CustomImage, python: bool, home: Path
) -> None:
    """Check that runs can use an image.

    Raises:
        ContainerEngineError: They cannot; the message names everything missing.
    """
    missing = [
        check for check in run_contract_checks(client, environment, python=python, home=home) if check.ok is False
    ]
    if missing:
        lines = "".join(f"\n  {check.detail}" for check in missing)
        raise ContainerEngineError(
            f"runs cannot use the image {custom_image.name}:{lines}", hint="\n".join(check.fix for check in missing)
        )


def run_contract_checks(client: Client, environment: Environment, *, python: bool, home: Path) -> list[DoctorCheck]:
    """Test the requirements of runs on an image.

    ``python``: whether runs need a ``python`` in it. ``home`` is a folder visible to the container engine.
    """
    with translate_errors(f"look at the image {environment.reference}"):
        config = client.api.inspect_image(environment.reference).get("Config") or {}
    volumes = sorted(config.get("Volumes") or {})
    checks = [
        fail_check(
            VOLUMES_CHECK,
            f"it declares volumes, which a run could write to and which would stay on this disk: {', '.join(volumes)}",
            "take VOLUME out of its Dockerfile, and out of what it builds on",
        )
        if volumes
        else pass_check(VOLUMES_CHECK, "none is declared")
    ]
    ending, output = _run_trial(environment, home)
    lines = output.splitlines()
    if "begun" not in lines or ending is not RunOutcome.SUCCEEDED:
        reason = lines[-1] if lines else f"it {ending.value.replace('_', ' ')}"
        fix = "give it a /bin/sh that any user may start; an image FROM scratch has none"
        return [*checks, fail_check(SHELL_CHECK, f"the command of a run cannot be started: {reason}", fix)]
    checks.append(pass_check(SHELL_CHECK, "/bin/sh starts as a user without rights"))
    wrong = [name for name in ("home", "tmp", "output", "sample") if f"missing {name}" in lines]
    checks.append(
        fail_check(
            FOLDERS_CHECK,
            f"a run cannot use its {', '.join(wrong)}",
            "keep /home, /tmp and /sandbox free of links and files of the image's own",
        )
        if wrong
        else pass_check(FOLDERS_CHECK, "home, /tmp, the sample and the output are as in every run")
    )
    if python:
        checks.append(
            fail_check(
                PYTHON_CHECK,
                "there is no python of 3.11 or later on its PATH",
                'install one, or leave kind = "dbt" and inputs = ["duckdb"] out, which need it',
            )
            if "missing python" in lines
            else pass_check(PYTHON_CHECK, "there is one on its PATH")
        )
    return checks


def _run_trial(environment: Environment, home: Path) -> tuple[RunOutcome, str]:
    chunks: list[bytes] = []
    with make_staging_folder(home, label="contract") as folder:
        folders = {name: folder / name for name in ("code", "sample", "output")}
        for path in folders.values():
            path.mkdir()
        (folders["sample"] / "given").write_text("given\n", "utf-8")
        code, sample, output = (
            Mount(source=path, target=f"/sandbox/{name}", writable=name == "output") for name, path in folders.items()
        )
        job = Job(
            name=f"sbx-contract-{uuid.uuid4().hex[:12]}",
            labels={"role": "contract"},
            environment=environment,
            command=_TRIAL_SCRIPT,
            workdir=code,
            mounts=(code, sample, output),
            variables={},
            limits=ResourceLimits(cpus=1, memory_bytes=TRIAL_MEMORY_BYTES, timeout_seconds=TRIAL_SECONDS),
        )
        try:
            outcome = DockerRuntime().run(job, stdout=chunks.append, stderr=chunks.append)
        except ContainerEngineError as error:
            return RunOutcome.FAILED, error.message
    return outcome.ending, b"".join(chunks).decode("utf-8", "replace")
