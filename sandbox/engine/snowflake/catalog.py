"""Tables of a Snowflake database, read from its catalogue: columns, sizes, keys and references."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.engine.database_schema import DeclaredReference, DeclaredTable
from sandbox.engine.duckdb.session import quote_identifier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.engine.snowflake.client import SnowflakeClient

DEFAULT_SCHEMA = "PUBLIC"


@dataclass(frozen=True, kw_only=True)
class SnowflakeCatalogColumn:
    """A column: its name, the catalogue's name of its type, and the digits of a number (all, after the point)."""

    name: str
    type: str
    digits: int = 0
    scale: int = 0


@dataclass(frozen=True, kw_only=True)
class SnowflakeTable:
    """A table of a database.

    Attributes:
        declaration: Its schema, name, key and references; Snowflake does not enforce them.
        columns: Its columns, in order.
        rows: Number of rows; None for a view.
        bytes: Its compressed size.
        altered: When it was last changed, in microseconds since 1970 UTC.
        is_view: Whether it is a view.
    """

    declaration: DeclaredTable
    columns: tuple[SnowflakeCatalogColumn, ...]
    rows: int | None
    bytes: int
    altered: int
    is_view: bool

    @property
    def quoted_name(self) -> str:
        """Its name in statements."""
        return f"{quote_identifier(self.declaration.schema)}.{quote_identifier(self.declaration.table)}"


def quote_text(value: str) -> str:
    r"""Return a text literal; a backslash escapes.

    >>> print(quote_text("it's a \\"))
    'it''s a \\'
    """
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def list_tables(client: SnowflakeClient) -> list[SnowflakeTable]:
    """Return the tables and views of a database or schema, by schema and name.

    Raises:
        SourceError: Snowflake refuses, or does not answer.
    """
    schema = client.address.schema
    where = f"table_schema = {quote_text(schema)}" if schema else "table_schema <> 'INFORMATION_SCHEMA'"
    columns: dict[tuple[str, str], list[SnowflakeCatalogColumn]] = defaultdict(list)
    for row in client.fetch_rows(
        'select table_schema as "s", table_name as "t", column_name as "c", data_type as "k", numeric_precision as "p", numeric_scale as "n" '
        f"from information_schema.columns where {where} order by table_schema, table_name, ordinal_position"
    ):
        column = SnowflakeCatalogColumn(
            name=row["c"], type=row["k"], digits=int(row["p"] or 0), scale=int(row["n"] or 0)
        )
        columns[row["s"], row["t"]].append(column)
    tables = client.fetch_rows(
        'select table_schema as "s", table_name as "t", table_type as "k", row_count as "r", bytes as "b", '
        'date_part(epoch_microsecond, last_altered) as "a" '
        f"from information_schema.tables where {where} order by table_schema, table_name"
    )
    keys: dict[tuple[str, str], tuple[str, ...]] = {}
    references: dict[tuple[str, str], tuple[DeclaredReference, ...]] = {}
    for name in sorted({row["s"] for row in tables}):
        keys |= _read_keys(client, name)
        references |= _read_references(client, name)
    return [
        SnowflakeTable(
            declaration=DeclaredTable(
                schema=row["s"],
                table=row["t"],
                key=keys.get((row["s"], row["t"]), ()),
                references=references.get((row["s"], row["t"]), ()),
            ),
            columns=tuple(columns[row["s"], row["t"]]),
            rows=None if row["r"] is None else int(row["r"]),
            bytes=int(row["b"] or 0),
            altered=int(row["a"] or 0),
            is_view="VIEW" in row["k"],
        )
        for row in tables
    ]


def _read_keys(client: SnowflakeClient, schema: str) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the primary key of each table of a schema."""
    keys: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
    for row in client.fetch_rows(f"show primary keys in schema {quote_identifier(schema)}"):
        keys[row["schema_name"], row["table_name"]][int(row["key_sequence"])] = row["column_name"]
    return {table: tuple(name for _, name in sorted(parts.items())) for table, parts in keys.items()}


def _read_references(client: SnowflakeClient, schema: str) -> dict[tuple[str, str], tuple[DeclaredReference, ...]]:
    """Return the foreign keys of each table of a schema to tables of the same database."""
    parts: dict[tuple[str, str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in client.fetch_rows(f"show imported keys in schema {quote_identifier(schema)}"):
        if row["pk_table_name"] and row["pk_database_name"] == client.address.database:
            parts[row["fk_schema_name"], row["fk_table_name"], row["fk_name"]].append(row)
    declared: dict[tuple[str, str], tuple[DeclaredReference, ...]] = defaultdict(tuple)
    for (fk_schema, table, _), rows in sorted(parts.items()):
        rows.sort(key=lambda row: int(row["key_sequence"]))
        reference = DeclaredReference(
            columns=tuple(row["fk_column_name"] for row in rows),
            schema=rows[0]["pk_schema_name"],
            table=rows[0]["pk_table_name"],
            key=tuple(row["pk_column_name"] for row in rows),
        )
        declared[fk_schema, table] += (reference,)
    return declared
