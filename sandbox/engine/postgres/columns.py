"""How Postgres columns are read: the SQL expression, the Arrow type received, and the DuckDB type.

Types that Arrow, DuckDB and Parquet share with Postgres are transferred directly, decimals and UUIDs as text. Every
other type is read as the server's text, without loss. Values unsupported by any type of a sample (infinite dates, NaN
decimals, arrays of arrays) fail the query with the column's name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sandbox.config.toml_quoting import quote_key
from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.postgres.value_checks import UNSUPPORTED_VALUES, UnsupportedValue, guard_value, list_value_checks
from sandbox.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.engine.postgres.catalog import CatalogColumn, PostgresTable
    from sandbox.engine.postgres.snapshot import PostgresSnapshot

MAX_DIGITS, DEFAULT_DIGITS = 38, 18
NON_FINITE_NUMERICS = "'NaN'::numeric, 'Infinity'::numeric, '-Infinity'::numeric"
MODIFIER_HEADER_BYTES = 4  # included in a modifier for the value's header
# By the catalogue's name: the Arrow type and the DuckDB type.
NATIVE_TYPES = {
    "bool": (pa.bool_(), "BOOLEAN"), "int2": (pa.int16(), "SMALLINT"), "int4": (pa.int32(), "INTEGER"),
    "int8": (pa.int64(), "BIGINT"), "float4": (pa.float32(), "FLOAT"), "float8": (pa.float64(), "DOUBLE"),
    "text": (pa.string(), "VARCHAR"), "varchar": (pa.string(), "VARCHAR"), "bytea": (pa.binary(), "BLOB"),
    "date": (pa.date32(), "DATE"), "time": (pa.time64("us"), "TIME"), "timestamp": (pa.timestamp("us"), "TIMESTAMP"),
    "timestamptz": (pa.timestamp("us", "UTC"), "TIMESTAMP WITH TIME ZONE"),
}  # fmt: skip
TEXT_TYPES = {"uuid": "UUID", "json": "JSON", "jsonb": "JSON"}


@dataclass(frozen=True, kw_only=True)
class PostgresColumn:
    """How a column is read.

    Attributes:
        name: Its name.
        sql: The expression sent to the server, over the table's rows.
        arrow: The name of the Arrow type received; for a list, its items' type in ``[]``.
        kind: The DuckDB type.
        measured_scale: The largest number of decimal places among its values, if the type declares none.
    """

    name: str
    sql: str
    arrow: str
    kind: str
    measured_scale: int | None = None

    @property
    def arrow_type(self) -> pa.DataType:
        if self.arrow.startswith("["):
            return pa.list_(ARROW_TYPES[self.arrow[1:-1]])
        return ARROW_TYPES[self.arrow]


@dataclass(frozen=True, kw_only=True)
class DecimalExtent:
    """Digits and scale that hold all values of a column, and whether NaN or infinity are among them."""

    digits: int
    scale: int
    has_special_values: bool

    @property
    def problem(self) -> str:
        """What no decimal holds; empty if all is well."""
        if self.has_special_values:
            return "holds NaN or infinity"
        return f"has {self.digits} digits, where {MAX_DIGITS} are the most" if self.digits > MAX_DIGITS else ""


ARROW_TYPES: dict[str, pa.DataType] = {str(arrow): arrow for arrow, _ in NATIVE_TYPES.values()}


def resolve_columns(snapshot: PostgresSnapshot, table: PostgresTable, fixed: Mapping[str, str]) -> list[PostgresColumn]:
    """Return how to read a table's columns.

    Columns with a type in ``fixed``, set in ``sandbox.toml``, are received as text, unless they already have that type.

    Raises:
        SourceError: Decimals without a declared scale have too many digits, or NaN or infinity among them.
    """
    extents = _measure_extents(snapshot, table, _list_loose_decimals(table, fixed))
    return [_resolve_column(column, extents, fixed.get(column.name)) for column in table.columns]


def qualify_table(table: PostgresTable) -> str:
    """Return the table's quoted name."""
    return f"{quote_identifier(table.declaration.schema)}.{quote_identifier(table.declaration.table)}"


def _resolve_column(column: CatalogColumn, scales: Mapping[str, DecimalExtent], fixed: str | None) -> PostgresColumn:
    natural = _build_native_column(column, scales)
    if fixed in {None, natural.kind}:
        return natural
    return PostgresColumn(
        name=column.name, sql=f"{quote_identifier(column.name)}::text", arrow="string", kind="VARCHAR"
    )


def _build_native_column(column: CatalogColumn, scales: Mapping[str, DecimalExtent]) -> PostgresColumn:
    """Return how to read a column without a configured type."""
    if column.is_array:
        return _build_array_column(column)
    name, checks = quote_identifier(column.name), list_value_checks(column)
    if column.type in NATIVE_TYPES:
        arrow, kind = NATIVE_TYPES[column.type]
        sql = guard_value(checks, column, cast=column.type)
        return PostgresColumn(name=column.name, sql=sql, arrow=str(arrow), kind=kind)
    sql, kind = f"{name}::text", TEXT_TYPES.get(column.type, "VARCHAR")
    scale = None
    if column.name in scales:
        extent = scales[column.name]
        scale = extent.scale
        sql, kind = f"{name}::numeric::text", f"DECIMAL({max(DEFAULT_DIGITS, extent.digits)},{scale})"
    elif column.type == "numeric" and column.modifier >= 0:
        digits, scale_declared = _parse_scale(column)
        if digits <= MAX_DIGITS:
            sql = f"({guard_value(checks, column, cast='numeric')})::text"
            kind = f"DECIMAL({digits},{scale_declared})"
    return PostgresColumn(name=column.name, sql=sql, arrow="string", kind=kind, measured_scale=scale)


def _build_array_column(column: CatalogColumn) -> PostgresColumn:
    inner = column.type if column.type in NATIVE_TYPES else "text"
    arrow, kind = NATIVE_TYPES[inner]
    if inner == "text":
        kind = TEXT_TYPES.get(column.type, "VARCHAR")
    if column.type == "numeric" and column.modifier >= 0:
        digits, scale = _parse_scale(column)
        kind = f"DECIMAL({digits},{scale})" if digits <= MAX_DIGITS else "VARCHAR"
    sql = guard_value(list_value_checks(column), column, cast=f"{inner}[]")
    return PostgresColumn(name=column.name, sql=sql, arrow=f"[{arrow}]", kind=f"{kind}[]")


def _parse_scale(column: CatalogColumn) -> tuple[int, int]:
    """Return digits and scale of a decimal type; a negative scale (thousands) is 0, with as many more digits."""
    packed = column.modifier - MODIFIER_HEADER_BYTES
    digits, scale = (packed >> 16) & 0xFFFF, packed & 0x7FF
    if scale >= 0x400:
        return digits + 0x800 - scale, 0
    return max(digits, scale), scale


def find_unsupported_columns(snapshot: PostgresSnapshot, table: PostgresTable) -> dict[str, UnsupportedValue]:
    """Return the columns with a value that no type of a sample can hold, found in one pass over the table.

    Raises:
        SourceError: The table cannot be read.
    """
    checks = [(column.name, *check) for column in table.columns for check in list_value_checks(column)]
    loose = _list_loose_decimals(table, {})
    conditions = [f"coalesce(bool_or({condition}), false)" for _, _, condition in checks]
    aggregates = [*conditions, *(sql for column in loose for sql in _build_extent_aggregates(column))]
    if not aggregates:
        return {}
    [cells] = snapshot.fetch_rows(f"select {', '.join(aggregates)} from {qualify_table(table)}")
    unsupported = {
        name: UNSUPPORTED_VALUES[reason]
        for (name, reason, _), is_found in zip(checks, cells[: len(checks)], strict=True)
        if is_found
    }
    for column, extent in zip(loose, _parse_extents(cells[len(checks) :]), strict=True):
        if extent.problem:
            kind = "DOUBLE" if extent.has_special_values else "VARCHAR"
            unsupported[column.name] = UnsupportedValue(phrase=extent.problem, type=kind)
    return unsupported


def _list_loose_decimals(table: PostgresTable, fixed: Mapping[str, str]) -> list[CatalogColumn]:
    """Return the decimals without a declared scale or a fixed type."""
    return [
        column
        for column in table.columns
        if (column.type == "money" or (column.type == "numeric" and column.modifier < 0))
        and not column.is_array
        and column.name not in fixed
    ]


def _measure_extents(
    snapshot: PostgresSnapshot, table: PostgresTable, columns: Sequence[CatalogColumn]
) -> dict[str, DecimalExtent]:
    """Return the extents of decimals without a declared scale, in one query.

    Raises:
        SourceError: One has values that no decimal holds.
    """
    if not columns:
        return {}
    aggregates = ", ".join(sql for column in columns for sql in _build_extent_aggregates(column))
    [cells] = snapshot.fetch_rows(f"select {aggregates} from {qualify_table(table)}")
    extents = dict(zip((column.name for column in columns), _parse_extents(cells), strict=True))
    for name, extent in extents.items():
        if extent.problem:
            raise SourceError(
                f"{table.declaration.schema}.{table.declaration.table}.{name} is numeric without a scale and {extent.problem}",
                hint=f'fix its type: {quote_key(name)} = "DOUBLE" (or "VARCHAR") in [tables.NAME.types]',
            )
    return extents


def _build_extent_aggregates(column: CatalogColumn) -> list[str]:
    value = f"{quote_identifier(column.name)}::numeric"
    finite = f"{value} not in ({NON_FINITE_NUMERICS})"
    return [
        f"max(scale({value}))",
        f"(max(abs({value})) filter (where {finite}))::text",
        f"coalesce(bool_or(not ({finite})), false)",
    ]


def _parse_extents(cells: Sequence[Any]) -> list[DecimalExtent]:
    """Return an extent for each three cells of `_build_extent_aggregates`."""
    extents = []
    for start in range(0, len(cells), 3):
        scale, largest, has_special_values = cells[start : start + 3]
        whole_digits = len((largest or "0").partition(".")[0].lstrip("0"))
        extents.append(
            DecimalExtent(digits=whole_digits + (scale or 0), scale=scale or 0, has_special_values=has_special_values)
        )
    return extents
