"""Transfer of values between Postgres and Parquet as text. It has no dependencies, so runs can import it too."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Options that make the text of values reproducible.
CONNECTION_OPTIONS = "-c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=iso_8601 -c extra_float_digits=1"
# Types converted from text; every other type stays text.
DUCKDB_TYPES = {
    "smallint": "SMALLINT", "integer": "INTEGER", "bigint": "BIGINT", "real": "FLOAT",
    "double precision": "DOUBLE", "numeric": "DOUBLE", "boolean": "BOOLEAN", "date": "DATE",
    "time without time zone": "TIME", "timestamp without time zone": "TIMESTAMP",
    "timestamp with time zone": "TIMESTAMP WITH TIME ZONE", "uuid": "UUID", "bytea": "BLOB",
}  # fmt: skip
# Names and types of a relation's columns, by schema and name.
COLUMNS_QUERY = """
    select a.attname, format_type(a.atttypid, a.atttypmod) from pg_attribute a
    where a.attrelid = (quote_ident(%s) || '.' || quote_ident(%s))::regclass and a.attnum > 0 and not a.attisdropped
    order by a.attnum
"""


def build_export_statement(schema: str, table: str, columns: Iterable[str]) -> str:
    """Return the COPY statement that exports a relation as CSV, for `build_csv_scan`."""
    texts = ", ".join(f"{_quote_identifier(column)}::text" for column in columns)
    return f"copy (select {texts} from {_quote_identifier(schema)}.{_quote_identifier(table)}) to stdout (format csv, force_quote *)"


def build_csv_scan(file: str, columns: Iterable[str]) -> str:
    """Return DuckDB's scan of such a file, with all columns as text."""
    read = ", ".join(f"{_quote_literal(column)}: 'VARCHAR'" for column in columns)
    return (
        f"read_csv({_quote_literal(file)}, auto_detect = false, header = false, columns = {{{read}}}, delim = ',', "
        "quote = '\"', escape = '\"', nullstr = '', allow_quoted_nulls = false, strict_mode = true)"
    )


def build_value_list(columns: Mapping[str, str]) -> str:
    """Return DuckDB's SELECT list that casts columns from text, by their Postgres types."""
    return ", ".join(
        f"{_build_cast(_quote_identifier(name), kind)} as {_quote_identifier(name)}" for name, kind in columns.items()
    )


def _build_cast(name: str, kind: str) -> str:
    decimal = re.fullmatch(r"numeric\((\d+),(\d+)\)", kind)
    if decimal and int(decimal[1]) <= 38 and int(decimal[2]) <= int(decimal[1]):
        return f"{name}::DECIMAL({decimal[1]},{decimal[2]})"
    if kind == "bytea":
        return f"unhex(substr({name}, 3))"
    target = DUCKDB_TYPES.get(re.sub(r"\(\d+\)", "", kind), "DOUBLE" if decimal else "VARCHAR")
    return f"{name}::{target}"


def _quote_identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _quote_literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
