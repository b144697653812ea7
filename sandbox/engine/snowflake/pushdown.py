"""Write filters in Snowflake's SQL that omit only rows the session would omit too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine.rule.prn import PRIME
from sandbox.engine.snowflake.catalog import quote_text
from sandbox.engine.sql.key_filter import INTEGER_TYPES, TEXT_TYPES, build_key_condition

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.engine.snowflake.columns import SnowflakeColumn

    ColumnPairs = Sequence[tuple[tuple[str, str], tuple[str, str]]]

MAX_KEY_BYTES = 512 * 2**10  # a statement has at most 1 MB


def build_server_columns(types: Mapping[str, str], columns: Sequence[SnowflakeColumn]) -> dict[str, str]:
    """Return the SQL of columns interpreted alike on both sides, in their ``types`` here."""
    return {
        column.name: column.sql
        for column in columns
        if types.get(column.name) == column.kind
        and column.kind in INTEGER_TYPES | TEXT_TYPES
        and "::" not in column.sql
    }


def build_rule_filter(
    types: Mapping[str, str],
    columns: Sequence[SnowflakeColumn],
    key: Sequence[str],
    coefficients: Sequence[int],
    threshold: int,
) -> str | None:
    """Build the condition for rows whose random number is below a threshold; None keeps all rows."""
    from sandbox.engine.rule import pushdown_sql  # noqa: PLC0415 - Ibis takes 0.3 s

    values = build_server_columns(types, columns)
    if threshold >= PRIME or any(name not in values for name in key):
        return None
    kinds = {name: types[name] for name in key}
    return f"({pushdown_sql.build_random_number_sql(kinds, key, coefficients, 'snowflake')}) < {threshold}"


def build_key_filter(session: Session, values: Mapping[str, str], pairs: ColumnPairs, keys: str) -> str | None:
    """Build the condition for rows with one of some keys; None keeps all rows (see `build_key_condition`)."""
    return build_key_condition(session, values, pairs, keys, max_bytes=MAX_KEY_BYTES, quote_text=quote_text)
