"""Databases of runs: cloned from the sample, owned by a role per run, exported after the run."""

from __future__ import annotations

import dataclasses
import json
import secrets
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
from sandbox.engine.postgres_service.sample_loader import DATABASES_QUERY, revoke_public_access
from sandbox.engine.postgres_service.server import (
    MAINTENANCE_DATABASE,
    PORT,
    SOCKET_FOLDER,
    PostgresServer,
    execute_statement,
    fetch_rows,
)
from sandbox.errors import PipelineError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
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


@dataclass(frozen=True, kw_only=True)
class PostgresDatabase:
    """A run's database, and the password of the role of the same name."""

    name: str
    password: str

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
            execute_statement(
                connection, "comment on database {} is {owner}", database.name, owner=json.dumps(dict(owner))
            )
            revoke_public_access(connection, database.name)
        except BaseException:
            _drop_database_and_role(connection, database.name)
            raise
    with server.connect(database.name) as connection:
        for schema, table, *_ in fetch_rows(connection, TABLES_QUERY):
            execute_statement(connection, "alter table {}.{} owner to {}", schema, table, database.name)
        for (schema,) in fetch_rows(
            connection, "select nspname from pg_namespace where nspname !~ '^(pg_|information_)'"
        ):
            execute_statement(connection, "alter schema {} owner to {}", schema, database.name)
    return database


def drop_database(server: PostgresServer, database: str) -> None:
    """Drop a run's database and its role, with open connections."""
    with server.connect(MAINTENANCE_DATABASE) as connection:
        _drop_database_and_role(connection, database)


def drop_orphan_databases(server: PostgresServer, is_owner_gone: Callable[[Mapping[str, str]], bool]) -> None:
    """Drop the databases of runs whose owner is gone, as reported by a function."""
    with server.connect(MAINTENANCE_DATABASE) as connection:
        for name, comment in fetch_rows(connection, DATABASES_QUERY, [RUN_DATABASE_PREFIX]):
            if comment and is_owner_gone(json.loads(comment)):
                _drop_database_and_role(connection, name)


def export_changed_tables(
    server: PostgresServer,
    template: str,
    database: PostgresDatabase,
    folder: Path,
    *,
    scratch: Path,
    memory: int,
) -> dict[str, str]:
    """Write the tables and views created or changed by a run as Parquet, and return the views that cannot be read.

    They are read as the run's role: a cast of a type created by the run executes the run's code.

    Args:
        server: The server.
        template: The database that the run's was cloned from.
        database: The run's database.
        folder: Folder for ``NAME.parquet``.
        scratch: An existing folder for temporary files.
        memory: Bytes that writing may take.

    Raises:
        PipelineError: A value cannot be read as its column's type.
    """
    with server.connect(template, PipelineError) as connection:
        before = {(schema, table): file for schema, table, file, *_ in fetch_rows(connection, TABLES_QUERY)}
    doing = "reading what the run left in Postgres"
    run_server = dataclasses.replace(server, user=database.name, password=database.password)
    left_out = {}
    with (
        run_server.connect(database.name, PipelineError, doing=doing) as connection,
        Session(memory=memory, spill=scratch, failure=PipelineError) as session,
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
                if not is_view:
                    raise
                target.unlink(missing_ok=True)
                left_out[name] = "it is a view of Postgres that could not be evaluated"
    return left_out


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
