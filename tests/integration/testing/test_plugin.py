"""The plugin for pytest, as a user's project has it: a run of pytest of its own, with a real server."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import pytest

from tests.waiting import PATIENCE_SECONDS, wait_until

if TYPE_CHECKING:
    from tests.projects import Shop

DOCS = Path(__file__).parents[3] / "docs"
MANAGED = {"label": ["dev.sandbox.managed=true", "dev.sandbox.role=postgres"]}
DOCUMENTED_TESTS = re.findall(r"```python\n(.*?)```", (DOCS / "testing.md").read_text("utf-8"), re.DOTALL)[0]
SAMPLE_TESTS = """

def test_files(sandbox_sample, sandbox_duckdb, data_snapshot):
    assert sandbox_sample.arrow("customers").num_rows == sandbox_sample.weights("customers").num_rows
    assert set(sandbox_sample.tables) == {"customers", "orders"}
    data_snapshot(sandbox_duckdb.sql("select count(*) as n from orders"), "a/b")
"""
POSTGRES_TESTS = """\
import psycopg
import pytest


@pytest.mark.parametrize("number", range(4))
def test_each_database_is_a_copy(sandbox_postgres, sandbox_sample, number):
    assert "@127.0.0.1:" in sandbox_postgres
    with psycopg.connect(sandbox_postgres) as connection:
        [rows] = connection.execute("select count(*) from orders").fetchone()
        assert rows == sandbox_sample.arrow("orders").num_rows > 0
        connection.execute("delete from orders")
        connection.execute("create table mine as select 1 as one")
"""


def run_pytest(shop: Shop, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run pytest in a project, in an environment without the variables of the run that this test belongs to."""
    return subprocess.run(
        build_command(*arguments),
        cwd=shop.root,
        env=build_environment(shop) | (env or {}),
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_SECONDS,
        check=False,
    )


def build_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pytest", "-q", "--rootdir=.", "-p", "no:cacheprovider", *arguments]


def build_environment(shop: Shop) -> dict[str, str]:
    return {name: value for name, value in shop.environment.items() if not name.startswith("PYTEST")}


def list_servers(shop: Shop) -> list[str]:
    """Return the ids of a project's containers of Postgres."""
    client = docker.from_env()
    try:
        filters = {"label": [*MANAGED["label"], f"dev.sandbox.path={shop.root}"]}
        return [held.id for held in client.containers.list(all=True, filters=filters)]
    finally:
        client.close()


def remove_leftovers(shop: Shop) -> None:
    done = shop.run("gc", "--yes")
    assert done.status == 0, done.stderr


def test_snapshots(shop: Shop) -> None:
    (shop.root / "test_value.py").write_text(DOCUMENTED_TESTS + SAMPLE_TESTS, "utf-8")
    leave_out = ("--deselect", "test_value.py::test_deletion")
    first = run_pytest(shop, *leave_out)
    assert "2 failed, 2 passed" in first.stdout, first.stdout[-3000:]
    assert "there is no snapshot" in first.stdout
    assert "pytest --sandbox-update" in first.stdout
    written = run_pytest(shop, "--sandbox-update", *leave_out)
    assert written.returncode == 0, written.stdout
    folder = shop.root / "snapshots" / "test_value"
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert files.keys() == {"test_totals.parquet", "test_files-a_b.parquet"}

    shop.edit("test_value.py", "sum(amount)", "sum(amount) + (country = 'DE')::int")
    changed = run_pytest(shop, *leave_out)
    assert "1 failed, 3 passed" in changed.stdout, changed.stdout
    assert "the tables differ" in changed.stdout
    assert re.search(r"DE .*total", changed.stdout), changed.stdout
    assert "sandbox/testing" not in changed.stdout, "the traceback ends in the test"
    assert run_pytest(shop, "--sandbox-update", *leave_out).returncode == 0
    again = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert [name for name in files if again[name] != files[name]] == ["test_totals.parquet"]


@pytest.mark.docker
def test_a_database_for_each_test_and_one_server_for_all_workers(shop: Shop, engine: str) -> None:
    (shop.root / "test_postgres.py").write_text(POSTGRES_TESTS, "utf-8")
    (shop.root / "test_value.py").write_text(DOCUMENTED_TESTS, "utf-8")
    together = run_pytest(shop, "-n", "2", "--sandbox-update")
    assert "8 passed" in together.stdout, together.stdout
    assert list_servers(shop) == []

    nowhere = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}
    skipped = run_pytest(shop, "-rs", "test_postgres.py", env=nowhere)
    assert "4 skipped" in skipped.stdout, skipped.stdout
    assert "no container engine answers" in skipped.stdout
    assert "4 errors" in run_pytest(shop, "test_postgres.py", "--sandbox-require-docker", env=nowhere).stdout


@pytest.mark.docker
def test_gc_removes_the_server_of_a_session_that_was_killed(shop: Shop, engine: str) -> None:
    more = "\n\ndef test_wait(sandbox_postgres):\n    import pathlib, time\n"
    more += "    pathlib.Path('reached').touch()\n    time.sleep(3600)\n"
    (shop.root / "test_postgres.py").write_text(POSTGRES_TESTS + more, "utf-8")
    command, environment = build_command("-k", "wait"), build_environment(shop)
    session = subprocess.Popen(command, cwd=shop.root, env=environment, start_new_session=True)
    try:
        wait_until((shop.root / "reached").exists)
        remove_leftovers(shop)
        assert len(list_servers(shop)) == 1, "its session lives"
    finally:
        os.killpg(session.pid, signal.SIGKILL)
        session.wait()
    remove_leftovers(shop)
    assert list_servers(shop) == []
