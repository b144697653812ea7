from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from sandbox.containers.docker.client import open_client
from sandbox.containers.docker.runtime import DockerRuntime
from sandbox.containers.fake import FakeProcess, FakeRuntime
from sandbox.containers.local.runtime import LocalRuntime
from sandbox.containers.protocol import Job, Mount, Runtime, StopEvent
from sandbox.errors import ContainerEngineError
from sandbox.model import Environment, JobResult, ResourceLimits, RuntimeName
from tests.requirements import skip_or_fail
from tests.waiting import NEVER_SECONDS, PATIENCE_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = "sandbox/base:trixie"
GRACE = 0.5
Act = Callable[[FakeProcess], int | None]


@dataclass(kw_only=True)
class Result:
    outcome: JobResult
    stdout: bytes
    stderr: bytes


@dataclass(kw_only=True)
class Bench:
    """A runtime, and three folders to use with it: `code` and `sample` to read, `output` to write."""

    runtime: Runtime
    environment: Environment
    code: Mount
    sample: Mount
    output: Mount
    script: dict[str, Act] = field(default_factory=dict)
    token: str = field(default_factory=lambda: uuid.uuid4().hex[:12])

    def job(
        self,
        command: str,
        played: Act = lambda _: None,
        *,
        name: str = "run",
        seconds: float = PATIENCE_SECONDS,
        memory: int = 256 * 2**20,
        variables: Mapping[str, str] | None = None,
        mounts: tuple[Mount, ...] = (),
    ) -> Job:
        self.script[command] = played
        return Job(
            name=f"sbx-test-{self.token}-{name}",
            labels={"role": "run", "run": self.token},
            environment=self.environment,
            command=command,
            workdir=self.code,
            mounts=(self.code, self.sample, self.output, *mounts),
            variables=variables or {},
            limits=ResourceLimits(cpus=2, memory_bytes=memory, timeout_seconds=seconds, pids=128),
        )

    def run(self, job: Job, stop: StopEvent | None = None) -> Result:
        stdout: list[bytes] = []
        stderr: list[bytes] = []
        outcome = self.runtime.run(job, stdout=stdout.append, stderr=stderr.append, stop=stop)
        return Result(outcome=outcome, stdout=b"".join(stdout), stderr=b"".join(stderr))

    @property
    def nap(self) -> str:
        """An argument for `sleep` by which no other test's can be taken for this one's."""
        return f"{NEVER_SECONDS}.{int(self.token, 16) % 10**9:09d}"

    def left(self) -> list[str]:
        return [held.name for held in self.runtime.list_objects({"run": self.token})]


@pytest.fixture(params=[pytest.param("docker", marks=pytest.mark.docker), "local", "fake"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    name: RuntimeName = request.param
    script: dict[str, Act] = {}
    runtime: Runtime
    reference = "fake"
    if name == "docker":
        require_engine()
        runtime, reference = DockerRuntime(grace=GRACE), IMAGE
    elif name == "local":
        runtime, reference = LocalRuntime(grace=GRACE), sys.prefix
    else:
        runtime = FakeRuntime(script)
    folders = {each: tmp_path / "with a space, ünd umlaut" / each for each in ("code", "sample", "output")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    one = Bench(
        runtime=runtime,
        environment=Environment(
            id="0" * 64,
            runtime=name,
            reference=reference,
            platform="linux/amd64",
            python="3.13",
            base=reference,
        ),
        code=Mount(source=folders["code"], target="/sandbox/code"),
        sample=Mount(source=folders["sample"], target="/sandbox/sample"),
        output=Mount(source=folders["output"], target="/sandbox/output", writable=True),
        script=script,
    )
    yield one
    assert not one.left(), "a run left something behind"


def require_engine() -> None:
    try:
        client = open_client()
        found = client.images.list(IMAGE)
        client.close()
    except ContainerEngineError as error:
        skip_or_fail(f"{error.message}; to get one: make engine")
    else:
        if not found:
            skip_or_fail(f"no image {IMAGE}; to get it: make base")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.getuid() != 0:
        skip_or_fail("a file system can only be mounted as root; run the tests as root")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0755", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)
