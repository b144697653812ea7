"""SQLite files as sources, read with the standard library into Arrow batches.

SQLite types values, not columns. All values are inspected first: a column of mixed types is refused, or read as text on
request.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote as percent_encode

import pyarrow as pa

from sandbox.engine.database_schema import DeclaredReference, DeclaredTable
from sandbox.engine.duckdb.arrow_scan import ScannableTable
from sandbox.engine.duckdb.session import quote_identifier
from sandbox.error_text import describe_foreign_error
from sandbox.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

BATCH_ROWS = 10_000
LOCK_WAIT_SECONDS = 30  # for a writer's lock
MAX_EXACT_INTEGER = 2**53  # above it doubles skip integers
STORAGE_CLASSES = ("integer", "real", "text", "blob")
ARROW_TYPES = {"BIGINT": pa.int64(), "DOUBLE": pa.float64(), "VARCHAR": pa.string(), "BLOB": pa.binary()}


class SQLiteSnapshot:
    """A read connection with a consistent snapshot, if that does not block writers.

    In WAL mode it does not. Otherwise a transaction would block writers, so each query reads the current file, and
    changes have to be detected from the file itself.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = threading.Lock()
        with _translate_errors(path):
            self.connection = sqlite3.connect(
                f"file:{percent_encode(path)}?mode=ro",
                uri=True,
                timeout=LOCK_WAIT_SECONDS,
                check_same_thread=False,
                isolation_level=None,
            )
            self.is_consistent = self.connection.execute("pragma journal_mode").fetchone() == ("wal",)
            if self.is_consistent:
                self.connection.execute("begin")
                self.connection.execute("select count(*) from sqlite_schema").fetchone()

    def __del__(self) -> None:
        if hasattr(self, "connection"):
            self.connection.close()

    def fetch_rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a query.

        Raises:
            SourceError: The file cannot be read.
        """
        with _translate_errors(self.path), self._lock:
            return self.connection.execute(sql, parameters).fetchall()

    def fetch_batches(self, sql: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a query in Arrow batches with this schema (see `fetch_rows`)."""
        with self._lock:
            cursor = self.connection.execute(sql)
        cursor.arraysize = BATCH_ROWS
        while True:
            with self._lock:
                rows = cursor.fetchmany()
            if not rows:
                return
            columns = [
                pa.array(cells, field.type) for cells, field in zip(zip(*rows, strict=True), schema, strict=True)
            ]
            yield pa.record_batch(columns, schema=schema)


@dataclass(frozen=True, kw_only=True)
class SQLiteColumn:
    """How to read a column: its DuckDB type, and whether all values are cast to text.

    With ``shows_kind`` that text begins with the value's storage class, so that no two values have one text.
    """

    name: str
    kind: str
    as_text: bool = False
    shows_kind: bool = False

    def render_sql(self) -> str:
        """Return the SQL of its values."""
        name = quote_identifier(self.name)
        if self.shows_kind:
            return f"case when {name} is not null then typeof({name}) || ' ' || quote({name}) end"
        return f"cast({name} as text)" if self.as_text else name


class SQLiteTable(ScannableTable):
    """A table of a SQLite file, scannable by DuckDB."""

    def __init__(self, snapshot: SQLiteSnapshot, table: str, columns: Sequence[SQLiteColumn]) -> None:
        super().__init__([ARROW_TYPES[column.kind] for column in columns])
        self._snapshot, self._table, self._columns = snapshot, table, columns

    def read_batches(self, read: pa.Schema) -> Iterator[pa.RecordBatch]:
        selected = (self._columns[int(name[1:])] for name in read.names)
        select = ", ".join(column.render_sql() for column in selected)
        yield from self._snapshot.fetch_batches(f"select {select} from {quote_identifier(self._table)}", read)


def list_columns(snapshot: SQLiteSnapshot, table: str) -> list[str]:
    """Return the names of a table's columns."""
    info = snapshot.fetch_rows("select name from pragma_table_xinfo(?) where hidden in (0, 2, 3)", [table])
    return [name for (name,) in info]


def list_views(snapshot: SQLiteSnapshot) -> list[str]:
    """Return the names of the views and virtual tables of a file, sorted."""
    found = snapshot.fetch_rows(
        "select name from sqlite_schema where type = 'view' or (type = 'table' and sql like 'create virtual%') order by name"
    )
    return [name for (name,) in found]


def checkpoint_file(path: str) -> None:
    """Write what lies in the log beside a file into the file, and leave it in a mode without such logs.

    Raises:
        SourceError: It cannot be done.
    """
    with _translate_errors(path), contextlib.closing(sqlite3.connect(path, timeout=LOCK_WAIT_SECONDS)) as connection:
        connection.execute(
            "select count(*) from sqlite_schema"
        ).fetchone()  # which rolls an unfinished transaction back
        if connection.execute("pragma journal_mode").fetchone() == ("wal",):
            connection.execute("pragma journal_mode = delete").fetchall()


def list_declared_tables(snapshot: SQLiteSnapshot) -> list[DeclaredTable]:
    """Return the tables of a file, by name, without views and virtual tables."""
    names = snapshot.fetch_rows(
        "select name from sqlite_schema where type = 'table' and name not like 'sqlite\\_%' escape '\\' "
        "and sql not like 'create virtual%' order by name"
    )
    return [_describe_table(snapshot, name) for (name,) in names]


def _describe_table(snapshot: SQLiteSnapshot, table: str) -> DeclaredTable:
    columns = snapshot.fetch_rows("select name, pk from pragma_table_info(?)", [table])
    key = tuple(name for name, position in sorted(columns, key=lambda column: column[1]) if position)
    pairs_by_id: dict[int, list[tuple[str, str, str | None]]] = {}
    for number, target, column, other in snapshot.fetch_rows(
        'select id, "table", "from", "to" from pragma_foreign_key_list(?) order by id, seq', [table]
    ):
        pairs_by_id.setdefault(number, []).append((target, column, other))
    references = []
    for pairs in pairs_by_id.values():
        target = pairs[0][0]
        named = tuple(other for *_, other in pairs)
        if None in named:  # refers to the other table's primary key
            others = snapshot.fetch_rows("select name, pk from pragma_table_info(?) where pk > 0 order by pk", [target])
            named = tuple(name for name, _ in others)
        references.append(
            DeclaredReference(
                columns=tuple(column for _, column, _ in pairs), schema="main", table=target,
                key=tuple(name for name in named if name is not None),
            )
        )  # fmt: skip
    return DeclaredTable(schema="main", table=table, key=key, references=tuple(references))


def resolve_columns(
    snapshot: SQLiteSnapshot, table: str, texts: Mapping[str, str]
) -> tuple[list[SQLiteColumn], dict[str, str]]:
    """Return how to read a table's columns, inferred from all their values, and their declared types.

    Mixed types in columns with a configured type (``texts``) are read as text.

    Raises:
        SourceError: A column holds mixed types and has no configured type.
    """
    info = snapshot.fetch_rows("select name, type from pragma_table_xinfo(?) where hidden in (0, 2, 3)", [table])
    names = [name for name, _ in info]
    type_checks = ", ".join(
        f"max(typeof({quote_identifier(name)}) = '{kind}')" for name in names for kind in STORAGE_CLASSES
    )
    ends = ", ".join(
        f"{end}(case when typeof({quote_identifier(name)}) = 'integer' then {quote_identifier(name)} end)"
        for name in names
        for end in ("min", "max")
    )
    [summary] = snapshot.fetch_rows(f"select {type_checks}, {ends} from {quote_identifier(table)}")
    kinds, numbers = summary[: 4 * len(names)], summary[4 * len(names) :]
    columns = []
    for index, (name, declared_type) in enumerate(info):
        held = {kind for kind, seen in zip(STORAGE_CLASSES, kinds[index * 4 : index * 4 + 4], strict=True) if seen}
        whole = all(abs(number or 0) <= MAX_EXACT_INTEGER for number in numbers[index * 2 : index * 2 + 2])
        columns.append(
            _choose_column_type(f"{table}.{name}", name, declared_type, held, whole=whole, text=name in texts)
        )
    return columns, dict(info)


def _choose_column_type(
    shown: str, name: str, declared_type: str, held: set[str], *, whole: bool, text: bool
) -> SQLiteColumn:
    if held <= {"integer"} and held:
        return SQLiteColumn(name=name, kind="BIGINT")
    if held and held <= {"integer", "real"} and (whole or held == {"real"}):
        return SQLiteColumn(name=name, kind="DOUBLE")
    if held == {"text"}:
        return SQLiteColumn(name=name, kind="VARCHAR")
    if held == {"blob"}:
        return SQLiteColumn(name=name, kind="BLOB")
    if not held:
        return SQLiteColumn(name=name, kind=_choose_affinity_type(declared_type))
    if text:
        return SQLiteColumn(name=name, kind="VARCHAR", as_text=True)
    kinds = " and ".join(sorted(held))
    raise SourceError(
        f"{shown} holds values of several kinds: {kinds}",
        hint=f'to read them all as text, fix its type: {name} = "VARCHAR" in [tables.NAME.types]',
    )


def _choose_affinity_type(declared_type: str) -> str:
    """Return the type of a column without values, by SQLite's type affinity rules."""
    text = declared_type.upper()
    if "INT" in text:
        return "BIGINT"
    if any(word in text for word in ("CHAR", "CLOB", "TEXT")):
        return "VARCHAR"
    if "BLOB" in text:
        return "BLOB"
    return "DOUBLE" if any(word in text for word in ("REAL", "FLOA", "DOUB", "NUMERIC", "DECIMAL")) else "VARCHAR"


@contextlib.contextmanager
def _translate_errors(path: str) -> Iterator[None]:
    """Translate SQLite's errors to `SourceError`."""
    try:
        yield
    except sqlite3.Error as error:
        reason = describe_foreign_error(error)
        hint = "close the program that writes to it, or copy the file and name the copy" if "locked" in reason else ""
        raise SourceError(f"{path} cannot be read as a SQLite file: {reason}", hint=hint) from error
