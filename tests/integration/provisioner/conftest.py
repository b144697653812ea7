"""What the tests of the stack share: an engine with a base image, a home, and a lock of one small library."""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.containers.docker.client import open_client
from sandbox.errors import ContainerEngineError
from sandbox.manifest.lock import LockDocument, LockedLibrary, PlatformLock
from sandbox.model import SilentProgress
from sandbox.provisioner.images import base as bases
from sandbox.provisioner.local import interpreters
from sandbox.provisioner.lock import pins
from sandbox.provisioner.lock.request import StackRequest
from sandbox.provisioner.lock.resolver import compute_inputs
from tests.requirements import skip_or_fail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sandbox.containers.docker import images

SMALL = "tzdata"


class Watched(SilentProgress):
    """Progress that remembers its steps."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.said: list[str] = []

    @contextlib.contextmanager
    def step(self, name: str, *, total: float | None = None, unit: str = "") -> Iterator[Callable[[float], None]]:
        self.steps.append(name)
        yield lambda _: None

    def print_message(self, message: str) -> None:
        self.said.append(message)


@pytest.fixture
def progress() -> Watched:
    return Watched()


@pytest.fixture(scope="session")
def watched() -> type[Watched]:
    return Watched


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def engine(home: Path) -> Iterator[images.Client]:
    """A Docker Engine that holds a base image."""
    try:
        client = open_client()
    except ContainerEngineError as error:
        skip_or_fail(f"{error.message}; get one with: make engine")
    with contextlib.closing(client):
        bases.ensure_base(client, None, home=home, progress=SilentProgress())
        yield client


@pytest.fixture(scope="session")
def printed(engine: images.Client) -> Callable[..., bytes]:
    """What a command prints in a container of an image, with no network.

    It is read after the end: Engine 20.10 sometimes gives a reader that follows a short container nothing at all.
    """

    def one(image: str, command: list[str], **options: Any) -> bytes:
        container = engine.containers.create(image, command, network_mode="none", **options)
        try:
            container.start()
            status = container.wait()["StatusCode"]
            assert status == 0, container.logs().decode("utf-8", "replace")
            output: bytes = container.logs(stdout=True, stderr=False)
        finally:
            container.remove(force=True)
        return output

    return one


@pytest.fixture
def plain() -> StackRequest:
    return StackRequest(image="python", python="3.13")


@pytest.fixture
def small(plain: StackRequest) -> LockDocument:
    """A lock of one small library that no other test's lock equals, so that its environment is really made."""
    return _small_lock(plain)


@pytest.fixture(scope="session")
def small_lock() -> Callable[[StackRequest], LockDocument]:
    return _small_lock


def _small_lock(plain: StackRequest) -> LockDocument:
    unique = f"sha256:{secrets.token_hex(32)}"
    platforms = {}
    for target in (*pins.list_targets(plain.python), interpreters.build_host_target(plain.python)):
        libraries = [
            LockedLibrary(name=one.name, version=one.version, hashes=sorted([*one.hashes, unique]))
            for one in pins.read_image_pins(plain.image, target)
            if one.name == SMALL
        ]
        platforms[pins.format_platform_key(target, plain.python)] = PlatformLock(
            python=target.python, libraries=libraries
        )
    return LockDocument(inputs=compute_inputs(plain), platforms=platforms)


@pytest.fixture
def no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that pip or uv would ask answers."""
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_DEFAULT_INDEX"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("UV_NO_CACHE", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
