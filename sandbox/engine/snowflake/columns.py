"""How Snowflake columns are read: the SQL expression, the Arrow type, and the DuckDB type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from sandbox.config.toml_quoting import quote_key
from sandbox.engine.duckdb.session import quote_identifier
from sandbox.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.engine.snowflake.catalog import SnowflakeCatalogColumn, SnowflakeTable
    from sandbox.engine.snowflake.client import SnowflakeClient

INTEGER_DIGITS = 18  # of numbers that all fit into BIGINT
MICROSECONDS = "date_part(epoch_microsecond, {})"  # timestamps as such depend on the session
TEXT_OF = "{}::varchar"
# SQL of the value, Arrow type and DuckDB type.
TYPES = {
    "TEXT": ("{}", pa.string(), "VARCHAR"),
    "FLOAT": ("{}", pa.float64(), "DOUBLE"),
    "BOOLEAN": ("{}", pa.bool_(), "BOOLEAN"),
    "DATE": ("{}", pa.date32(), "DATE"),
    "BINARY": ("{}", pa.binary(), "BLOB"),
    "TIMESTAMP_NTZ": (MICROSECONDS, pa.timestamp("us"), "TIMESTAMP"),
    "TIMESTAMP_LTZ": (MICROSECONDS, pa.timestamp("us", "UTC"), "TIMESTAMP WITH TIME ZONE"),
    "TIMESTAMP_TZ": (TEXT_OF, pa.string(), "VARCHAR"),
    "TIME": (TEXT_OF, pa.string(), "VARCHAR"),
    "VARIANT": ("to_json({})", pa.string(), "JSON"),
    "OBJECT": ("to_json({})", pa.string(), "JSON"),
    "ARRAY": ("to_json({})", pa.string(), "JSON"),
}


@dataclass(frozen=True, kw_only=True)
class SnowflakeColumn:
    """How a column is read: its name, the expression sent, the Arrow type of the values, and the DuckDB type."""

    name: str
    sql: str
    arrow_type: pa.DataType
    kind: str


def resolve_columns(
    client: SnowflakeClient, table: SnowflakeTable, columns: Sequence[SnowflakeCatalogColumn], fixed: Mapping[str, str]
) -> list[SnowflakeColumn]:
    """Return how to read columns; those with another type in ``fixed``, set in ``sandbox.toml``, are received as text.

    Whole numbers of more than 18 digits are BIGINT if all values fit, which the catalogue's minimum and maximum tell.

    Raises:
        SourceError: A type is not supported, or a timestamp has nanoseconds.
    """
    wide = [column.name for column in columns if _is_wide_integer(column) and column.name not in fixed]
    too_wide = _find_wide_values(client, table, wide)
    resolved = []
    for column in columns:
        value = quote_identifier(column.name)
        sql, arrow_type, kind = _resolve_type(table, column, is_wide=column.name in too_wide)
        if fixed.get(column.name, kind) != kind:
            sql, arrow_type, kind = TEXT_OF, pa.string(), "VARCHAR"
        resolved.append(SnowflakeColumn(name=column.name, sql=sql.format(value), arrow_type=arrow_type, kind=kind))
    _check_nanoseconds(client, table, [column for column in resolved if pa.types.is_timestamp(column.arrow_type)])
    return resolved


def _resolve_type(
    table: SnowflakeTable, column: SnowflakeCatalogColumn, *, is_wide: bool
) -> tuple[str, pa.DataType, str]:
    if column.type == "NUMBER":
        if column.scale == 0 and not is_wide:
            return "{}", pa.int64(), "BIGINT"
        # As text: the driver may convert numbers with a point to floating point.
        return TEXT_OF, pa.decimal128(column.digits, column.scale), f"DECIMAL({column.digits},{column.scale})"
    if column.type not in TYPES:
        name = table.declaration.table
        raise SourceError(
            f"{name}.{column.name} is {column.type}, which a sample cannot keep",
            hint=f'leave it out: leave_out = ["{column.name}"] in [tables.{quote_key(name)}]',
        )
    return TYPES[column.type]


def _is_wide_integer(column: SnowflakeCatalogColumn) -> bool:
    return column.type == "NUMBER" and column.scale == 0 and column.digits > INTEGER_DIGITS


def _find_wide_values(client: SnowflakeClient, table: SnowflakeTable, names: Sequence[str]) -> set[str]:
    """Return the columns with a number outside of BIGINT."""
    if not names:
        return set()
    ends = [
        f"{end}({quote_identifier(name)})::varchar as {end}{n}" for n, name in enumerate(names) for end in ("lo", "hi")
    ]
    ends = [sql.replace("lo(", "min(", 1).replace("hi(", "max(", 1) for sql in ends]
    [row] = client.fetch_rows(f"select {', '.join(ends)} from {table.quoted_name}")
    found = {key.lower(): value for key, value in row.items()}
    return {
        name
        for n, name in enumerate(names)
        if found[f"lo{n}"] is not None and not (-(2**63) <= int(found[f"lo{n}"]) <= int(found[f"hi{n}"]) < 2**63)
    }


def _check_nanoseconds(client: SnowflakeClient, table: SnowflakeTable, columns: Sequence[SnowflakeColumn]) -> None:
    """Check that no timestamp has digits beyond a sample's."""
    if not columns:
        return
    rests = ", ".join(
        f"max(mod(date_part(epoch_nanosecond, {quote_identifier(column.name)}), 1000)) as c{n}"
        for n, column in enumerate(columns)
    )
    [row] = client.fetch_rows(f"select {rests} from {table.quoted_name}")
    for column, rest in zip(columns, row.values(), strict=True):
        if rest:
            name = table.declaration.table
            raise SourceError(
                f"{name}.{column.name} has timestamps with nanoseconds, which a sample cannot keep",
                hint=f'read it as text: {quote_key(column.name)} = "VARCHAR" in [tables.{quote_key(name)}.types]',
            )
