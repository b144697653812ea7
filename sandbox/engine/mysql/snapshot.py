"""A read-only MySQL connection with one consistent snapshot. It leaves nothing behind in the database."""

from __future__ import annotations

import contextlib
import os
import threading
import uuid
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import pymysql
from pymysql import converters, cursors

from sandbox.error_text import UNSHOWN_REASON, hide_credentials
from sandbox.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

BATCH_ROWS = 10_000
DEFAULT_PORT = 3306
CONNECT_SECONDS = 10
STREAM_SECONDS = 86_400  # the server waits that long for a reader that writes files meanwhile
TEXT_ENCODERS = {kind: encode for kind, encode in converters.conversions.items() if not isinstance(kind, int)}
TLS_OPTIONS = {"ssl_ca", "ssl_cert", "ssl_key", "ssl_verify_cert", "ssl_verify_identity"}


@dataclass(frozen=True, kw_only=True)
class MySQLLimits:
    """Limits on the load on a database: the longest statement and the longest wait for a lock, in seconds."""

    statement_seconds: float = 1800.0
    lock_seconds: float = 10.0


class MySQLSnapshot:
    """A snapshot of the transactional tables of a database, regardless of concurrent writes.

    A snapshot belongs to one connection, so queries take turns. Before another query the rest of an open result is read
    into memory.

    Args:
        uri: The database's address; the password comes from ``MYSQL_PWD`` or ``~/.my.cnf``.
        limits: Limits on the load.

    Raises:
        SourceError: It cannot be reached, or refuses.
    """

    is_consistent = True

    def __init__(self, uri: str, limits: MySQLLimits) -> None:
        self._uri, self._limits = uri, limits
        self.database = unquote(urlsplit(uri).path.strip("/"))
        self.identity = uuid.uuid4().hex  # two snapshots are never known to be equal
        self.conditions: dict[str, str] = {}  # by the table's quoted name
        self._lock = threading.RLock()
        self._stream: _RowStream | None = None
        self._connection = _connect(uri)
        try:
            [(version,)] = self.fetch_rows("select version()")
            self.is_mariadb = "mariadb" in str(version).lower()
            for statement in _list_settings_statements(limits, is_mariadb=self.is_mariadb):
                self.fetch_rows(statement)
        except BaseException:
            self.close()
            raise

    def __del__(self) -> None:
        if hasattr(self, "_connection"):
            self.close()

    def fetch_rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Return all rows of a query, every value as text or bytes.

        Raises:
            SourceError: The database refuses, or does not answer any more.
        """
        with self._lock:
            self._buffer_stream()
            with translate_errors(), self._connection.cursor(cursors.Cursor) as cursor:
                cursor.execute(sql)
                return list(cursor.fetchall())

    def fetch_batches(self, sql: str) -> Generator[Sequence[tuple[Any, ...]]]:
        """Yield the rows of a query in batches (see `fetch_rows`)."""
        with self._lock:
            self._buffer_stream()
            with translate_errors():
                stream = self._stream = _RowStream(self._connection, sql)
        try:
            while rows := self._take_rows(stream):
                yield rows
        finally:
            self._end_stream(stream)

    @contextlib.contextmanager
    def filter_rows(self, table: str, condition: str) -> Iterator[None]:
        """Exclude the rows of a table (its quoted name) that do not satisfy a condition, within a block."""
        self.conditions[table] = condition
        try:
            yield
        finally:
            del self.conditions[table]

    def cancel(self) -> None:
        """Cancel the running statement; may be called at any time."""
        with contextlib.suppress(SourceError, pymysql.Error):
            other = _connect(self._uri)
            try:
                with other.cursor() as cursor:
                    cursor.execute(f"kill query {self._connection.thread_id()}")
            finally:
                other.close()

    def close(self) -> None:
        """Close the connection, which ends the transaction."""
        with contextlib.suppress(pymysql.Error, OSError):
            self._connection._force_close()  # noqa: SLF001 - `close` would first read the rest of an open result

    def _take_rows(self, stream: _RowStream) -> Sequence[tuple[Any, ...]]:
        with self._lock, translate_errors():
            return stream.take_rows()

    def _buffer_stream(self) -> None:
        """Read the rest of an open result, so that the connection is free."""
        if self._stream is not None:
            with translate_errors():
                self._stream.buffer_rows()
            self._stream = None

    def _end_stream(self, stream: _RowStream) -> None:
        """End a result that may have rows left; the server is asked not to send them."""
        with self._lock:
            if self._stream is stream:
                self._stream = None
                if not stream.is_complete:
                    self.cancel()
                stream.close()


class _RowStream:
    """An open result; its rows are read from the server one batch after another."""

    def __init__(self, connection: Any, sql: str) -> None:
        self._cursor = connection.cursor(cursors.SSCursor)
        self._buffered: deque[Sequence[tuple[Any, ...]]] = deque()
        self.is_complete = False
        self._cursor.execute(sql)

    def take_rows(self) -> Sequence[tuple[Any, ...]]:
        if self._buffered:
            return self._buffered.popleft()
        if self.is_complete:
            return ()
        rows: Sequence[tuple[Any, ...]] = self._cursor.fetchmany(BATCH_ROWS)
        self.is_complete = not rows
        return rows

    def buffer_rows(self) -> None:
        while not self.is_complete:
            rows: Sequence[tuple[Any, ...]] = self._cursor.fetchmany(BATCH_ROWS)
            self.is_complete = not rows
            self._buffered.append(rows)

    def close(self) -> None:
        with contextlib.suppress(pymysql.Error):
            self._cursor.close()


def _connect(uri: str) -> Any:
    parts = urlsplit(uri)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if unknown := sorted(options.keys() - TLS_OPTIONS):
        raise ConfigError(
            f"uri in [source] has the option {unknown[0]}, which is not known",
            hint=f"known: {', '.join(sorted(TLS_OPTIONS))}",
        )
    tls: dict[str, Any] = {name: value for name, value in options.items() if "verify" not in name}
    tls |= {name: value in {"1", "true"} for name, value in options.items() if "verify" in name}
    settings_file = Path("~/.my.cnf").expanduser()
    more: dict[str, Any] = {"read_default_file": str(settings_file)} if settings_file.is_file() else {}
    more |= {"user": unquote(parts.username)} if parts.username else {}
    more |= {"password": os.environ["MYSQL_PWD"]} if "MYSQL_PWD" in os.environ else {}
    more |= {"database": unquote(parts.path.strip("/"))} if parts.path.strip("/") else {}
    with translate_errors(connecting=True):
        return pymysql.connect(
            host=parts.hostname or "localhost", port=parts.port or DEFAULT_PORT, charset="utf8mb4", autocommit=True,
            conv=TEXT_ENCODERS, connect_timeout=CONNECT_SECONDS, program_name="sandbox", **more, **tls,
        )  # fmt: skip


def _list_settings_statements(limits: MySQLLimits, *, is_mariadb: bool) -> list[str]:
    """Return the statements that set formats independent of the server's settings, the limits, and begin the snapshot."""
    longest = limits.statement_seconds
    settings = {
        "sql_mode": "'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'",  # names and texts are quoted as in DuckDB
        "time_zone": "'+00:00'",
        "lock_wait_timeout": str(max(1, round(limits.lock_seconds))),
        "net_write_timeout": str(STREAM_SECONDS),
        "wait_timeout": str(STREAM_SECONDS),
        **({"max_statement_time": str(longest)} if is_mariadb else {"max_execution_time": str(round(longest * 1000))}),
    }
    return [
        "set names utf8mb4 collate utf8mb4_bin",
        *(f"set session {name} = {value}" for name, value in settings.items()),
        "set session transaction isolation level repeatable read",
        "set session transaction read only",
        "start transaction with consistent snapshot",
    ]


# By error number: message and hint. The texts of these errors hold no values of rows.
KNOWN_ERRORS = {
    **dict.fromkeys((2006, 2013, 2055, 1053, 1927, 4031), (
        "MySQL ended the connection while it was read: {}", "look at the server's log, and draw again when it is up",
    )),
    **dict.fromkeys((1969, 3024), (
        "MySQL ended a statement: {}", 'give it longer: statement_timeout = "2h" in [source.mysql]; or read from a replica',
    )),
    1205: ("MySQL did not let a table be read: {}", 'draw again later, or wait longer: lock_timeout = "1m" in [source.mysql]'),
    1317: ("MySQL: {}", ""),
    **dict.fromkeys((1142, 1143, 1044, 1227, 1356), ("MySQL: {}", "grant select on it to the user that sandbox reads with")),
    **dict.fromkeys((1146, 1054, 1412), ("MySQL: {}; it was there when the source was looked at", "draw again when nobody changes its tables")),
}  # fmt: skip


@contextlib.contextmanager
def translate_errors(*, connecting: bool = False) -> Iterator[None]:
    """Translate the driver's errors."""
    try:
        yield
    except (pymysql.Error, OSError) as error:
        number, text = error.args[:2] if len(error.args) > 1 else (0, str(error))
        if connecting:
            raise SourceError(
                f"MySQL cannot be reached: {hide_credentials(str(text))}",
                hint="look at uri in [source]; the password comes from MYSQL_PWD or ~/.my.cnf",
            ) from error
        message, hint = KNOWN_ERRORS.get(number, ("MySQL: {}", ""))
        shown = text if number in KNOWN_ERRORS else f"error {number}; {UNSHOWN_REASON}"
        raise SourceError(message.format(shown), hint=hint) from error
