"""Loading a sample into Postgres: types without loss, rows by COPY, keys and indexes afterwards."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.engine.duckdb.session import Session, literal, quote
from sandbox.engine.duckdb.table_functions import relation
from sandbox.engine.postgres_service.server import MAINTENANCE, Server, ran, rows
from sandbox.engine.sql.type_names import item_of
from sandbox.errors import RuleError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import psycopg

    from sandbox.model import Progress, TableFiles

TEMPLATE = "sandbox_sample_"
OWN = "sample"  # for the user's own client; a template must not be connected to while it is cloned
CHUNK = 2**20
LONGEST = 63  # bytes of a name
DATABASES = (
    "select datname, shobj_description(oid, 'pg_database') from pg_database where starts_with(datname, %s)"
)
KINDS = {
    "TINYINT": "smallint", "SMALLINT": "smallint", "INTEGER": "integer", "BIGINT": "bigint",
    "UTINYINT": "smallint", "USMALLINT": "integer", "UINTEGER": "bigint", "UBIGINT": "numeric(20,0)",
    "FLOAT": "real", "DOUBLE": "double precision", "VARCHAR": "text", "BOOLEAN": "boolean", "DATE": "date",
    "TIME": "time", "TIMESTAMP": "timestamp", "TIMESTAMP_S": "timestamp", "TIMESTAMP_MS": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamptz", "UUID": "uuid", "BLOB": "bytea", "JSON": "json",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A table of the sample as it is to be loaded.

    Attributes:
        files: The table.
        key: Its declared key; may repeat or be NULL in the rows.
        indexed: Columns that references start from or lead to.
    """

    files: TableFiles
    key: Sequence[str]
    indexed: Sequence[tuple[str, ...]]


def kind(engine_type: str) -> str | None:
    """Give Postgres's type for one of DuckDB's; None where there is none that holds every value.

    >>> kind("UINTEGER"), kind("DECIMAL(12,2)"), kind("VARCHAR[]"), kind("STRUCT(a INTEGER)"), kind("TIMESTAMP_NS")
    ('bigint', 'numeric(12,2)', 'text[]', 'json', None)
    """
    if engine_type in KINDS:
        return KINDS[engine_type]
    if match := re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", engine_type):
        return f"numeric({match[1]},{match[2]})"
    if (item := item_of(engine_type)) is not None and item in KINDS and item not in {"BLOB", "JSON"}:
        return f"{KINDS[item]}[]"
    nested = engine_type.endswith("]") or engine_type.startswith(("STRUCT(", "MAP("))
    return "json" if nested and "BLOB" not in engine_type else None


def load(
    server: Server,
    tables: Sequence[Loaded],
    *,
    mark: str,
    own: bool,
    scratch: Path,
    memory: int,
    progress: Progress,
) -> str:
    """Load a sample into a template database, unless it is loaded, and give the database's name.

    Args:
        server: Where.
        tables: The sample.
        mark: What tells this sample, loaded in this way, from others; it is written when all is there.
        own: Whether it is the sandbox's own sample: the user gets a copy of it, and samples before it are forgotten.
        scratch: An existing folder for what is on its way.
        memory: Bytes that reading may take.
        progress: Shows tables.

    Raises:
        RuleError: A column has a type, or a value, that Postgres cannot hold.
        EngineError: Postgres fails.
    """
    template = TEMPLATE + hashlib.sha256(mark.encode()).hexdigest()[:16]
    with server.connected(MAINTENANCE) as connection:
        there = dict(rows(connection, DATABASES, [TEMPLATE]))
        if there.get(template) == mark:
            return template
        for name in {*(there if own else ()), template, *([OWN] if own else ())}:
            ran(connection, "drop database if exists {} with (force)", name)
        ran(connection, "create database {}", template)
        for name in (template, MAINTENANCE, "template1"):
            close(connection, name)
    with (
        Session(memory=memory, spill=scratch, failure=RuleError) as session,
        progress.step("loading the sample into Postgres", total=len(tables), unit="tables") as advance,
    ):
        for table in tables:
            _load(server, template, session, table, scratch)
            advance(1)
    with server.connected(MAINTENANCE) as connection:
        if own:
            ran(connection, "create database {} template {}", OWN, template)
            close(connection, OWN)
        ran(connection, "comment on database {} is {mark}", template, mark=mark)
    return template


def close(connection: psycopg.Connection[Any], database: str) -> None:
    """Let nobody into a database but its owner and the administrator; a clone does not inherit that."""
    ran(connection, "revoke connect, temporary on database {} from public", database)


def place(name: str) -> tuple[str, str]:
    """Give schema and table of a table's name in ``sandbox.toml``."""
    schema, _, bare = name.rpartition(".")
    return schema or "public", bare


def _load(server: Server, template: str, session: Session, table: Loaded, scratch: Path) -> None:
    name = table.files.name
    source = relation(table.files)
    types = {row[0]: row[1] for row in session.rows(f"describe select * from {source}", doing=name)}
    kinds = _kinds(name, types)
    schema, bare = place(name)
    file = scratch / "rows.csv"
    texts = ", ".join(
        f"{_text(column, engine_type)} as {quote(column)}" for column, engine_type in types.items()
    )
    session.execute(
        f"copy (select {texts} from {source}) to {literal(str(file))} (format csv, header false, force_quote *)",
        doing=f"loading {name}",
    )
    with server.connected(template, RuleError, doing=f"loading {name} into Postgres") as connection:
        ran(connection, "create schema if not exists {}", schema)
        columns = ", ".join(["{} " + one for one in kinds.values()])
        ran(connection, f"create table {{}}.{{}} ({columns})", schema, bare, *kinds)
        text = f"copy {quote(schema)}.{quote(bare)} from stdin (format csv)"
        with file.open("rb") as lines, connection.cursor().copy(text) as copy:
            while chunk := lines.read(CHUNK):
                copy.write(chunk)
        file.unlink()
        _index(connection, session, table, source)
        ran(connection, "analyze {}.{}", schema, bare)


def _kinds(table: str, types: Mapping[str, str]) -> dict[str, str]:
    kinds: dict[str, str] = {}
    for column, engine_type in types.items():
        found = kind(engine_type)
        if found is None:
            raise RuleError(
                f"{table}.{column} is {engine_type}, which Postgres has no type for",
                hint="leave the column out of the source, or give it another type in [tables.NAME.types]",
            )
        if len(column.encode()) > LONGEST:
            raise RuleError(f"{table}.{column}: Postgres takes names of at most {LONGEST} bytes")
        kinds[column] = found
    return kinds


def _text(column: str, engine_type: str) -> str:
    """Give the SQL of the text by which COPY reads a value."""
    value = quote(column)
    if engine_type == "BLOB":
        return f"'\\x' || hex({value})"
    target = kind(engine_type)
    if target is not None and target.endswith("[]"):
        escaped = "replace(replace(v::varchar, '\\', '\\\\'), '\"', '\\\"')"
        items = f"list_transform({value}, lambda v: case when v is null then 'NULL' else '\"' || {escaped} || '\"' end)"
        return f"case when {value} is not null then '{{' || array_to_string({items}, ',') || '}}' end"
    if target == "json" and engine_type != "JSON":
        return f"to_json({value})::varchar"
    return f"{value}::varchar"


def _index(connection: psycopg.Connection[Any], session: Session, table: Loaded, source: str) -> None:
    """Make the key and the references quick to look up; a key that is one becomes the primary key."""
    schema, bare = place(table.files.name)
    done: list[tuple[str, ...]] = []
    if table.key:
        names = ", ".join(quote(column) for column in table.key)
        empty = " or ".join(f"{quote(column)} is null" for column in table.key)
        [(repeated,)] = session.rows(
            f"select count(*) from (select {names} from {source} group by {names} having count(*) > 1 or {empty})"
        )
        if not repeated:
            places = ", ".join(["{}"] * len(table.key))
            ran(connection, f"alter table {{}}.{{}} add primary key ({places})", schema, bare, *table.key)
            done.append(tuple(table.key))
    for columns in _distinct([tuple(table.key), *table.indexed]):
        if columns and columns not in done:
            places = ", ".join(["{}"] * len(columns))
            ran(connection, f"create index on {{}}.{{}} ({places})", schema, bare, *columns)


def _distinct(columns: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return list(dict.fromkeys(columns))
