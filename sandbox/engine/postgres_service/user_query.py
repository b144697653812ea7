"""User-written queries on the stack's Postgres, answered in the same form as queries on the sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.types.string import TextLoader

from sandbox.engine.postgres_service.sample_loader import USER_DATABASE
from sandbox.errors import DataRuleError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from sandbox.engine.postgres_service.server import PostgresServer

CURSOR_NAME = "asked"
CHUNK_ROWS = 10_000
DUCKDB_TYPES = {
    "int2": "SMALLINT", "int4": "INTEGER", "int8": "BIGINT", "float4": "FLOAT", "float8": "DOUBLE", "bool": "BOOLEAN",
    "text": "VARCHAR", "varchar": "VARCHAR", "bpchar": "VARCHAR", "timestamptz": "TIMESTAMP WITH TIME ZONE",
    "bytea": "BLOB",
}  # fmt: skip


class _BooleanLoader(TextLoader):
    def load(self, data: Any) -> str:
        return "true" if bytes(data) == b"t" else "false"


def run_user_query(
    server: PostgresServer, query: str, *, most: int | None
) -> tuple[dict[str, str], list[tuple[str | None, ...]]]:
    """Run a user-written query, read-only, on the user's copy of the sample.

    Returns:
        The columns with DuckDB's types, or Postgres's if there is no equivalent, and at most ``most`` rows with
        Postgres's text of each value.

    Raises:
        DataRuleError: Postgres refuses it.
    """
    with server.connect(USER_DATABASE, DataRuleError, doing="the query") as connection:
        _register_text_loaders(connection)
        connection.autocommit = False
        connection.read_only = True
        with connection.cursor(CURSOR_NAME) as cursor:
            cursor.execute(query.strip().rstrip(";").encode())
            rows: list[tuple[str | None, ...]] = []
            while most is None or len(rows) < most:
                fetched = cursor.fetchmany(CHUNK_ROWS if most is None else min(CHUNK_ROWS, most - len(rows)))
                if not fetched:
                    break
                rows += fetched
            return _describe_columns(cursor.description or []), rows


def _register_text_loaders(connection: psycopg.Connection[Any]) -> None:
    for info in connection.adapters.types:
        for oid in (info.oid, info.array_oid):
            if oid:
                truth = info.name == "bool" and oid == info.oid
                connection.adapters.register_loader(oid, _BooleanLoader if truth else TextLoader)


def _describe_columns(described: Sequence[psycopg.Column]) -> dict[str, str]:
    """Return columns by name; a repeated name gets a number, as in DuckDB."""
    types: dict[str, str] = {}
    for column in described:
        name, number = column.name, 0
        while name in types:
            number += 1
            name = f"{column.name}_{number}"
        types[name] = _to_duckdb_type(column.type_display)
    return types


def _to_duckdb_type(name: str) -> str:
    """Return DuckDB's name of a Postgres type.

    >>> _to_duckdb_type("int4"), _to_duckdb_type("numeric(12, 2)"), _to_duckdb_type("varchar(20)"), _to_duckdb_type("date"), _to_duckdb_type("int4[]")
    ('INTEGER', 'DECIMAL(12,2)', 'VARCHAR', 'DATE', 'INT4[]')
    """
    plain = name.partition("(")[0]
    if plain == "numeric" and not name.endswith("[]"):
        return name.replace("numeric", "DECIMAL").replace(" ", "")
    return name.upper() if name.endswith("[]") else DUCKDB_TYPES.get(plain, name.upper())
