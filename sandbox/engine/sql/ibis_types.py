"""Ibis types for DuckDB types, and unused column names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

IBIS_TYPES = {
    "TINYINT": "int8", "SMALLINT": "int16", "INTEGER": "int32", "BIGINT": "int64",
    "UTINYINT": "uint8", "USMALLINT": "uint16", "UINTEGER": "uint32", "UBIGINT": "uint64",
    "VARCHAR": "string", "UUID": "uuid", "DATE": "date", "BOOLEAN": "boolean", "TIME": "time",
    "TIMESTAMP": "timestamp(6)", "TIMESTAMP_S": "timestamp(0)", "TIMESTAMP_MS": "timestamp(3)",
    "TIMESTAMP_NS": "timestamp(9)", "TIMESTAMP WITH TIME ZONE": "timestamp('UTC', 6)",
    "FLOAT": "float32", "DOUBLE": "float64",
}  # fmt: skip


def to_ibis_type(engine_type: str) -> Any:
    """Return the Ibis type for a DuckDB type; ``unknown`` for types that no rule needs."""
    import ibis.expr.datatypes as dt  # noqa: PLC0415 - Ibis takes 0.3 s

    if match := re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", engine_type):
        return dt.Decimal(int(match[1]), int(match[2]))
    return dt.dtype(IBIS_TYPES[engine_type]) if engine_type in IBIS_TYPES else dt.unknown


def choose_unused_name(name: str, taken: Iterable[str]) -> str:
    """Return a column name that is not taken, ignoring case.

    >>> choose_unused_name("u", ["U", "u_", "v"])
    'u__'
    """
    lower = {other.lower() for other in taken}
    while name.lower() in lower:
        name += "_"
    return name
