"""The plugin for pytest: the project's sample in tests, as files, in DuckDB and in Postgres.

Every pytest of an environment with sandbox loads it: a fixture imports what it needs.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

from sandbox.testing.session import TestSession, begin_session, join_session

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

    from sandbox.api import Project, Sample
    from sandbox.testing.assertions import Snapshots
    from sandbox.testing.postgres import SamplePostgres

SESSION_KEY = pytest.StashKey[TestSession]()
REQUIRE_DOCKER = "--sandbox-require-docker"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("sandbox", "sandbox: the project's sample in tests")
    group.addoption("--sandbox-update", action="store_true", help="write the snapshots of data_snapshot again")
    group.addoption(
        REQUIRE_DOCKER,
        action="store_true",
        help="where no container engine answers, fail the tests that need one instead of skipping them",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Begin the session, or join it in a worker of pytest-xdist."""
    config.stash[SESSION_KEY] = join_session() if hasattr(config, "workerinput") else begin_session()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove what the session started, when its last worker has ended."""
    if not hasattr(config, "workerinput") and (session := config.stash.get(SESSION_KEY, None)) is not None:
        session.close()


@pytest.fixture(scope="session")
def sandbox_project(pytestconfig: pytest.Config) -> Project:
    """The project of the ``sandbox.toml`` in pytest's root folder or above; override it for another one."""
    from sandbox.api import open_project  # noqa: PLC0415

    return open_project(pytestconfig.rootpath)


@pytest.fixture(scope="session")
def sandbox_sample(sandbox_project: Project) -> Sample:
    """The project's sample: found, pulled or drawn, as ``sandbox sample`` does."""
    return sandbox_project.sample()


@pytest.fixture
def sandbox_duckdb(sandbox_sample: Sample) -> Iterator[duckdb.DuckDBPyConnection]:
    """A new DuckDB connection with a view for each table of the sample."""
    with sandbox_sample.duckdb() as connection:
        yield connection


@pytest.fixture(scope="session")
def sandbox_postgres_server(
    sandbox_project: Project, sandbox_sample: Sample, pytestconfig: pytest.Config
) -> Iterator[SamplePostgres]:
    """The stack's Postgres with the sample, started once for a session."""
    if importlib.util.find_spec("testcontainers") is None:
        pytest.fail("sandbox_postgres needs testcontainers: pip install 'testcontainers>=4.15'", pytrace=False)
    from sandbox.containers.docker.client import open_client  # noqa: PLC0415
    from sandbox.errors import ContainerEngineError  # noqa: PLC0415
    from sandbox.testing.postgres import ensure_server  # noqa: PLC0415

    try:
        open_client().close()
    except ContainerEngineError as error:
        give_up = pytest.fail if pytestconfig.getoption(REQUIRE_DOCKER) else pytest.skip
        give_up(f"no container engine answers: {error.message}")
    session = pytestconfig.stash[SESSION_KEY]
    with session.open_folder() as folder:
        yield ensure_server(sandbox_project.config, sandbox_sample.result.sample, session, folder)


@pytest.fixture
def sandbox_postgres(sandbox_postgres_server: SamplePostgres, pytestconfig: pytest.Config) -> Iterator[str]:
    """The URL of a new Postgres database with the sample; the test may change it."""
    with sandbox_postgres_server.clone_database(dict(pytestconfig.stash[SESSION_KEY].owner)) as url:
        yield url


@pytest.fixture
def data_snapshot(request: pytest.FixtureRequest) -> Snapshots:
    """A function that compares a table with its snapshot; ``--sandbox-update`` writes it."""
    from sandbox.testing.assertions import Snapshots  # noqa: PLC0415

    return Snapshots(
        folder=request.path.parent / "snapshots" / request.path.stem,
        test=request.node.name,
        update=bool(request.config.getoption("--sandbox-update")),
    )
