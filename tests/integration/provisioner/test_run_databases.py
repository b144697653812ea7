"""What a run leaves in Postgres is read in limited time, and when nothing of the run is at work any more."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import psycopg
import pytest

from sandbox.engine.postgres_service import run_databases
from sandbox.engine.postgres_service.server import PostgresServer
from sandbox.errors import PipelineError, PipelineTimeoutError
from tests.integration.sources.server import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.engine.postgres_service.run_databases import PostgresDatabase
    from tests.integration.sources.server import Server

STUBBORN = """
    create function stay() returns int language plpgsql as $$ begin
        loop begin perform pg_sleep(60); exception when query_canceled then null; end; end loop;
    end $$
"""


@pytest.fixture
def server(postgres_server: Server) -> PostgresServer:
    return PostgresServer(port=postgres_server.port, password=PASSWORD, user=postgres_server.user)


@pytest.fixture
def database(server: PostgresServer) -> Iterator[PostgresDatabase]:
    created = run_databases.create_database(server, "template0", {"pid": "1"})
    yield created
    run_databases.drop_database(server, created.name)


def connect(server: PostgresServer, database: PostgresDatabase) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(
        host="127.0.0.1",
        port=server.port,
        user=database.name,
        password=database.password,
        dbname=database.name,
        autocommit=True,
    )


@pytest.mark.parametrize("form", ["view", "table"])
def test_code_of_the_run_that_never_ends_is_ended(
    server: PostgresServer, database: PostgresDatabase, form: str, tmp_path: Path
) -> None:
    """Also where it ignores that its statement is cancelled, in a view or in a cast."""
    with connect(server, database) as run:
        run.execute(STUBBORN)
        if form == "view":
            run.execute("create view value as select stay() as x")
        else:
            run.execute("create type mood as enum ('glad'); create table value as select 'glad'::mood as x")
            run.execute("create function shown(mood) returns text language sql as $$ select stay()::text $$")
            run.execute("create cast (mood as text) with function shown(mood)")
    run_databases.check_server_after_run(server, database)
    with pytest.raises(PipelineTimeoutError, match=r"took more than 1\.0 s"):
        run_databases.export_changed_tables(
            server, "template1", database, tmp_path, scratch=tmp_path, memory=10**8, seconds=1
        )


def test_a_statement_that_outlives_the_run_is_ended_and_named(
    server: PostgresServer, database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_databases, "SESSION_END_SECONDS", 0.2)
    run = connect(server, database)
    run.pgconn.send_query(b"select pg_sleep(3600)")
    with pytest.raises(PipelineError, match="1 statement of it went on in Postgres"):
        run_databases.check_server_after_run(server, database)
    with contextlib.suppress(psycopg.Error):
        run.close()
    idle = connect(server, database)
    run_databases.check_server_after_run(server, database)
    with pytest.raises(psycopg.Error):
        idle.execute("select 1")


def test_a_run_can_change_nothing_but_its_own_database(server: PostgresServer, database: PostgresDatabase) -> None:
    with connect(server, database) as run:
        for statement in (
            "create database other",
            "create role other",
            "alter role postgres set work_mem = '1MB'",
            "alter system set work_mem = '1MB'",
            "comment on role current_user is 'nobody'",
            "select pg_read_file('PG_VERSION')",
            "copy (select 1) to program 'true'",
        ):
            with pytest.raises(psycopg.Error):
                run.execute(statement)
        run.execute(f"comment on database {database.name} is 'of nobody'")
        run.execute(f"alter database {database.name} set statement_timeout = 1")
    run_databases.check_server_after_run(server, database)
    run_databases.drop_orphan_databases(server, lambda _: False)
    with server.connect("postgres") as connection:
        connection.execute("create database strange")
        try:
            with pytest.raises(PipelineError, match="changed the database strange"):
                run_databases.check_server_after_run(server, database)
        finally:
            connection.execute("drop database strange")
