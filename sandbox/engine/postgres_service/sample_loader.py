"""Loading a sample into Postgres: lossless types, rows by COPY, keys and indexes afterwards."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.engine.duckdb.session import Session, quote_identifier, quote_literal
from sandbox.engine.duckdb.table_functions import build_table_function
from sandbox.engine.postgres_service.server import (
    MAINTENANCE_DATABASE,
    PostgresServer,
    execute_statement,
    fetch_rows,
)
from sandbox.engine.sql.type_names import parse_item_type
from sandbox.errors import DataRuleError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import psycopg

    from sandbox.model import Progress, TableFiles

TEMPLATE_PREFIX = "sandbox_sample_"
USER_DATABASE = "sample"  # for the user's own client; connections would block cloning a template
CHUNK_BYTES = 2**20
MAX_NAME_BYTES = 63
DATABASES_QUERY = (
    "select datname, shobj_description(oid, 'pg_database') from pg_database where starts_with(datname, %s)"
)
POSTGRES_TYPES = {
    "TINYINT": "smallint", "SMALLINT": "smallint", "INTEGER": "integer", "BIGINT": "bigint",
    "UTINYINT": "smallint", "USMALLINT": "integer", "UINTEGER": "bigint", "UBIGINT": "numeric(20,0)",
    "FLOAT": "real", "DOUBLE": "double precision", "VARCHAR": "text", "BOOLEAN": "boolean", "DATE": "date",
    "TIME": "time", "TIMESTAMP": "timestamp", "TIMESTAMP_S": "timestamp", "TIMESTAMP_MS": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamptz", "UUID": "uuid", "BLOB": "bytea", "JSON": "json",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class TableToLoad:
    """A table of the sample to load.

    Attributes:
        files: The table.
        key: Its declared key; may repeat or be NULL in the rows.
        index_columns: Referring and referenced columns.
    """

    files: TableFiles
    key: Sequence[str]
    index_columns: Sequence[tuple[str, ...]]


def to_postgres_type(engine_type: str) -> str | None:
    """Return the Postgres type for a DuckDB type; None if none holds every value.

    >>> to_postgres_type("UINTEGER"), to_postgres_type("DECIMAL(12,2)"), to_postgres_type("VARCHAR[]"), to_postgres_type("STRUCT(a INTEGER)"), to_postgres_type("TIMESTAMP_NS")
    ('bigint', 'numeric(12,2)', 'text[]', 'json', None)
    """
    if engine_type in POSTGRES_TYPES:
        return POSTGRES_TYPES[engine_type]
    if match := re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", engine_type):
        return f"numeric({match[1]},{match[2]})"
    if (item := parse_item_type(engine_type)) is not None and item in POSTGRES_TYPES and item not in {"BLOB", "JSON"}:
        return f"{POSTGRES_TYPES[item]}[]"
    nested = engine_type.endswith("]") or engine_type.startswith(("STRUCT(", "MAP("))
    return "json" if nested and "BLOB" not in engine_type else None


def load_sample(
    server: PostgresServer,
    tables: Sequence[TableToLoad],
    *,
    mark: str,
    belongs_to_sandbox: bool,
    scratch: Path,
    memory: int,
    progress: Progress,
) -> str:
    """Load a sample into a template database, if it is not loaded yet, and return the database's name.

    Args:
        server: The server.
        tables: The sample.
        mark: Identifies this sample and how it was loaded; written when loading is complete.
        belongs_to_sandbox: Whether it is the sandbox's own sample: the user gets a copy of it, and earlier samples are dropped.
        scratch: An existing folder for temporary files.
        memory: Bytes that reading may take.
        progress: Shows progress by table.

    Raises:
        DataRuleError: A column has a type, or a value, unsupported by Postgres.
        ContainerEngineError: Postgres fails.
    """
    template = TEMPLATE_PREFIX + hashlib.sha256(mark.encode()).hexdigest()[:16]
    with server.connect(MAINTENANCE_DATABASE) as connection:
        marks = dict(fetch_rows(connection, DATABASES_QUERY, [TEMPLATE_PREFIX]))
        if marks.get(template) == mark:
            return template
        for name in {
            *(marks if belongs_to_sandbox else ()),
            template,
            *([USER_DATABASE] if belongs_to_sandbox else ()),
        }:
            execute_statement(connection, "drop database if exists {} with (force)", name)
        execute_statement(connection, "create database {}", template)
        for name in (template, MAINTENANCE_DATABASE, "template1"):
            revoke_public_access(connection, name)
    with (
        Session(memory=memory, spill=scratch, failure=DataRuleError) as session,
        progress.step("loading the sample into Postgres", total=len(tables), unit="tables") as advance,
    ):
        for table in tables:
            _load_table(server, template, session, table, scratch)
            advance(1)
    with server.connect(MAINTENANCE_DATABASE) as connection:
        if belongs_to_sandbox:
            execute_statement(connection, "create database {} template {}", USER_DATABASE, template)
            revoke_public_access(connection, USER_DATABASE)
        execute_statement(connection, "comment on database {} is {mark}", template, mark=mark)
    return template


def revoke_public_access(connection: psycopg.Connection[Any], database: str) -> None:
    """Restrict a database to its owner and the administrator; a clone does not inherit this."""
    execute_statement(connection, "revoke connect, temporary on database {} from public", database)


def split_table_name(name: str) -> tuple[str, str]:
    """Return schema and table of a table's name in ``sandbox.toml``."""
    schema, _, bare = name.rpartition(".")
    return schema or "public", bare


def _load_table(server: PostgresServer, template: str, session: Session, table: TableToLoad, scratch: Path) -> None:
    name = table.files.name
    source = build_table_function(table.files)
    types = {row[0]: row[1] for row in session.fetch_rows(f"describe select * from {source}", doing=name)}
    kinds = _choose_types(name, types)
    schema, bare = split_table_name(name)
    file = scratch / "rows.csv"
    texts = ", ".join(
        f"{_build_copy_text(column, engine_type)} as {quote_identifier(column)}"
        for column, engine_type in types.items()
    )
    session.execute(
        f"copy (select {texts} from {source}) to {quote_literal(str(file))} (format csv, header false, force_quote *)",
        doing=f"loading {name}",
    )
    with server.connect(template, DataRuleError, doing=f"loading {name} into Postgres") as connection:
        execute_statement(connection, "create schema if not exists {}", schema)
        columns = ", ".join(["{} " + kind for kind in kinds.values()])
        execute_statement(connection, f"create table {{}}.{{}} ({columns})", schema, bare, *kinds)
        text = f"copy {quote_identifier(schema)}.{quote_identifier(bare)} from stdin (format csv)"
        with file.open("rb") as lines, connection.cursor().copy(text) as copy:
            while chunk := lines.read(CHUNK_BYTES):
                copy.write(chunk)
        file.unlink()
        _create_indexes(connection, session, table, source)
        execute_statement(connection, "analyze {}.{}", schema, bare)


def _choose_types(table: str, types: Mapping[str, str]) -> dict[str, str]:
    kinds: dict[str, str] = {}
    for column, engine_type in types.items():
        postgres_type = to_postgres_type(engine_type)
        if postgres_type is None:
            raise DataRuleError(
                f"{table}.{column} is {engine_type}, which Postgres has no type for",
                hint="leave the column out of the source, or give it another type in [tables.NAME.types]",
            )
        if len(column.encode()) > MAX_NAME_BYTES:
            raise DataRuleError(f"{table}.{column}: Postgres takes names of at most {MAX_NAME_BYTES} bytes")
        kinds[column] = postgres_type
    return kinds


def _build_copy_text(column: str, engine_type: str) -> str:
    """Return SQL for a value's text in COPY's format."""
    value = quote_identifier(column)
    if engine_type == "BLOB":
        return f"'\\x' || hex({value})"
    target = to_postgres_type(engine_type)
    if target is not None and target.endswith("[]"):
        escaped = "replace(replace(v::varchar, '\\', '\\\\'), '\"', '\\\"')"
        items = f"list_transform({value}, lambda v: case when v is null then 'NULL' else '\"' || {escaped} || '\"' end)"
        return f"case when {value} is not null then '{{' || array_to_string({items}, ',') || '}}' end"
    if target == "json" and engine_type != "JSON":
        return f"to_json({value})::varchar"
    return f"{value}::varchar"


def _create_indexes(connection: psycopg.Connection[Any], session: Session, table: TableToLoad, source: str) -> None:
    """Create indexes on the key and the references; a unique key without NULLs becomes the primary key."""
    schema, bare = split_table_name(table.files.name)
    done: list[tuple[str, ...]] = []
    if table.key:
        names = ", ".join(quote_identifier(column) for column in table.key)
        empty = " or ".join(f"{quote_identifier(column)} is null" for column in table.key)
        [(repeated,)] = session.fetch_rows(
            f"select count(*) from (select {names} from {source} group by {names} having count(*) > 1 or {empty})"
        )
        if not repeated:
            slots = ", ".join(["{}"] * len(table.key))
            execute_statement(connection, f"alter table {{}}.{{}} add primary key ({slots})", schema, bare, *table.key)
            done.append(tuple(table.key))
    for columns in _remove_duplicates([tuple(table.key), *table.index_columns]):
        if columns and columns not in done:
            slots = ", ".join(["{}"] * len(columns))
            execute_statement(connection, f"create index on {{}}.{{}} ({slots})", schema, bare, *columns)


def _remove_duplicates(columns: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return list(dict.fromkeys(columns))
