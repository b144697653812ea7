"""DuckDB sessions with limits on memory, threads and access."""

from __future__ import annotations

import contextlib
import inspect
import json
import logging
import os
import re
import threading
from typing import TYPE_CHECKING, Any, Self

import duckdb
from duckdb.func import ARROW, SPECIAL

from sandbox.engine.duckdb.interrupt import InterruptHandler
from sandbox.error_text import describe_foreign_error, hide_literals
from sandbox.errors import SandboxError, SourceError
from sandbox.formatting import format_count
from sandbox.scratch import make_locked_folder, make_scratch_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa
    import pyarrow.dataset as ds
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)

DUCKDB_VERSION = str(duckdb.__version__)
POSITIONAL_ONLY = inspect.Parameter.POSITIONAL_ONLY
INTERRUPT_MESSAGE_SUFFIX = "executing the UDF: KeyboardInterrupt: "
PROGRESS_POLL_SECONDS = 0.2


def quote_identifier(identifier: str) -> str:
    """Return a quoted SQL identifier; the only way to put a name into SQL.

    >>> print(quote_identifier('a "b" c'))
    "a ""b"" c"
    """
    return '"' + identifier.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """Return an SQL string literal, where parameters are not supported.

    >>> quote_literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def escape_glob(path: str) -> str:
    """Return the pattern that matches one path alone.

    >>> escape_glob("/a[1]/b*.csv")
    '/a[[]1]/b[*].csv'
    """
    return re.sub(r"([*?\[])", r"[\1]", path)


class Session:
    """One DuckDB connection with its own limits; a context manager.

    Args:
        memory: Bytes that DuckDB may hold before it spills.
        threads: Worker threads; None uses the processors available to this process.
        spill: Folder for spilled data, removed at the end; None uses a temporary folder.
        failure: The class raised for DuckDB's errors.
        encrypted: Whether spilled data is encrypted, with a key held only in this process's memory.
    """

    def __init__(
        self,
        *,
        memory: int = 2**30,
        threads: int | None = None,
        spill: Path | None = None,
        failure: type[SandboxError] = SourceError,
        encrypted: bool = False,
    ) -> None:
        self._error_class = failure
        self._function_error: BaseException | None = None
        self._statement_error: SandboxError | None = None
        self.remote_file_systems: dict[str, Any] = {}  # by scheme (see `sandbox.engine.duckdb.remote_files`)
        self._exit_stack = contextlib.ExitStack()
        folder = self._exit_stack.enter_context(
            make_locked_folder(spill, label="spill") if spill else make_scratch_folder("spill")
        )
        self.connection = duckdb.connect(
            ":memory:",
            config={
                "memory_limit": f"{memory}B",
                "threads": threads or len(os.sched_getaffinity(0)),
                "temp_directory": str(folder),
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "preserve_insertion_order": False,
                # With async threads an interrupted COPY never ends: the file's writer waits, holding a lock, for writes
                # that wait for the lock (DuckDB 2.0.0, ManagedAsyncWriteStreamQueue::AbortWrites).
                "async_threads": 0,
            },
        )
        # These two settings are per connection and cannot be passed to connect().
        self.connection.execute("set TimeZone = 'UTC'; set enable_progress_bar = false")
        if encrypted:
            # The cipher is mbedTLS's AES-GCM. DuckDB calls it unsafe because its keys and nonces come from a generator
            # not made for secrets. OpenSSL's would need an extension from the network. See decision 9 in docs/design.
            self.connection.execute("set force_mbedtls_unsafe = true; set temp_file_encryption = true")
        self._interrupt_callbacks: list[Callable[[], None]] = [self.connection.interrupt]
        self._interrupt = InterruptHandler(self._call_interrupt_callbacks)

    def __enter__(self) -> Self:
        self._interrupt.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._interrupt.__exit__()
        self.close()

    def close(self) -> None:
        """Close the connection and delete spilled data."""
        self.connection.close()
        self._exit_stack.close()

    @property
    def version(self) -> str:
        return DUCKDB_VERSION

    def execute(self, sql: str, parameters: Sequence[Any] = (), *, doing: str = "a query") -> None:
        """Execute a statement.

        Raises:
            SandboxError: See `translate_errors`.
        """
        with self.translate_errors(doing):
            self._execute_statement(sql, parameters)

    def fetch_rows(self, sql: str, parameters: Sequence[Any] = (), *, doing: str = "a query") -> list[tuple[Any, ...]]:
        """Return all rows of a query as Python values (see `execute`)."""
        with self.translate_errors(doing):
            return self._execute_statement(sql, parameters).fetchall()

    def run_user_query(self, query: str, *, most: int | None) -> tuple[dict[str, str], list[tuple[str | None, ...]]]:
        """Run a query written by the user, with its row order preserved.

        Returns:
            The columns with their DuckDB types, and at most ``most`` rows with each value as text.

        Raises:
            SandboxError: See `translate_errors`; also if it is not one statement.
        """
        doing = "the query"
        with self.translate_errors(doing):
            statements = self.connection.extract_statements(query)
        if len(statements) != 1:
            raise self._error_class(f"{doing}: {format_count(len(statements), 'statement')}, where one is expected")
        body = _strip_query_end(query)
        self.execute("set preserve_insertion_order = true")
        columns = {row[0]: row[1] for row in self.fetch_rows(f"describe select * from (\n{body}\n)", doing=doing)}
        limit = "" if most is None else f" limit {most:d}"
        return columns, self.fetch_rows(f"select columns(*)::varchar from (\n{body}\n){limit}", doing=doing)

    def fetch_batches(
        self, sql: str, parameters: Sequence[Any] = (), *, size: int, doing: str = "a query"
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a query, in order, in Arrow batches of about ``size`` rows (see `execute`)."""
        _log.debug("%s", hide_literals(sql))
        with self.translate_errors(doing):
            # Not `connection.execute`: its reader returns the batches in any order.
            reader = self.connection.sql(sql, params=list(parameters) or None).to_arrow_reader(size)
            try:
                yield from reader
            except OSError as error:  # Arrow's, for any error of DuckDB while it reads
                raise self._error_class(f"{doing}: {describe_foreign_error(error)}") from error

    def register_file_system(self, scheme: str, system: Any) -> None:
        """Let statements read the files of an fsspec file system by addresses with its scheme."""
        self.remote_file_systems[scheme] = system
        self.connection.register_filesystem(system)

    def set_statement_error(self, error: SandboxError) -> None:
        """Set the error for the running statement to fail with, for callbacks that cannot raise it themselves."""
        self._statement_error = error

    def add_interrupt_callback(self, stop: Callable[[], None]) -> None:
        """Register a function to call on Ctrl-C, to end an operation awaited by DuckDB."""
        self._interrupt_callbacks.append(stop)

    def _call_interrupt_callbacks(self) -> None:
        for stop in self._interrupt_callbacks:
            stop()

    def register_table(self, name: str, rows: pa.Table | ds.Dataset | dict[str, NDArray[Any]]) -> None:
        """Register an Arrow table or dataset, or arrays, under a name. It is not copied and must not change."""
        self.connection.register(name, rows)

    def register_function(
        self, name: str, function: Callable[..., pa.Array], parameters: Sequence[str], returns: str
    ) -> None:
        """Register a Python function of Arrow arrays of one length, returning an array of the same length.

        It is called from several threads and receives NULLs. An interrupt in it ends the query as an interrupt; any
        other exception becomes this session's error, without the values.

        Args:
            name: Its name in SQL; to be quoted.
            function: A pure function; DuckDB may call it any number of times.
            parameters: DuckDB types of the parameters.
            returns: DuckDB type of the result.
        """

        def evaluate_columns(*columns):  # type: ignore[no-untyped-def]  # noqa: ANN002, ANN202 - the engine evaluates annotations
            return self._evaluate_function(function, columns)

        positional = [inspect.Parameter(f"column_{n}", POSITIONAL_ONLY) for n in range(len(parameters))]
        evaluate_columns.__signature__ = inspect.Signature(positional)  # type: ignore[attr-defined]  # read by DuckDB
        types: list[Any] = [duckdb.sqltype(kind) for kind in (*parameters, returns)]
        self.connection.create_function(
            name, evaluate_columns, types[:-1], types[-1], type=ARROW, null_handling=SPECIAL
        )

    def _evaluate_function(self, function: Callable[..., pa.Array], columns: Sequence[pa.ChunkedArray]) -> pa.Array:
        try:
            return function(*(column.combine_chunks() for column in columns))
        except BaseException as error:  # noqa: BLE001 - it is raised again, as ours, when the engine has ended
            self._function_error = error
            raise RuntimeError(type(error).__name__) from None

    @contextlib.contextmanager
    def watch_progress(self, on_progress: Callable[[float], None]) -> Iterator[None]:
        """Report the progress of the running statement to a callback within a block.

        Args:
            on_progress: Called every 0.2 s from another thread with DuckDB's estimate, 0 to 1. Each statement of the block
                starts at 0 again. It must not raise.
        """
        # DuckDB tracks progress only with the progress bar enabled.
        self.execute("set enable_progress_bar = true; set enable_progress_bar_print = false")
        ended = threading.Event()

        def poll_progress() -> None:
            while not ended.wait(PROGRESS_POLL_SECONDS):
                percent = self.connection.query_progress()
                if percent >= 0:  # otherwise no statement is running yet
                    on_progress(min(1.0, percent / 100))

        watch = threading.Thread(target=poll_progress, name="watching a statement", daemon=True)
        watch.start()
        try:
            yield
        finally:
            ended.set()
            watch.join()
            # Not `execute`, which raises on a pending interrupt. Progress tracking must end: it slows down later
            # statements.
            self.connection.execute("set enable_progress_bar = false")

    @contextlib.contextmanager
    def limit_time(self, seconds: float, *, limit: str) -> Iterator[None]:
        """End the statements of the block when their time is up.

        Args:
            seconds: Their time; infinite for none.
            limit: What the error says of it.

        Raises:
            SandboxError: It was; the session's failure.
        """
        expired = threading.Event()

        def stop() -> None:
            expired.set()
            self.connection.interrupt()

        timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), stop)
        timer.daemon = True
        timer.start()
        try:
            yield
        except KeyboardInterrupt:
            self._interrupt.check()
            if not expired.is_set():
                raise
            raise self._error_class(f"it did not end within {limit}") from None
        finally:
            timer.cancel()

    def restrict_access(self, files: Iterable[Path | str]) -> None:
        """Restrict later statements to these files or addresses, without extensions or changes to settings."""
        # DuckDB compares the pattern of a file, not its path.
        paths = {text for path in files for text in (str(path), escape_glob(str(path)))}
        allowed = "[" + ", ".join(quote_literal(path) for path in sorted(paths)) + "]"
        self.execute(f"set allowed_paths = {allowed}")
        self.execute("set enable_external_access = false")
        self.execute("set lock_configuration = true")

    def count_user_query_rows(self, query: str, *, doing: str) -> int:
        """Count the rows of a query written by somebody else; run nothing but a query.

        Raises:
            SandboxError: See `translate_errors`; also if it is not one query.
        """
        with self.translate_errors(doing):
            statements = self.connection.extract_statements(query)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise self._error_class(f"{doing}: one query is expected (select …), and nothing else")
            # A single valid query cannot close a parenthesis that it did not open.
            [(rows,)] = self.connection.execute(f"select count(*) from (\n{_strip_query_end(query)}\n)").fetchall()
        return int(rows)

    def list_query_tables(self, query: str) -> set[tuple[str, str]]:
        """Return the schemas and names of tables in a query, and of its common table expressions.

        The schema is empty if the query gives none. Invalid SQL names no table.
        """
        [(text,)] = self.fetch_rows("select json_serialize_sql(?)", [query])
        names: set[tuple[str, str]] = set()
        nodes = [json.loads(text)]
        while nodes:
            node = nodes.pop()
            if isinstance(node, dict):
                if node.get("type") == "BASE_TABLE":
                    names.add((node["schema_name"], node["table_name"]))
                nodes += node.values()
            elif isinstance(node, list):
                nodes += node
        return names

    def _execute_statement(self, sql: str, parameters: Sequence[Any]) -> duckdb.DuckDBPyConnection:
        _log.debug("%s", hide_literals(sql))
        self._interrupt.check()
        self._function_error = self._statement_error = None
        return self.connection.execute(sql, list(parameters) or None)

    @contextlib.contextmanager
    def translate_errors(self, doing: str) -> Iterator[None]:
        """Translate DuckDB's errors; messages begin with ``doing``, the current operation."""
        try:
            yield
            self._interrupt.check()
        except duckdb.InterruptException:
            raise KeyboardInterrupt from None
        except duckdb.Error as error:
            self._interrupt.check()
            blamed, self._statement_error = self._statement_error, None
            if blamed is not None:
                raise blamed  # noqa: B904 - it has a cause of its own
            if isinstance(error, duckdb.InvalidInputException):
                raised, self._function_error = self._function_error, None
                if isinstance(raised, KeyboardInterrupt) or str(error).endswith(INTERRUPT_MESSAGE_SUFFIX):
                    raise KeyboardInterrupt from None
                if raised is not None:
                    what = f"{type(raised).__name__} in a function of ours"
                    raise self._error_class(f"{doing}: {what}") from None
            small = "the memory limit was too small: " * isinstance(error, duckdb.OutOfMemoryException)
            raise self._error_class(f"{doing}: {small}{describe_foreign_error(error)}") from error
        except UnicodeDecodeError:
            # DuckDB cut its message in the middle of a character of a value.
            raise self._error_class(f"{doing}: DuckDB's message is not shown: it may hold values of rows") from None
        except RuntimeError as error:
            # DuckDB raises this for a SIGINT that arrives during a statement.
            if str(error) != "Query interrupted":
                raise
            raise KeyboardInterrupt from None


def _strip_query_end(query: str) -> str:
    """Return a query without trailing semicolons and comments.

    >>> _strip_query_end("select ';--' as a ; -- done")
    "select ';--' as a "
    """
    text = query.encode()
    end = len(text)
    for offset, kind in reversed(duckdb.tokenize(query)):
        if kind != duckdb.token_type.comment and text[offset : offset + 1] != b";":
            break
        end = offset
    return text[:end].decode()


def find_engine_error(error: SandboxError) -> duckdb.Error | None:
    """Return DuckDB's own error behind an error; None if DuckDB did not raise it."""
    return error.__cause__ if isinstance(error.__cause__, duckdb.Error) else None
