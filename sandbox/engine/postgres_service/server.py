"""Connections to the stack's own Postgres, with translated errors."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from sandbox.engine.postgres_service.csv_transfer import CONNECTION_OPTIONS
from sandbox.error_text import describe_foreign_error
from sandbox.errors import ContainerEngineError, SandboxError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ADMIN_USER = "sandbox"
MAINTENANCE_DATABASE = "postgres"
HOST = "127.0.0.1"
PORT = 5432  # in its container
SOCKET_FOLDER = "/run/sandbox/postgres"  # in its container and in those of runs
CONNECT_TIMEOUT_SECONDS = 5


@dataclass(frozen=True, kw_only=True)
class PostgresServer:
    """Address and login of the stack's Postgres, as its administrator or a run's role."""

    port: int
    password: str
    user: str = ADMIN_USER

    def is_ready(self) -> bool:
        """Return whether it answers a query."""
        try:
            with self.connect(MAINTENANCE_DATABASE) as connection:
                connection.execute("select 1")
        except SandboxError:
            return False
        return True

    @contextlib.contextmanager
    def connect(
        self,
        database: str,
        failure: type[SandboxError] = ContainerEngineError,
        *,
        doing: str = "the stack's Postgres",
    ) -> Iterator[psycopg.Connection[Any]]:
        """Yield an autocommit connection.

        Raises:
            SandboxError: ``failure``, for all errors of Postgres and the connection.
        """
        try:
            with psycopg.connect(
                host=HOST,
                port=self.port,
                user=self.user,
                password=self.password,
                dbname=database,
                autocommit=True,
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                sslmode="disable",
                gssencmode="disable",
                options=CONNECTION_OPTIONS,
                application_name="sandbox",
            ) as connection:
                yield connection
        except psycopg.Error as error:
            raise failure(f"{doing}: {describe_foreign_error(error, error.diag.message_primary)}") from error


def execute_statement(connection: psycopg.Connection[Any], text: str, *names: str, **values: str) -> None:
    """Execute a statement with names for ``{}`` and texts for ``{name}``, both quoted."""
    literals = {name: sql.Literal(value) for name, value in values.items()}
    connection.execute(sql.SQL(text).format(*map(sql.Identifier, names), **literals))


def fetch_rows(connection: psycopg.Connection[Any], text: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Return all rows of a query with ``%s`` parameters."""
    return connection.execute(text, values).fetchall()
