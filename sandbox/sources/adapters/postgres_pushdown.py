"""Write filters in Postgres's SQL that omit only rows the session would omit too.

If a type or rule is not surely interpreted alike on both sides, there is no filter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier, quote_literal
from sandbox.engine.rule.prn import PRIME

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.engine.postgres.columns import PostgresColumn
    from sandbox.sources.protocol import ColumnPairs, DrawRule

# Server types by session type, for types whose values are equal on both sides exactly if their texts are.
SERVER_TYPES = {
    "SMALLINT": "int2", "INTEGER": "int4", "BIGINT": "int8", "BOOLEAN": "bool", "VARCHAR": "text", "UUID": "uuid",
    "TIMESTAMP": "timestamp", "TIMESTAMP WITH TIME ZONE": "timestamptz", "DATE": "date",
}  # fmt: skip
INTEGER_TYPES = {"SMALLINT", "INTEGER", "BIGINT"}
FIRST_DATE = "0001-01-01"  # earlier dates are written differently
BC_MARK = "(BC)"  # unreadable by the server
MAX_KEY_BYTES = 16 * 2**20


def build_server_columns(types: Mapping[str, str], columns: Sequence[PostgresColumn]) -> dict[str, str]:
    """Return the server's SQL of columns compared alike on both sides, in their ``types`` here."""
    expressions = {}
    for cell in columns:
        kind = types[cell.name]
        server_type = (
            "numeric" + kind.removeprefix("DECIMAL") if kind.startswith("DECIMAL(") else SERVER_TYPES.get(kind)
        )
        if server_type is not None and kind == cell.kind:  # else the settings fix its type
            expressions[cell.name] = f"({cell.sql})::{server_type}"
    return expressions


def build_rule_filter(types: Mapping[str, str], columns: Sequence[PostgresColumn], rule: DrawRule) -> str | None:
    """Build the condition for rows that may be drawn; None keeps all rows."""
    from sandbox.engine.rule import pushdown_sql  # noqa: PLC0415 - Ibis takes 0.3 s

    values = build_server_columns(types, columns)
    key = {name: types[name] for name in rule.key}
    if rule.threshold >= PRIME or any(name not in values for name in key):
        return None
    number = pushdown_sql.build_random_number_sql(key, rule.key, rule.coefficients, "postgres")
    for name in key:
        number = number.replace(
            f"{quote_identifier(pushdown_sql.ROW_ALIAS)}.{quote_identifier(name)}", f"({values[name]})"
        )
    ways = [f"{number} < {rule.threshold}"]
    ways += [f"({values[name]}) < '{FIRST_DATE}'" for name, kind in key.items() if kind == "DATE"]
    if rule.labels:
        label = " || ".join(
            f"case when ({values[name]}) is null then '~' else length(({values[name]})::text) || ':' || "
            f"({values[name]})::text end"
            for name in rule.label_columns
        )
        ways.append(f"({label}) = any(array[{', '.join(map(quote_literal, rule.labels))}])")
    return f"({' or '.join(ways)})"


def build_key_filter(session: Session, values: Mapping[str, str], pairs: ColumnPairs, keys: str) -> str | None:
    """Build the condition for rows with one of some keys; None keeps all rows.

    Args:
        session: The query engine.
        values: The server's SQL of the table's columns (see `build_server_columns`).
        pairs: Columns of the table and the compared columns of the keys, each with its type.
        keys: SQL for the FROM clause.
    """
    sides, arrays = [], []
    for (column, kind), (name, other) in pairs:
        common = _choose_common_type(kind, other)
        if common is None or column not in values:
            return None
        sides.append(f"({values[column]})::{common}")
        arrays.append((quote_identifier(name), common))
    lists = ", ".join(f"list(({name})::varchar)" for name, _ in arrays)
    sizes = " + ".join(f"coalesce(sum(strlen(({name})::varchar) + 4), 0)" for name, _ in arrays)
    if session.fetch_rows(f"select {sizes} from {keys}")[0][0] > MAX_KEY_BYTES:
        return None
    text_lists = session.fetch_rows(f"select {lists} from {keys}")[0]
    if any(BC_MARK in text for texts in text_lists for text in texts or []):
        return None
    sent = [
        f"{quote_literal(_format_array(texts or []))}::{kind}[]"
        for texts, (_, kind) in zip(text_lists, arrays, strict=True)
    ]
    if len(sent) == 1:
        return f"{sides[0]} = any({sent[0]})"
    return f"({', '.join(sides)}) in (select * from unnest({', '.join(sent)}))"


def _choose_common_type(kind: str, other: str) -> str | None:
    """Return the server's type for the comparison of two types, as in the session."""
    if kind in INTEGER_TYPES and other in INTEGER_TYPES:
        return "int8"
    if kind == other:
        return SERVER_TYPES.get(kind)
    exact = INTEGER_TYPES | {"UUID", "BOOLEAN", "VARCHAR"}
    return "text" if "VARCHAR" in {kind, other} and {kind, other} <= exact else None


def _format_array(texts: Sequence[str | None]) -> str:
    """Format the text of an array; parts of keys are never NULL."""
    escaped = (str(text).replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return "{" + ",".join(f'"{text}"' for text in escaped) + "}"
