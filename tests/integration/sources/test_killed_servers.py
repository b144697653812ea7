"""Database servers that are killed in the middle of a draw: the error says so, and nothing is left half-written."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from sandbox.errors import SourceError
from sandbox.model import SilentProgress
from sandbox.sampler.draw.draw import draw_sample
from sandbox.sampler.plan.planner import plan_sample
from tests.integration.sources import mariadb, server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.projects import SourceProject

ONE = """
[sample]
unit = "people"
rate = 0.5
[tables.people]
key = ["id"]
[tables.visits]
key = ["id"]
references = { person = "people.id" }
"""
PEOPLE = pa.table({"id": range(500)})
VISITS = pa.table({"id": range(2000), "person": [number % 500 for number in range(2000)]})


@contextlib.contextmanager
def start_postgres(folder: Path) -> Iterator[tuple[str, Path]]:
    with server.started(folder) as running:
        for name, rows in (("people", PEOPLE), ("visits", VISITS)):
            running.put(name, rows, {})
        yield running.uri, folder / "data" / "postmaster.pid"


@contextlib.contextmanager
def start_mariadb(folder: Path) -> Iterator[tuple[str, Path]]:
    with mariadb.started(folder) as running:
        for name, rows in (("people", PEOPLE), ("visits", VISITS)):
            running.put(name, rows, {})
        yield running.uri, folder / "pid"


@pytest.mark.parametrize(
    ("start", "name"), [(start_postgres, "Postgres"), (start_mariadb, "MySQL")], ids=["Postgres", "MariaDB"]
)
def test_a_server_that_is_killed_while_it_is_read(
    lake: SourceProject,
    monkeypatch: pytest.MonkeyPatch,
    start: Callable[[Path], contextlib.AbstractContextManager[tuple[str, Path]]],
    name: str,
) -> None:
    """No part remains that another draw could take for whole, and no secret is in the message."""
    monkeypatch.setenv("PGPASSWORD", server.PASSWORD)
    monkeypatch.setenv("MYSQL_PWD", mariadb.PASSWORD)
    # Not pytest's own folder, which only its owner may enter: the servers have users of their own.
    with tempfile.TemporaryDirectory(prefix="sandbox-killed-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        with start(Path(folder) / "server") as (uri, pid_file):
            project = lake.project(ONE, uri=uri)
            plan = plan_sample(project, threads=1, progress=SilentProgress())

            class Killing(SilentProgress):
                @contextlib.contextmanager
                def step(
                    self, name: str, *, total: float | None = None, unit: str = ""
                ) -> Iterator[Callable[[float], None]]:
                    if name == "drawing visits":
                        os.kill(int(pid_file.read_text().splitlines()[0]), signal.SIGKILL)
                    yield lambda _: None

            with pytest.raises(SourceError, match=rf"^{name} ended the connection while it was read") as caught:
                draw_sample(project, plan, home=lake.home, threads=1, progress=Killing())
            assert "draw again when it is up" in caught.value.hint
            assert server.PASSWORD not in str(caught.value)
            assert not [*lake.home.rglob("manifest.json")]
            with pytest.raises(SourceError, match=rf"^{name} cannot be reached"):
                plan_sample(project, threads=1, progress=SilentProgress())
