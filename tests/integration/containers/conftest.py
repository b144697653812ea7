from __future__ import annotations

import sys
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import pytest

from sandbox.containers.docker.client import open_client
from sandbox.containers.docker.runtime import DockerRuntime
from sandbox.containers.protocol import Job, Mount, Runtime
from sandbox.errors import ContainerEngineError
from sandbox.model import Environment, JobResult, ResourceLimits, RunOutcome
from tests.requirements import skip_or_fail
from tests.waiting import PATIENCE_SECONDS, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import docker

IMAGE = "sandbox/base:trixie"


@dataclass(kw_only=True)
class Jobs:
    """Makes jobs in a folder of the test's own, and carries them out."""

    folder: Path
    token: str = field(default_factory=lambda: uuid.uuid4().hex[:12])

    def mount(self, name: str, *, writable: bool = False) -> Mount:
        source = self.folder / name
        source.mkdir(exist_ok=True)
        return Mount(source=source, target=f"/sandbox/{name}", writable=writable)

    def job(
        self,
        command: str,
        runtime: Literal["docker", "local"] = "docker",
        *,
        name: str = "run",
        image: str = IMAGE,
        seconds: float = PATIENCE_SECONDS,
        memory: int = 256 * 2**20,
        pids: int = 128,
    ) -> Job:
        reference = image if runtime == "docker" else sys.prefix
        code = self.mount("code")
        return Job(
            name=f"sbx-test-{self.token}-{name}",
            labels={"role": "run", "run": self.token},
            environment=Environment(
                id="0" * 64, runtime=runtime, reference=reference, platform="linux/amd64", python="3", base=""
            ),
            command=command,
            workdir=code,
            mounts=(code, self.mount("sample"), self.mount("output", writable=True)),
            variables={},
            limits=ResourceLimits(cpus=2, memory_bytes=memory, timeout_seconds=seconds, pids=pids),
        )

    def run(self, runtime: Runtime, job: Job) -> tuple[JobResult, str]:
        """Give the outcome and all output, errors included."""
        output: list[bytes] = []
        outcome = runtime.run(job, stdout=output.append, stderr=output.append)
        return outcome, b"".join(output).decode()


@pytest.fixture
def jobs(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Jobs]:
    """After each fault nothing of ours remains, and the next run works."""
    made = Jobs(folder=tmp_path)
    yield made
    if request.node.get_closest_marker("docker") is None or "second_engine" in request.fixturenames:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DOCKER_HOST", raising=False)
        runtime = DockerRuntime()
        outcome, _ = made.run(runtime, made.job("true", name="next"))
        assert outcome.ending is RunOutcome.SUCCEEDED
        # A request that was under way when its owner was killed is still carried out, later where the engine is busy.

        def is_clean() -> bool:
            runtime.remove_leftovers()
            return not runtime.list_objects({"run": made.token})

        wait_until(is_clean)


@pytest.fixture
def engine() -> Iterator[docker.DockerClient]:
    """The engine of this machine, with the base image in it."""
    try:
        client = open_client()
    except ContainerEngineError as error:
        skip_or_fail(f"{error.message}; to get one: make engine")
    try:
        if not client.images.list(IMAGE):
            skip_or_fail(f"no image {IMAGE}; to get it: make base")
        yield client
    finally:
        client.close()
