"""Write filters in MySQL's SQL that omit only rows the session would omit too.

A collation of the server may find more values equal than the session does: then more rows arrive, and the session selects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier, quote_literal
from sandbox.engine.rule.prn import PRIME

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.engine.mysql.columns import MySQLColumn

    ColumnPairs = Sequence[tuple[tuple[str, str], tuple[str, str]]]

# Types whose values are equal on both sides exactly if their texts are. An unsigned 64-bit integer is another number to
# the rule than to the server.
INTEGER_TYPES = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"}
TEXT_TYPES = {"VARCHAR", "DATE"}
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
    """Build the condition for rows with one of some keys; None keeps all rows.

    Args:
        session: The query engine.
        values: The server's SQL of the table's columns (see `build_server_columns`).
        pairs: Columns of the table and the compared columns of the keys, each with its type.
        keys: SQL for the FROM clause.
    """
    if any(
        column not in values or not ({kind, other} <= INTEGER_TYPES or (kind == other and kind in TEXT_TYPES))
        for (column, kind), (_, other) in pairs
    ):
        return None
    names = [quote_identifier(name) for _, (name, _) in pairs]
    size = " + ".join(f"coalesce(sum(strlen({name}::varchar) + 6), 0)" for name in names)
    if session.fetch_rows(f"select {size} from {keys}")[0][0] > MAX_KEY_BYTES:
        return None
    rows = session.fetch_rows(f"select distinct {', '.join(f'{name}::varchar' for name in names)} from {keys}")
    kinds = [kind for (_, kind), _ in pairs]
    tuples = [
        f"({', '.join(text if kind in INTEGER_TYPES else quote_literal(text) for text, kind in zip(row, kinds, strict=True))})"
        for row in rows
    ]
    sides = ", ".join(values[column] for (column, _), _ in pairs)
    return f"({sides}) in ({', '.join(tuples)})" if tuples else "false"


def _quote_with_backticks(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
