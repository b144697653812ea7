"""Databases of runs: cloned from the sample, owned by a role per run, exported after the run."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import secrets
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import psycopg

from sandbox.engine.duckdb.session import Session, quote_literal
from sandbox.engine.postgres_service.csv_transfer import (
    COLUMNS_QUERY,
    build_csv_scan,
    build_export_statement,
    build_value_list,
)
from sandbox.engine.postgres_service.sample_loader import TEMPLATE_PREFIX, USER_DATABASE, revoke_public_access
from sandbox.engine.postgres_service.server import (
    MAINTENANCE_DATABASE,
    PORT,
    SOCKET_FOLDER,
    PostgresServer,
    execute_statement,
    fetch_rows,
)
from sandbox.errors import PipelineError, PipelineTimeoutError, SandboxError
from sandbox.formatting import format_count, format_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

RUN_DATABASE_PREFIX = "run_"
# Tables and views, and whether they changed since the database was cloned: a truncated or rewritten one has another file.
TABLES_QUERY = """
    select n.nspname, c.relname, c.relfilenode,
           coalesce(s.n_tup_ins + s.n_tup_upd + s.n_tup_del, 0) > 0, c.relkind = 'v'
    from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_stat_all_tables s on s.relid = c.oid
    where c.relkind in ('r', 'p', 'm', 'v') and not c.relispartition and c.relpersistence <> 't'
      and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
      and not (c.relkind = 'v' and exists (select 1 from pg_depend d where d.objid = c.oid and d.deptype = 'e'))
    order by 1, 2
"""


# Runs own their databases and could change a comment there; a role's they cannot.
ROLES_QUERY = """
    select rolname, shobj_description(oid, 'pg_authid') from pg_roles where starts_with(rolname, %s) order by 1
"""
# Sessions of a run's role, and whether they are at work; what a run leaves behind ends soon after its container.
SESSIONS_QUERY = """
    select pid, state in ('active', 'fastpath function call') from pg_stat_activity
    where usename = %s and backend_type = 'client backend'
"""
# What a run's role has no right to change: whatever differs was changed by it all the same.
SERVER_STATE_QUERY = """
    select 'database', datname, datacl::text, pg_get_userbyid(datdba) from pg_database
        where not starts_with(datname, %(prefix)s) and not starts_with(datname, %(samples)s) and datname <> %(user)s
    union all select 'role', rolname, rolsuper::text || rolcreatedb || rolcreaterole || rolcanlogin, '' from pg_roles
        where not starts_with(rolname, %(prefix)s)
    union all select 'setting of a role or database', d.datname, setconfig::text, pg_get_userbyid(setrole)
        from pg_db_role_setting left join pg_database d on d.oid = setdatabase
        where not starts_with(coalesce(d.datname, ''), %(prefix)s) and not starts_with(pg_get_userbyid(setrole), %(prefix)s)
    union all select 'setting', name, setting, '' from pg_file_settings
    order by 1, 2, 3, 4
"""
SESSION_END_SECONDS = 5.0
POLL_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class PostgresDatabase:
    """A run's database, and the password of the role of the same name.

    ``server_state`` describes the server besides databases of runs, as it was before the run.
    """

    name: str
    password: str
    server_state: tuple[tuple[Any, ...], ...] = ()

    @property
    def url(self) -> str:
        """Address for the run: through the socket, without a network."""
        return f"postgresql:///{self.name}?{urlencode({'host': SOCKET_FOLDER, **self._login})}"

    def build_network_url(self, host: str) -> str:
        """Return the address on a network; Java drivers accept it with the prefix ``jdbc:``."""
        return f"postgresql://{host}:{PORT}/{self.name}?{urlencode(self._login)}"

    @property
    def _login(self) -> dict[str, str]:
        return {"user": self.name, "password": self.password}


def create_database(server: PostgresServer, template: str, owner: Mapping[str, str]) -> PostgresDatabase:
    """Create a run's database from a template with the sample.

    ``owner`` identifies the process responsible for removing it.
    """
    database = PostgresDatabase(name=f"{RUN_DATABASE_PREFIX}{secrets.token_hex(6)}", password=secrets.token_urlsafe(24))
    with server.connect(MAINTENANCE_DATABASE) as connection:
        execute_statement(
            connection,
            "create role {} login nosuperuser nocreatedb nocreaterole password {password}",
            database.name,
            password=database.password,
        )
        try:
            execute_statement(
                connection, "create database {} owner {} template {}", database.name, database.name, template
            )
            execute_statement(connection, "comment on role {} is {owner}", database.name, owner=json.dumps(dict(owner)))
            revoke_public_access(connection, database.name)
        except BaseException:
            _drop_database_and_role(connection, database.name)
            raise
        state = _read_server_state(connection)
    with server.connect(database.name) as connection:
        for schema, table, *_ in fetch_rows(connection, TABLES_QUERY):
            execute_statement(connection, "alter table {}.{} owner to {}", schema, table, database.name)
        for (schema,) in fetch_rows(
            connection, "select nspname from pg_namespace where nspname !~ '^(pg_|information_)'"
        ):
            execute_statement(connection, "alter schema {} owner to {}", schema, database.name)
    return dataclasses.replace(database, server_state=state)


def drop_database(server: PostgresServer, database: str) -> None:
    """Drop a run's database and its role, with open connections."""
    with server.connect(MAINTENANCE_DATABASE) as connection:
        _drop_database_and_role(connection, database)


def drop_orphan_databases(server: PostgresServer, is_owner_gone: Callable[[Mapping[str, str]], bool]) -> None:
    """Drop the databases of runs whose owner is gone, as reported by a function."""
    with server.connect(MAINTENANCE_DATABASE) as connection:
        for name, comment in fetch_rows(connection, ROLES_QUERY, [RUN_DATABASE_PREFIX]):
            if comment and is_owner_gone(json.loads(comment)):
                _drop_database_and_role(connection, name)


def check_server_after_run(server: PostgresServer, database: PostgresDatabase) -> None:
    """Check that an ended run has nothing at work on the server and changed its own database only.

    Raises:
        PipelineError: A statement of it goes on, so reading would depend on time; or it has changed something.
    """
    with server.connect(MAINTENANCE_DATABASE) as connection:
        deadline = time.monotonic() + SESSION_END_SECONDS
        while sessions := fetch_rows(connection, SESSIONS_QUERY, [database.name]):
            if time.monotonic() > deadline:
                break
            time.sleep(POLL_SECONDS)
        for pid, _ in sessions:
            connection.execute("select pg_terminate_backend(%s)", [pid])
        if working := sum(is_working for _, is_working in sessions):
            raise PipelineError(
                f"the run ended, and {format_count(working, 'statement')} of it went on in Postgres",
                hint="wait for every statement before the pipeline ends",
            )
        state = _read_server_state(connection)
    changed = [
        entry for entry in {*state, *database.server_state} if entry not in state or entry not in database.server_state
    ]
    if database.server_state and changed:
        kind, name, *_ = min(changed, key=str)
        raise PipelineError(
            f"the run changed the {kind} {name} of the stack's Postgres, which is not its own",
            hint="make the service again: sandbox rm",
        )


def export_changed_tables(
    server: PostgresServer,
    template: str,
    database: PostgresDatabase,
    folder: Path,
    *,
    scratch: Path,
    memory: int,
    seconds: float,
) -> dict[str, str]:
    """Write the tables and views created or changed by a run as Parquet, and return the views that cannot be read.

    They are read as the run's role: a cast of a type created by the run executes the run's code.

    Args:
        server: The server.
        template: The database from which the run's was cloned.
        database: The run's database.
        folder: Folder for ``NAME.parquet``.
        scratch: An existing folder for temporary files.
        memory: Limit of writing in bytes.
        seconds: Limit of reading.

    Raises:
        PipelineError: A value cannot be read as its column's type.
        PipelineTimeoutError: Reading took too long.
    """
    with server.connect(template, PipelineError) as connection:
        before = {(schema, table): file for schema, table, file, *_ in fetch_rows(connection, TABLES_QUERY)}
    doing = "reading what the run left in Postgres"
    run_server = dataclasses.replace(server, user=database.name, password=database.password)
    left_out = {}
    with (
        run_server.connect(database.name, PipelineError, doing=doing) as connection,
        Session(memory=memory, spill=scratch, failure=PipelineError) as session,
        _limit_time(server, connection.info.backend_pid, seconds),
    ):
        for schema, table, file, touched, is_view in fetch_rows(connection, TABLES_QUERY):
            if before.get((schema, table)) == file and not touched:
                continue
            name = table if schema == "public" else f"{schema}.{table}"
            target = folder / f"{encode_file_name(name)}.parquet"
            if target.exists():
                raise PipelineError(f"two outputs are called {name}: a table of Postgres and a file")
            try:
                _export_table(connection, session, schema, table, target, scratch / "rows.csv")
            except (PipelineError, psycopg.Error):
                if not is_view or connection.closed:
                    raise
                target.unlink(missing_ok=True)
                left_out[name] = "it is a view of Postgres that could not be evaluated"
    return left_out


def _read_server_state(connection: Any) -> tuple[tuple[Any, ...], ...]:
    return tuple(
        connection.execute(
            SERVER_STATE_QUERY, {"prefix": RUN_DATABASE_PREFIX, "samples": TEMPLATE_PREFIX, "user": USER_DATABASE}
        ).fetchall()
    )


@contextlib.contextmanager
def _limit_time(server: PostgresServer, pid: int, seconds: float) -> Iterator[None]:
    """End a session of the server when a time is over: the run's own code, which it executes, may ignore limits.

    Raises:
        PipelineTimeoutError: The block was not done by then.
    """
    over = threading.Event()

    def end_session() -> None:
        over.set()
        with contextlib.suppress(SandboxError), server.connect(MAINTENANCE_DATABASE) as connection:
            connection.execute("select pg_terminate_backend(%s)", [pid])

    timer = threading.Timer(seconds, end_session)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (PipelineError, psycopg.Error) as error:
        if not over.is_set():
            raise
        raise PipelineTimeoutError(
            f"reading what the run left in Postgres took more than {format_duration(seconds)}",
            hint="write tables instead of slow views, or raise timeout in [stack.limits]",
        ) from error
    finally:
        timer.cancel()


def encode_file_name(name: str) -> str:
    """Return the name of a table's file: what would lead out of a folder, or hide a file, is percent-encoded.

    >>> encode_file_name("marts.sales"), encode_file_name("../../etc"), encode_file_name("100%")
    ('marts.sales', '%2E.%2F..%2Fetc', '100%25')
    """
    encoded = name.replace("%", "%25").replace("/", "%2F")
    return f"%2E{encoded[1:]}" if encoded.startswith(".") else encoded


def _export_table(connection: Any, session: Session, schema: str, table: str, target: Path, file: Path) -> None:
    columns = {row[0]: row[1] for row in fetch_rows(connection, COLUMNS_QUERY, [schema, table])}
    if not columns:
        raise PipelineError(f"the table {schema}.{table} that the run left has no column")
    with (
        file.open("wb") as written,
        connection.cursor().copy(build_export_statement(schema, table, columns)) as copy,
    ):
        for chunk in copy:
            written.write(chunk)
    session.execute(
        f"copy (select {build_value_list(columns)} from {build_csv_scan(str(file), columns)}) to {quote_literal(str(target))} "
        "(format parquet, compression zstd)",
        doing=f"the table {schema}.{table} that the run left in Postgres",
    )
    file.unlink()


def _drop_database_and_role(connection: Any, name: str) -> None:
    execute_statement(connection, "drop database if exists {} with (force)", name)
    execute_statement(connection, "drop role if exists {}", name)
