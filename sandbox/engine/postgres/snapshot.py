"""Read-only Postgres connections that share one snapshot. They leave nothing behind in the database."""

from __future__ import annotations

import contextlib
import re
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar

import adbc_driver_manager as adbc
import adbc_driver_postgresql as driver
import pyarrow as pa
from adbc_driver_postgresql import dbapi

from sandbox.error_text import describe_foreign_error, hide_credentials
from sandbox.errors import SourceError
from sandbox.storage_errors import RETRY_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

Answer = TypeVar("Answer")
BATCH_BYTES = 2 * 2**20
SAVEPOINT = "before_a_query"
POLL_SECONDS = 0.1  # interval at which a wait for the rate limit checks for close


@dataclass(frozen=True, kw_only=True)
class PostgresLimits:
    """Limits on the load on a database.

    Attributes:
        statement_seconds: Timeout of one statement.
        lock_seconds: Timeout of a wait for a lock.
        rows_per_second: Maximum rows fetched per second by all connections together; None sets no limit.
    """

    statement_seconds: float = 1800.0
    lock_seconds: float = 10.0
    rows_per_second: int | None = None


class PostgresSnapshot:
    """A snapshot of a database: every connection sees the same rows, regardless of concurrent writes.

    The first connection exports its snapshot and keeps its transaction open, the others import it. All are read-only.

    Args:
        uri: The database's address; missing parts come from libpq's defaults (``PGUSER``, ``.pgpass``, ...).
        limits: Limits on the load.
        row_security: Whether policies may hide rows from the role; otherwise such a query fails.

    Raises:
        SourceError: It cannot be reached, or refuses.
    """

    is_consistent = True

    def __init__(self, uri: str, limits: PostgresLimits, *, row_security: bool = False) -> None:
        self.uri = uri
        self._limits, self.row_security = limits, row_security
        self._lock = threading.Lock()
        self._idle_connections: list[dbapi.Connection] = []
        self._busy_connections: set[dbapi.Connection] = set()
        self._rate_limiter = _RateLimiter(limits.rows_per_second)
        self._is_closed = False
        self.conditions: dict[int, str] = {}
        self._first_connection = self._open_connection()
        [(self._snapshot_name, identity, self.encoding, self.role)] = self.run_in_thread(
            lambda: self._fetch_rows(IDENTITY_QUERY, has_savepoint=False)  # subtransactions cannot export a snapshot
        )
        self.identity = f"{identity}/{self.role}" if row_security else identity

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_first_connection"):
            self.close()

    def fetch_rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Return all rows of a query (see `fetch_batches`).

        It has a savepoint of its own: a failed query would end the transaction, and so hide all later ones.
        """
        return self.run_in_thread(lambda: self._fetch_rows(sql))

    def run_in_thread(self, ask: Callable[[], Answer]) -> Answer:
        """Run a function in another thread: in the main one the driver handles Ctrl-C and turns it into an error."""
        with ThreadPoolExecutor(1, thread_name_prefix="asking Postgres") as worker:
            try:
                return worker.submit(ask).result()
            except KeyboardInterrupt:
                self.cancel()
                raise

    def _fetch_rows(self, sql: str, *, has_savepoint: bool = True) -> list[tuple[Any, ...]]:
        with self._lock:
            self._busy_connections.add(self._first_connection)
        try:
            with (
                translate_errors(),
                self._first_connection.cursor() as cursor,
                _hold_savepoint(cursor) if has_savepoint else contextlib.nullcontext(),
            ):
                cursor.execute(sql)
                rows: list[tuple[Any, ...]] = cursor.fetchall()
                return rows
        finally:
            with self._lock:
                self._busy_connections.discard(self._first_connection)

    def fetch_batches(self, sql: str) -> Generator[pa.RecordBatch]:
        """Yield the rows of a query in Arrow batches, within the rate limit.

        Raises:
            SourceError: The database refuses, or does not answer any more.
        """
        connection = self._acquire_connection()
        whole = False
        try:
            with translate_errors(), connection.cursor() as cursor:
                cursor.adbc_statement.set_options(
                    **{driver.StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(BATCH_BYTES)}
                )
                cursor.execute(sql)
                for batch in cursor.fetch_record_batch():
                    self._rate_limiter.wait(batch.num_rows, lambda: self._is_closed)
                    yield batch
            whole = True
        finally:
            self._release_connection(connection, whole=whole)

    @contextlib.contextmanager
    def filter_rows(self, table: int, condition: str | None) -> Iterator[None]:
        """Exclude the rows of a table (its oid) that do not satisfy a condition, within a block."""
        if condition is None:
            yield
            return
        self.conditions[table] = condition
        try:
            yield
        finally:
            del self.conditions[table]

    def cancel(self) -> None:
        """Cancel all running statements; may be called at any time."""
        with self._lock:
            busy = list(self._busy_connections)
        for connection in busy:
            with contextlib.suppress(adbc.Error):
                connection.adbc_cancel()

    def close(self) -> None:
        """Close every connection, which ends the transactions."""
        self._is_closed = True
        self.cancel()
        with self._lock:
            ending, self._idle_connections = self._idle_connections, []
        for connection in [*ending, self._first_connection]:
            with contextlib.suppress(adbc.Error):
                connection.close()

    def _acquire_connection(self) -> dbapi.Connection:
        with self._lock:
            connection = self._idle_connections.pop() if self._idle_connections else None
        if connection is None:
            connection = self._open_connection(self._snapshot_name)
        with self._lock:
            self._busy_connections.add(connection)
        return connection

    def _release_connection(self, connection: dbapi.Connection, *, whole: bool) -> None:
        """Keep a connection for the next query; close one in the middle of a result."""
        with self._lock:
            self._busy_connections.discard(connection)
            if whole and not self._is_closed:
                self._idle_connections.append(connection)
                return
        with contextlib.suppress(adbc.Error):
            connection.adbc_cancel()
        with contextlib.suppress(adbc.Error):
            connection.close()

    def _open_connection(self, exported: str | None = None) -> dbapi.Connection:
        """Open a connection; try again while the server starts or has no connection left."""
        for pause in RETRY_SECONDS:
            try:
                return self._connect(exported)
            except SourceError as error:
                if not PASSING_REFUSAL.search(error.message):
                    raise
            time.sleep(pause)
        return self._connect(exported)

    def _connect(self, exported: str | None) -> dbapi.Connection:
        with translate_errors(connecting=True):
            connection = dbapi.connect(self.uri, autocommit=True)
            try:
                with connection.cursor() as cursor:
                    cursor.execute(_build_settings_statement(self._limits, row_security=self.row_security))
                    cursor.fetchall()
                    cursor.execute("begin transaction isolation level repeatable read, read only")
                    if exported is not None:
                        cursor.execute(f"set transaction snapshot '{exported}'")
            except BaseException:
                connection.close()
                raise
            return connection


@contextlib.contextmanager
def _hold_savepoint(cursor: dbapi.Cursor) -> Iterator[None]:
    """Return to a savepoint if the block fails, so that the transaction goes on."""
    cursor.execute(f"savepoint {SAVEPOINT}")
    try:
        yield
    except BaseException:
        with contextlib.suppress(adbc.Error):
            cursor.execute(f"rollback to savepoint {SAVEPOINT}")
        raise
    cursor.execute(f"release savepoint {SAVEPOINT}")


# Equal identities guarantee equal rows: the same database with the same ended transactions. A standby does not show the
# list of running transactions, so there every snapshot has its own identity.
IDENTITY_QUERY = """select pg_export_snapshot(), concat_ws('/', current_setting('cluster_name'),
    (select oid from pg_catalog.pg_database where datname = current_database()), pg_postmaster_start_time(),
    pg_current_snapshot(), case when pg_is_in_recovery() then clock_timestamp() end), current_setting('server_encoding'),
    current_user::text"""


def _build_settings_statement(limits: PostgresLimits, *, row_security: bool) -> str:
    """Return the statement that sets text formats independent of the server's settings, and the limits."""
    settings = {
        "application_name": f"sandbox {uuid.uuid4().hex[:8]}",
        "search_path": "pg_catalog",  # no user-defined operators and functions
        "TimeZone": "UTC",
        "DateStyle": "ISO, YMD",
        "IntervalStyle": "postgres",
        "extra_float_digits": "1",
        "bytea_output": "hex",
        "synchronize_seqscans": "off",
        "default_transaction_read_only": "on",
        "row_security": "on" if row_security else "off",  # off: a query from which a policy would hide rows fails
        "statement_timeout": f"{max(1, round(limits.statement_seconds * 1000))}ms",
        "lock_timeout": f"{max(1, round(limits.lock_seconds * 1000))}ms",
        "idle_in_transaction_session_timeout": "0",  # idle while files are written
    }
    return "select " + ", ".join(f"set_config('{name}', '{value}', false)" for name, value in settings.items())


class _RateLimiter:
    """Limit the number of rows per second."""

    def __init__(self, rows_per_second: int | None) -> None:
        self._limit = rows_per_second
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self, rows: int, over: Callable[[], bool]) -> None:
        if self._limit is None:
            return
        with self._lock:
            self._next = max(self._next, time.monotonic()) + rows / self._limit
            until = self._next
        while (left := until - time.monotonic()) > 0 and not over():
            time.sleep(min(left, POLL_SECONDS))


@contextlib.contextmanager
def translate_errors(*, connecting: bool = False) -> Iterator[None]:
    """Translate the driver's errors; those of a stream of rows are OSErrors without a state."""
    try:
        yield
    except (adbc.Error, OSError, pa.ArrowException) as error:
        raise _convert_error(error, connecting=connecting) from error


# Matched by state or, if the driver reports none or the state does not suffice, by the (English) text: message and hint.
KNOWN_ERRORS = (
    (
        r"57P0\d|08\w{3}", r"server closed the connection|no connection to the server|terminating connection|SSL connection has been",
        "Postgres ended the connection while it was read: {}",
        "look at the server's log, and draw again when it is up",
    ),
    (
        "57014", "statement timeout|canceling statement",
        "Postgres ended a statement: {}",
        'give it longer: statement_timeout = "2h" in [source.postgres]; or read from a replica',
    ),
    (
        "55P03", "lock timeout|could not obtain lock",
        "Postgres did not let a table be read: {}: somebody changes its definition",
        'draw again later, or wait longer: lock_timeout = "1m" in [source.postgres]',
    ),
    (
        "", "row-level security policy", "Postgres: {}: rows would be missing without a word",
        'read with a role that sees every row, or write row_security = "accept" in [source]',
    ),
    ("42501", "permission denied", "Postgres: {}", "grant select on it to the role that sandbox reads with"),
    (
        "42P01|42703|3F000|XX000", "does not exist|could not open relation",
        "Postgres: {}; it was there when the source was looked at",
        "draw again when nobody changes its tables",
    ),
    ("40001|72000", "conflict with recovery|snapshot too old", "Postgres ended the moment that is read: {}",
     "on a replica, raise max_standby_streaming_delay or set hot_standby_feedback = on"),
)  # fmt: skip
LOST_CONNECTION_STATES = KNOWN_ERRORS[0][0]
PASSING_REFUSAL = re.compile(
    r"is starting up|not yet accepting connections|too many clients|connection slots are reserved"
)
CONNECTION_FAILURE = re.compile(
    r"failed to connect|connection to server .* failed|could not translate|invalid (URI|connection)",
    re.IGNORECASE,
)


def _convert_error(error: Exception, *, connecting: bool) -> SourceError:
    reason = " ".join(str(error).split())
    state = getattr(error, "sqlstate", None) or "-"
    match = re.search(r"(?:ERROR|FATAL|PANIC): +(.*)", reason)
    summary = re.sub(r" (DETAIL|HINT|LINE \d+|CONTEXT|Query was): .*", "", match[1] if match else reason)
    summary = re.sub(r"^\w+: |\[libpq\] |\.? SQLSTATE.*$", "", summary).strip()
    if connecting and CONNECTION_FAILURE.search(reason):
        summary = hide_credentials(summary)
        return SourceError(
            f"Postgres cannot be reached: {summary}",
            hint="look at uri in [source]; user and password come from PGUSER and PGPASSWORD, ~/.pgpass or a service file",
        )
    summary = describe_foreign_error(error, summary)
    for states, texts, message, hint in KNOWN_ERRORS:
        if re.fullmatch(states, state) or (not (states and state.strip("-")) and re.search(texts, summary)):
            return SourceError(message.format(summary), hint=hint, lost=states == LOST_CONNECTION_STATES)
    return SourceError(f"Postgres: {summary}")
