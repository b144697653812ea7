"""How MySQL columns are read: the SQL expression, the Arrow type, and the DuckDB type, by the catalogue alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from sandbox.engine.duckdb.session import quote_identifier

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.engine.mysql.catalog import MySQLCatalogColumn

MAX_DIGITS = 38
INTEGERS = {
    "tinyint": ("TINYINT", pa.int8(), pa.uint8()), "smallint": ("SMALLINT", pa.int16(), pa.uint16()),
    "mediumint": ("INTEGER", pa.int32(), pa.uint32()), "int": ("INTEGER", pa.int32(), pa.uint32()),
    "bigint": ("BIGINT", pa.int64(), pa.uint64()),
}  # fmt: skip
# SQL of the value, Arrow type and DuckDB type. As it is, a float arrives with six digits.
NUMBERS = {
    "year": ("{}", pa.int16(), "SMALLINT"), "bit": ("({} + 0)", pa.uint64(), "UBIGINT"),
    "double": ("{}", pa.float64(), "DOUBLE"), "float": ("({} + 0e0)", pa.float64(), "FLOAT"),
}  # fmt: skip
BINARY_TYPES = {
    "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "geometry", "point", "linestring", "polygon",
    "multipoint", "multilinestring", "multipolygon", "geometrycollection", "geomcollection", "vector",
}  # fmt: skip
TEXT_TYPES = {"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"}
TEMPORAL_TYPES = {"date": "DATE", "datetime": "TIMESTAMP", "timestamp": "TIMESTAMP WITH TIME ZONE"}
SPECIAL_TEXT_TYPES = {"json": "JSON", "uuid": "UUID"}


@dataclass(frozen=True, kw_only=True)
class MySQLColumn:
    """How a column is read.

    Attributes:
        name: Its name.
        sql: The expression sent to the server.
        arrow_type: The Arrow type that its texts are converted to.
        kind: The DuckDB type.
        is_temporal: Whether its values are dates, which may be zero.
    """

    name: str
    sql: str
    arrow_type: pa.DataType
    kind: str
    is_temporal: bool = False


def resolve_columns(columns: Sequence[MySQLCatalogColumn], fixed: Mapping[str, str]) -> list[MySQLColumn]:
    """Return how to read a table's columns.

    Columns with another type in ``fixed``, set in ``sandbox.toml``, are received as text.
    """
    return [_resolve_column(column, fixed.get(column.name)) for column in columns]


def _resolve_column(column: MySQLCatalogColumn, fixed: str | None) -> MySQLColumn:
    natural = _build_native_column(column)
    if fixed in {None, natural.kind} or pa.types.is_binary(natural.arrow_type):
        return natural
    return MySQLColumn(name=column.name, sql=f"cast({natural.sql} as char)", arrow_type=pa.string(), kind="VARCHAR")


def _build_native_column(column: MySQLCatalogColumn) -> MySQLColumn:
    name, arrow_type = quote_identifier(column.name), pa.string()
    sql, kind = name, SPECIAL_TEXT_TYPES.get(column.type, "VARCHAR")
    if column.type in INTEGERS:
        kind, signed, unsigned = INTEGERS[column.type]
        is_unsigned = "unsigned" in column.full_type
        arrow_type, kind = (unsigned, f"U{kind}") if is_unsigned else (signed, kind)
    elif column.type in NUMBERS:
        form, arrow_type, kind = NUMBERS[column.type]
        sql = form.format(name)
    elif column.type == "decimal" and column.digits <= MAX_DIGITS:
        kind = f"DECIMAL({column.digits},{column.scale})"
    elif column.type in BINARY_TYPES:
        arrow_type, kind = pa.binary(), "BLOB"
    elif column.type in TEMPORAL_TYPES:
        kind = TEMPORAL_TYPES[column.type]
    elif column.type not in TEXT_TYPES:
        sql = f"cast({name} as char)"
    return MySQLColumn(
        name=column.name, sql=sql, arrow_type=arrow_type, kind=kind, is_temporal=column.type in TEMPORAL_TYPES
    )
