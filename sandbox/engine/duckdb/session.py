"""The embedded engine: a DuckDB session that is bounded, quiet and keeps to this machine."""

from __future__ import annotations

import contextlib
import inspect
import logging
import os
import re
import threading
from typing import TYPE_CHECKING, Any, Self

import duckdb
from duckdb.func import ARROW, SPECIAL

from sandbox.engine.duckdb.interrupt import InterruptHandler
from sandbox.errors import SandboxError, SourceError
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
    """Give an SQL identifier, quoted; the one way to put a name into SQL.

    >>> print(quote_identifier('a "b" c'))
    "a ""b"" c"
    """
    return '"' + identifier.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """Give an SQL string literal; for the few places that take no parameter.

    >>> quote_literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


class Session:
    """One connection with its own limits; use it as a context manager.

    Args:
        memory: Bytes that DuckDB may hold before it spills.
        threads: Worker threads; None takes the processors that this process may use.
        spill: Where it spills; a temporary folder of its own if None. Removed at the end.
        failure: Which error the engine's own errors become, unless a call says otherwise.
        encrypted: Whether what spills is encrypted, with a key that is nowhere but in this process's memory.
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
        self.remote_file_systems: dict[
            str, Any
        ] = {}  # by scheme: what reads buckets (see `sandbox.engine.duckdb.remote_files`)
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
                # With them a COPY that is interrupted never ends: the file's writer waits, holding a lock, for writes that
                # wait for the lock (DuckDB 2.0.0, ManagedAsyncWriteStreamQueue::AbortWrites).
                "async_threads": 0,
            },
        )
        # These two belong to a connection and cannot be part of its making.
        self.connection.execute("set TimeZone = 'UTC'; set enable_progress_bar = false")
        if encrypted:
            # Its cipher is mbedTLS's AES-GCM, which it calls unsafe because its keys and nonces come from a generator
            # that is not made for secrets. OpenSSL's would need an extension from the network. See docs/design.md.
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
        """End the connection and remove what it spilled."""
        self.connection.close()
        self._exit_stack.close()

    @property
    def version(self) -> str:
        """The engine's version."""
        return DUCKDB_VERSION

    def execute(self, sql: str, parameters: Sequence[Any] = (), *, doing: str = "a query") -> None:
        """Carry out a statement.

        Raises:
            SandboxError: As `translate_errors` says.
        """
        with self.translate_errors(doing):
            self._execute_statement(sql, parameters)

    def fetch_rows(self, sql: str, parameters: Sequence[Any] = (), *, doing: str = "a query") -> list[tuple[Any, ...]]:
        """Give all rows of a query as Python values (see `execute`)."""
        with self.translate_errors(doing):
            return self._execute_statement(sql, parameters).fetchall()

    def run_user_query(self, query: str, *, most: int | None) -> tuple[dict[str, str], list[tuple[str | None, ...]]]:
        """Carry out a person's own query, in order.

        Args:
            query: One statement that gives rows.
            most: How many rows to give at most; None gives all.

        Returns:
            The columns with the engine's names of their types, and the rows as the engine's text of each value.

        Raises:
            SandboxError: As `translate_errors` says; also where it is not one statement.
        """
        doing = "the query"
        with self.translate_errors(doing):
            statements = self.connection.extract_statements(query)
        if len(statements) != 1:
            raise self._error_class(f"{doing}: {len(statements)} statements, where one is expected")
        body = _strip_query_end(query)
        self.execute("set preserve_insertion_order = true")
        columns = {row[0]: row[1] for row in self.fetch_rows(f"describe select * from (\n{body}\n)", doing=doing)}
        limit = "" if most is None else f" limit {most:d}"
        return columns, self.fetch_rows(f"select columns(*)::varchar from (\n{body}\n){limit}", doing=doing)

    def fetch_batches(
        self, sql: str, parameters: Sequence[Any] = (), *, size: int, doing: str = "a query"
    ) -> Iterator[pa.RecordBatch]:
        """Give the rows of a query, in its order, in Arrow batches of about so many rows (see `execute`)."""
        _log.debug("%s", sql)
        with self.translate_errors(doing):
            # Not `connection.execute`, whose reader gives the batches in any order.
            yield from self.connection.sql(sql, params=list(parameters) or None).to_arrow_reader(size)

    def set_statement_error(self, error: SandboxError) -> None:
        """Say with which error of ours the statement fails that is being carried out: what it calls cannot raise it itself."""
        self._statement_error = error

    def add_interrupt_callback(self, stop: Callable[[], None]) -> None:
        """Also call a function where Ctrl-C ends a statement: it ends what the engine waits for."""
        self._interrupt_callbacks.append(stop)

    def _call_interrupt_callbacks(self) -> None:
        for stop in self._interrupt_callbacks:
            stop()

    def register_table(self, name: str, rows: pa.Table | ds.Dataset | dict[str, NDArray[Any]]) -> None:
        """Let SQL read an Arrow table or dataset, or arrays, under a name; not copied, so they must not change meanwhile."""
        self.connection.register(name, rows)

    def register_function(
        self, name: str, function: Callable[..., pa.Array], parameters: Sequence[str], returns: str
    ) -> None:
        """Let SQL call a Python function of Arrow arrays of one length, which gives another of that length.

        It is called from several threads, with NULLs among the values. What it raises ends the query: an interruption as
        such, anything else as this session's failure, without the values that it was about.

        Args:
            name: What SQL calls it; to be quoted.
            function: Pure, so that the engine may call it as often as it likes.
            parameters: The engine's names of the parameters' types.
            returns: The same of what it gives.
        """

        def evaluate_columns(*columns):  # type: ignore[no-untyped-def]  # noqa: ANN002, ANN202 - the engine evaluates annotations
            return self._evaluate_function(function, columns)

        places = [inspect.Parameter(f"column_{n}", POSITIONAL_ONLY) for n in range(len(parameters))]
        evaluate_columns.__signature__ = inspect.Signature(places)  # type: ignore[attr-defined]  # which the engine counts
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
    def watch_progress(self, seen: Callable[[float], None]) -> Iterator[None]:
        """Tell a function, while the block lasts, how far the statement is that is being carried out.

        Args:
            seen: It is called every fifth of a second, from another thread, with the engine's guess: 0 to 1. Each
                statement of the block begins again. It must not raise.
        """
        # The engine counts only where it believes that it shows a bar.
        self.execute("set enable_progress_bar = true; set enable_progress_bar_print = false")
        ended = threading.Event()

        def poll_progress() -> None:
            while not ended.wait(PROGRESS_POLL_SECONDS):
                percent = self.connection.query_progress()
                if percent >= 0:  # else there is no statement, or it has not begun
                    seen(min(1.0, percent / 100))

        watch = threading.Thread(target=poll_progress, name="watching a statement", daemon=True)
        watch.start()
        try:
            yield
        finally:
            ended.set()
            watch.join()
            # Not `execute`, which raises where an interrupt is on its way: later statements must not be counted, that is slow.
            self.connection.execute("set enable_progress_bar = false")

    def restrict_access(self, files: Iterable[Path]) -> None:
        """Keep every later statement from all files but these, from extensions, and from the session's settings."""
        allowed = "[" + ", ".join(quote_literal(str(path)) for path in files) + "]"
        self.execute(f"set allowed_paths = {allowed}")
        self.execute("set enable_external_access = false")
        self.execute("set lock_configuration = true")

    def count_user_query_rows(self, query: str, *, doing: str) -> int:
        """Count the rows of a query that somebody else wrote; nothing but a query is carried out.

        Raises:
            SandboxError: As `translate_errors` says; also where it is not one query.
        """
        with self.translate_errors(doing):
            statements = self.connection.extract_statements(query)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise self._error_class(f"{doing}: one query is expected (select …), and nothing else")
            # One statement that is a query closes no parenthesis that it did not open.
            [(rows,)] = self.connection.execute(f"select count(*) from (\n{_strip_query_end(query)}\n)").fetchall()
        return int(rows)

    def _execute_statement(self, sql: str, parameters: Sequence[Any]) -> duckdb.DuckDBPyConnection:
        _log.debug("%s", sql)
        self._interrupt.check()
        self._function_error = self._statement_error = None
        return self.connection.execute(sql, list(parameters) or None)

    @contextlib.contextmanager
    def translate_errors(self, doing: str) -> Iterator[None]:
        """Turn DuckDB's errors into ours; the message starts with what was being done."""
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
            raise self._error_class(f"{doing}: {small}{summarize_error(error)}") from error
        except RuntimeError as error:
            # What a SIGINT becomes that arrives while DuckDB works.
            if str(error) != "Query interrupted":
                raise
            raise KeyboardInterrupt from None


def _strip_query_end(query: str) -> str:
    """Give a query without the semicolons and comments at its end.

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


def find_engine_message(error: SandboxError) -> str | None:
    """Give the engine's whole text behind an error of ours; None where it was not the engine that complained."""
    return str(error.__cause__) if isinstance(error.__cause__, duckdb.Error) else None


def summarize_error(error: BaseException | str) -> str:
    """Give the first line of a foreign error without DuckDB's prefix (``Binder Error: ``)."""
    text = str(error).strip().splitlines()
    if text and text[0].startswith("Traceback "):  # of a function of Python's that the engine called
        text = [line for line in text[1:] if re.match(r"[\w.]+(?:Error|Exception): ", line)][-1:]
    return re.sub(r"^(?:[A-Z]\w* )+Error: |^OSError: ", "", text[0]) if text else type(error).__name__
