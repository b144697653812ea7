"""A connection to Snowflake, with translated errors. Only SELECT, SHOW and EXPLAIN statements are sent."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import snowflake.connector
from snowflake.connector import errors

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.error_text import UNSHOWN_REASON, hide_credentials
from sandbox.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import pyarrow as pa

LOGIN_SECONDS = 30
STATEMENT_SECONDS = 1800
DEFAULT_CONNECTION_VARIABLE = "SNOWFLAKE_DEFAULT_CONNECTION_NAME"
# Formats independent of the account's and the user's settings.
SESSION_PARAMETERS = {
    "QUERY_TAG": "sandbox",
    "TIMEZONE": "UTC",
    "QUOTED_IDENTIFIERS_IGNORE_CASE": False,
    "DATE_OUTPUT_FORMAT": "YYYY-MM-DD",
    "TIME_OUTPUT_FORMAT": "HH24:MI:SS.FF9",
    "TIMESTAMP_TZ_OUTPUT_FORMAT": "YYYY-MM-DD HH24:MI:SS.FF9 TZH:TZM",
    "STATEMENT_TIMEOUT_IN_SECONDS": STATEMENT_SECONDS,
}


@dataclass(frozen=True, kw_only=True)
class SnowflakeAddress:
    """An address ``snowflake://CONNECTION/DATABASE[/SCHEMA]``.

    Attributes:
        connection: A connection of the driver's own configuration.
        database: The database.
        schema: The only schema to read; empty for all.
    """

    connection: str
    database: str
    schema: str

    @classmethod
    def parse(cls, uri: str) -> SnowflakeAddress:
        """Parse an address.

        Raises:
            ConfigError: It names no database, or more than a database and a schema.
        """
        parts = urlsplit(uri)
        database, _, schema = unquote(parts.path.strip("/")).partition("/")
        if not database or "/" in schema or parts.query or parts.port or "@" in parts.netloc:
            raise ConfigError(
                f"{hide_credentials(uri)} is no address of Snowflake",
                hint='write "snowflake://CONNECTION/DATABASE" or "…/DATABASE/SCHEMA"; CONNECTION is a section of the driver\'s connections.toml',
            )
        name = unquote(parts.netloc) or os.environ.get(DEFAULT_CONNECTION_VARIABLE, "default")
        return cls(connection=name, database=database, schema=schema)


class SnowflakeClient:
    """An open connection; several queries may run at once.

    Args:
        address: What to connect to; account, user and credentials come from the driver's configuration.

    Raises:
        SourceError: It cannot be reached, or refuses.
    """

    def __init__(self, address: SnowflakeAddress) -> None:
        self.address = address
        self.conditions: dict[str, str] = {}  # by the table's quoted name
        self._lock = threading.Lock()
        self._running: set[Any] = set()
        for name in ("snowflake.connector", "snowflake.connector.connection"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # it would quote statements
        with translate_errors(connecting=address.connection):
            self._connection = snowflake.connector.connect(
                connection_name=address.connection,
                database=quote_identifier(address.database),
                session_parameters=SESSION_PARAMETERS,
                login_timeout=LOGIN_SECONDS,
                client_session_keep_alive=True,
            )

    def fetch_rows(self, sql: str) -> list[dict[str, Any]]:
        """Return the rows of a small result, by column.

        Raises:
            SourceError: Snowflake refuses, or does not answer any more.
        """
        return [row for batch in self.fetch_batches(sql) for row in batch.to_pylist()]

    def fetch_batches(self, sql: str) -> Generator[pa.Table]:
        """Yield the rows of a query as Arrow tables (see `fetch_rows`)."""
        with translate_errors(), contextlib.closing(self._connection.cursor()) as cursor:
            with self._lock:
                self._running.add(cursor)
            try:
                cursor.execute(sql)
                yield from cursor.fetch_arrow_batches()
            finally:
                with self._lock:
                    self._running.discard(cursor)

    def estimate_scanned_bytes(self, sql: str) -> int | None:
        """Return the bytes of the partitions that a query scans, by EXPLAIN; None if it does not say.

        EXPLAIN compiles a query and does not run it. What it refuses is no failure: a plan lacks a figure then.
        """
        try:
            with contextlib.closing(self._connection.cursor()) as cursor:
                cursor.execute(f"explain using json {sql}")
                row = cursor.fetchone()
        except (errors.Error, OSError):
            return None
        return read_assigned_bytes(str(row[0])) if row else None

    @contextlib.contextmanager
    def filter_rows(self, table: str, condition: str) -> Iterator[None]:
        """Exclude the rows of a table (its quoted name) that do not satisfy a condition, within a block."""
        self.conditions[table] = condition
        try:
            yield
        finally:
            del self.conditions[table]

    def cancel(self) -> None:
        """Cancel the running statements; may be called at any time."""
        with self._lock:
            running = [cursor.sfqid for cursor in self._running if cursor.sfqid]
        for query in running:
            with contextlib.suppress(errors.Error, OSError), contextlib.closing(self._connection.cursor()) as cursor:
                cursor.abort_query(query)

    def close(self) -> None:
        with contextlib.suppress(errors.Error, OSError):
            self._connection.close()


# By error number: message and hint. These errors hold no values of rows.
KNOWN_ERRORS = {
    **dict.fromkeys((2003, 2043, 3001), (
        "Snowflake does not find an object, or the role may not use it", "grant usage on database and schema, and select on the table, to the role",
    )),
    **dict.fromkeys((604, 630), ("Snowflake ended a statement: it was cancelled or took longer than the limit", "read a smaller table, or with a larger warehouse")),
    606: ("no warehouse is active", 'name one in the connection: warehouse = "…"'),
    **dict.fromkeys((390114, 390111, 390318), ("the login has expired", "log in again, and draw again")),
}  # fmt: skip


def read_assigned_bytes(explained: str) -> int | None:
    """Read the bytes to scan from the text of EXPLAIN USING JSON; None where it is another text.

    >>> read_assigned_bytes('{"GlobalStats": {"partitionsTotal": 2, "partitionsAssigned": 1, "bytesAssigned": 1024}}')
    1024
    >>> read_assigned_bytes("SEQ_SCAN"), read_assigned_bytes('{"GlobalStats": []}')
    (None, None)
    """
    try:
        count = json.loads(explained)["GlobalStats"]["bytesAssigned"]
    except (ValueError, KeyError, TypeError):
        return None
    return count if isinstance(count, int) and not isinstance(count, bool) and count >= 0 else None


@contextlib.contextmanager
def translate_errors(*, connecting: str | None = None) -> Iterator[None]:
    """Translate the driver's errors; ``connecting`` names the connection while it is opened."""
    try:
        yield
    except (errors.Error, OSError) as error:
        number = getattr(error, "errno", None) or 0
        if connecting is not None:
            raise SourceError(
                f"Snowflake cannot be reached by the connection {connecting}: {hide_credentials(str(getattr(error, 'msg', None) or error))[:400]}",
                hint="account, user and credentials come from the driver's own files: ~/.snowflake/connections.toml, or SNOWFLAKE_HOME",
            ) from error
        lost = isinstance(error, errors.OperationalError | OSError)
        message, hint = KNOWN_ERRORS.get(number, (f"error {number}; {UNSHOWN_REASON}", ""))
        raise SourceError(f"Snowflake: {message}", hint=hint, lost=lost) from error
