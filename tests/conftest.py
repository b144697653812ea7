"""A small project to run the command on, and what the command needs."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from sandbox.config.ci import TARGET_BRANCH_VARIABLES
from tests.projects import Shop, create_customer_shop
from tests.requirements import IN_CI, skip_or_fail
from tests.schedule import report_slow_tests, sort_tests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _pytest.terminal import TerminalReporter
    from playwright.sync_api import Browser

    from tests.integration.sources.server import Server

CHROMIUM_FLAGS = [
    "--no-sandbox",  # Chromium refuses its own sandbox to root, whom containers and CI often are
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Machines are shared: no test may fail because an example took long. In CI the examples are always the same.
settings.register_profile("project", deadline=None, derandomize=IN_CI)
settings.load_profile("project")


@pytest.hookimpl(tryfirst=True)  # before the groups become part of the tests' names
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    sort_tests(items)


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    report_slow_tests(terminalreporter)


@pytest.fixture(scope="session", autouse=True)
def user_environment() -> Iterator[None]:
    """Remove the variables of continuous integration, which change what commands do."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CI", *TARGET_BRANCH_VARIABLES):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def sandbox_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give one ``$SANDBOX_HOME`` for the whole run of the tests: environments are made once, by one worker."""
    base = tmp_path_factory.getbasetemp()
    place = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return place / "sandbox-home"


@pytest.fixture
def shop(tmp_path: Path, sandbox_home: Path) -> Shop:
    """Give a project with 400 customers, 2,000 orders and a pipeline of one output, in a path that is hard to quote."""
    return create_customer_shop(tmp_path, sandbox_home)


@pytest.fixture
def engine() -> str:
    """Make sure that a Docker Engine answers; elsewhere than in CI a test is skipped without one."""
    found = shutil.which("docker")
    answers = found and subprocess.run([found, "info"], capture_output=True, check=False).returncode == 0
    if not answers:
        skip_or_fail("no Docker Engine answers; to get one: make engine")
    return "docker"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """Give one server of Postgres for the whole run; each test has a database of its own."""
    from tests.integration.sources.server import started  # noqa: PLC0415 - for those that ask for it

    # Not pytest's own folder, which only its owner may enter: the server has a user of its own.
    with tempfile.TemporaryDirectory(prefix="sandbox-pg-") as folder:
        Path(folder).chmod(0o755)
        with started(Path(folder) / "server") as server:
            yield server


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """Give the address of an S3 server for the whole run; each test has a bucket of its own."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - slow to import, for those that ask for it

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def baseball() -> Path:
    """Give the folder of the baseball tables, which lie beside the repository."""
    folder = Path(__file__).parents[2] / "shared" / "data" / "baseball"
    if not folder.is_dir():
        skip_or_fail(f"the baseball tables are not there: {folder}")
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Give Chromium; elsewhere than in CI a test is skipped without one."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for path in map(shutil.which, names) if path), None)
    if found is None:
        skip_or_fail("no Chromium is there; to get one: tests/browser/chromium.sh")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - slow to import, for those that ask for it

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=CHROMIUM_FLAGS)
        yield started
        started.close()
