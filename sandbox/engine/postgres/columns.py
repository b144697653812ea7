"""How Postgres columns are read: the SQL expression, the Arrow type received, and the DuckDB type.

Types that Arrow, DuckDB and Parquet share with Postgres are transferred directly, decimals and UUIDs as text. Every
other type is read as the server's text, without loss. Values unsupported by any type of a sample (infinite dates, NaN
decimals, arrays of arrays) fail the query with the column's name.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.errors import SandboxError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sandbox.engine.postgres.catalog import CatalogColumn, PostgresTable
    from sandbox.engine.postgres.snapshot import PostgresSnapshot

MAX_DIGITS, DEFAULT_DIGITS = 38, 18
NON_FINITE_NUMERICS = "'NaN'::numeric, 'Infinity'::numeric, '-Infinity'::numeric"
MODIFIER_HEADER_BYTES = 4  # included in a modifier for the value's header
UNSUPPORTED_VALUE = re.compile(r"sandbox: (\w+) (\d+)")
UNSUPPORTED_VALUE_REASONS = {
    "infinite": (
        "holds infinity",
        'leave it out with a view, or read it as text: {} = "VARCHAR" in [tables.{}.types]',
    ),
    "nan": ("holds NaN or infinity among decimals", 'read it otherwise: {} = "DOUBLE" in [tables.{}.types]'),
    "nested": (
        "holds arrays of arrays, or arrays that do not begin at 1",
        'read it as text: {} = "VARCHAR" in [tables.{}.types]',
    ),
}
# By the catalogue's name: the Arrow type and the DuckDB type.
NATIVE_TYPES = {
    "bool": (pa.bool_(), "BOOLEAN"), "int2": (pa.int16(), "SMALLINT"), "int4": (pa.int32(), "INTEGER"),
    "int8": (pa.int64(), "BIGINT"), "float4": (pa.float32(), "FLOAT"), "float8": (pa.float64(), "DOUBLE"),
    "text": (pa.string(), "VARCHAR"), "varchar": (pa.string(), "VARCHAR"), "bytea": (pa.binary(), "BLOB"),
    "date": (pa.date32(), "DATE"), "time": (pa.time64("us"), "TIME"), "timestamp": (pa.timestamp("us"), "TIMESTAMP"),
    "timestamptz": (pa.timestamp("us", "UTC"), "TIMESTAMP WITH TIME ZONE"),
}  # fmt: skip
TEXT_TYPES = {"uuid": "UUID", "json": "JSON", "jsonb": "JSON"}
TYPES_WITH_INFINITY = {"date", "timestamp", "timestamptz"}


@dataclass(frozen=True, kw_only=True)
class PostgresColumn:
    """How a column is read.

    Attributes:
        name: Its name.
        sql: The expression sent to the server, over the table's rows.
        arrow: The name of the Arrow type received; for a list, its items' type in ``[]``.
        kind: The DuckDB type.
        found_scale: The largest number of decimal places among its values, if the type declares none.
    """

    name: str
    sql: str
    arrow: str
    kind: str
    found_scale: int | None = None

    @property
    def arrow_type(self) -> pa.DataType:
        if self.arrow.startswith("["):
            return pa.list_(ARROW_TYPES[self.arrow[1:-1]])
        return ARROW_TYPES[self.arrow]


ARROW_TYPES: dict[str, pa.DataType] = {str(arrow): arrow for arrow, _ in NATIVE_TYPES.values()}


def resolve_columns(snapshot: PostgresSnapshot, table: PostgresTable, fixed: Mapping[str, str]) -> list[PostgresColumn]:
    """Return how to read a table's columns.

    Columns with a type in ``fixed``, set in ``sandbox.toml``, are received as text, unless they already have that type.

    Raises:
        SourceError: Decimals without a declared scale have too many digits, or NaN or infinity among them.
    """
    loose = [
        column
        for column in table.columns
        if (column.type == "money" or (column.type == "numeric" and column.modifier < 0))
        and not column.is_array
        and column.name not in fixed
    ]
    scales = _find_scales(snapshot, table, loose) if loose else {}
    return [_resolve_column(column, scales, fixed.get(column.name)) for column in table.columns]


@contextlib.contextmanager
def explain_value_errors(
    name: str, table: PostgresTable, on_error: Callable[[SandboxError], None] = lambda _: None
) -> Iterator[None]:
    """Add the column's name to errors caused by an unsupported value; call ``on_error`` with every error first."""
    try:
        yield
    except SourceError as error:
        match = UNSUPPORTED_VALUE.search(error.message)
        if match is None:
            on_error(error)
            raise
        [column] = [candidate.name for candidate in table.columns if candidate.number == int(match[2])]
        what, hint = UNSUPPORTED_VALUE_REASONS[match[1]]
        better = SourceError(f"{name}.{column} {what}, which a sample cannot keep", hint=hint.format(column, name))
        on_error(better)
        raise better from error


def qualify_table(table: PostgresTable) -> str:
    """Return the table's quoted name."""
    return f"{quote_identifier(table.declaration.schema)}.{quote_identifier(table.declaration.table)}"


def _resolve_column(column: CatalogColumn, scales: Mapping[str, tuple[int, int]], fixed: str | None) -> PostgresColumn:
    natural = _build_native_column(column, scales)
    if fixed in {None, natural.kind}:
        return natural
    return PostgresColumn(
        name=column.name, sql=f"{quote_identifier(column.name)}::text", arrow="string", kind="VARCHAR"
    )


def _build_native_column(column: CatalogColumn, scales: Mapping[str, tuple[int, int]]) -> PostgresColumn:
    """Return how to read a column without a configured type."""
    name = quote_identifier(column.name)
    if column.is_array:
        return _build_array_column(column, name)
    if column.type in NATIVE_TYPES:
        arrow, kind = NATIVE_TYPES[column.type]
        sql = f"{name}::{column.type}"
        if column.type in TYPES_WITH_INFINITY:
            sql = _guard_value(f"not isfinite({name})", name, "infinite", column)
        return PostgresColumn(name=column.name, sql=sql, arrow=str(arrow), kind=kind)
    sql, kind = f"{name}::text", TEXT_TYPES.get(column.type, "VARCHAR")
    scale = None
    if column.name in scales:
        digits, scale = scales[column.name]
        sql, kind = f"{name}::numeric::text", f"DECIMAL({digits},{scale})"
    elif column.type == "numeric" and column.modifier >= 0:
        digits, scale = _parse_scale(column)
        if digits <= MAX_DIGITS:
            odd = _guard_value(f"{name} = 'NaN'::numeric", name, "nan", column)
            sql, kind = f"({odd})::text", f"DECIMAL({digits},{scale})"
    return PostgresColumn(name=column.name, sql=sql, arrow="string", kind=kind, found_scale=scale)


def _guard_value(condition: str, value: str, reason: str, column: CatalogColumn, cast: str = "") -> str:
    """Return SQL for a value, or for a failing cast that names reason and column.

    The failing text contains the value, so the server cannot evaluate it early.
    """
    cast = cast or column.type
    return (
        f"case when {condition} then ({value}::text || ' sandbox: {reason} {column.number}')::{cast} "
        f"else {value}::{cast} end"
    )


def _build_array_column(column: CatalogColumn, name: str) -> PostgresColumn:
    inner = column.type if column.type in NATIVE_TYPES and column.type not in TYPES_WITH_INFINITY else "text"
    arrow, kind = NATIVE_TYPES[inner]
    if inner == "text":
        kind = (
            NATIVE_TYPES[column.type][1]
            if column.type in TYPES_WITH_INFINITY
            else TEXT_TYPES.get(column.type, "VARCHAR")
        )
    if column.type == "numeric" and column.modifier >= 0:
        digits, scale = _parse_scale(column)
        kind = f"DECIMAL({digits},{scale})" if digits <= MAX_DIGITS else "VARCHAR"
    odd = f"array_ndims({name}) > 1 or array_lower({name}, 1) <> 1"
    sql = _guard_value(odd, name, "nested", column, cast=f"{inner}[]")
    return PostgresColumn(name=column.name, sql=sql, arrow=f"[{arrow}]", kind=f"{kind}[]")


def _parse_scale(column: CatalogColumn) -> tuple[int, int]:
    """Return digits and scale of a decimal type; a negative scale (thousands) is 0, with as many more digits."""
    packed = column.modifier - MODIFIER_HEADER_BYTES
    digits, scale = (packed >> 16) & 0xFFFF, packed & 0x7FF
    if scale >= 0x400:
        return digits + 0x800 - scale, 0
    return max(digits, scale), scale


def _find_scales(
    snapshot: PostgresSnapshot, table: PostgresTable, columns: Sequence[CatalogColumn]
) -> dict[str, tuple[int, int]]:
    """Return digits and scale to hold all values of decimals without declared ones, in one query."""
    expressions = ", ".join(
        f"max(scale({n})), max(abs({n})) filter (where {n} not in ({NON_FINITE_NUMERICS}))::text, "
        f"coalesce(bool_or({n} in ({NON_FINITE_NUMERICS})), false)"
        for n in (f"{quote_identifier(column.name)}::numeric" for column in columns)
    )
    cells = snapshot.fetch_rows(f"select {expressions} from {qualify_table(table)}")[0]
    scales = {}
    for index, column in enumerate(columns):
        scale, largest, odd = cells[index * 3 : index * 3 + 3]
        scale = scale or 0
        digits = len((largest or "0").partition(".")[0].lstrip("0")) + scale
        if odd or digits > MAX_DIGITS:
            what = "holds NaN or infinity" if odd else f"has {digits} digits, where {MAX_DIGITS} are the most"
            raise SourceError(
                f"{table.declaration.schema}.{table.declaration.table}.{column.name} is numeric without a scale and {what}",
                hint=f'fix its type: {column.name} = "DOUBLE" (or "VARCHAR") in [tables.NAME.types]',
            )
        scales[column.name] = (max(DEFAULT_DIGITS, digits), scale)
    return scales
