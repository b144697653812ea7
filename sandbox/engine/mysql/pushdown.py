"""Write filters in MySQL's SQL that omit only rows the session would omit too.

A collation of the server may find more values equal than the session does: then more rows arrive, and the session selects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_literal
from sandbox.engine.rule.prn import PRIME
from sandbox.engine.sql.key_filter import INTEGER_TYPES, TEXT_TYPES, build_key_condition

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.engine.mysql.columns import MySQLColumn

    ColumnPairs = Sequence[tuple[tuple[str, str], tuple[str, str]]]

MAX_KEY_BYTES = 4 * 2**20  # a statement has at most 16 MiB, unless the server is set otherwise


def build_server_columns(types: Mapping[str, str], columns: Sequence[MySQLColumn]) -> dict[str, str]:
    """Return the server's SQL of columns interpreted alike on both sides, in their ``types`` here."""
    expressions = {}
    for column in columns:
        kind = types.get(column.name)
        if kind != column.kind or not (kind in INTEGER_TYPES | TEXT_TYPES or kind.startswith("DECIMAL(")):
            continue  # else the settings fix its type
        text = f"convert({column.sql} using utf8mb4)"
        expressions[column.name] = text if kind == "VARCHAR" else column.sql
    return expressions


def build_rule_filter(
    types: Mapping[str, str],
    columns: Sequence[MySQLColumn],
    *,
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
    number = pushdown_sql.build_random_number_sql(kinds, key, coefficients, "mysql")
    for name in key:
        column = f"{_quote_with_backticks(pushdown_sql.ROW_ALIAS)}.{_quote_with_backticks(name)}"
        number = number.replace(column, values[name])
    return f"({number}) < {threshold}"


def build_key_filter(session: Session, values: Mapping[str, str], pairs: ColumnPairs, keys: str) -> str | None:
    """Build the condition for rows with one of some keys; None keeps all rows (see `build_key_condition`)."""
    return build_key_condition(session, values, pairs, keys, max_bytes=MAX_KEY_BYTES, quote_text=quote_literal)


def _quote_with_backticks(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
