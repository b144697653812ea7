"""Write the condition for rows with one of some keys as literals, for databases that the session cannot send tables to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sandbox.engine.duckdb.session import Session

    ColumnPairs = Sequence[tuple[tuple[str, str], tuple[str, str]]]

# Types whose values are equal on both sides exactly if their texts are. An unsigned 64-bit integer is another number to
# the rule than to the server.
INTEGER_TYPES = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"}
TEXT_TYPES = {"VARCHAR", "DATE"}


def build_key_condition(
    session: Session,
    values: Mapping[str, str],
    pairs: ColumnPairs,
    keys: str,
    *,
    max_bytes: int,
    quote_text: Callable[[str], str],
) -> str | None:
    """Build the condition for rows with one of some keys; None keeps all rows.

    Args:
        session: The query engine.
        values: The server's SQL of the table's columns that are interpreted alike on both sides.
        pairs: Columns of the table and the compared columns of the keys, each with its type.
        keys: SQL for the FROM clause.
        max_bytes: The most bytes of keys in one statement.
        quote_text: Returns a text literal of the server.
    """
    if any(
        column not in values or not ({kind, other} <= INTEGER_TYPES or (kind == other and kind in TEXT_TYPES))
        for (column, kind), (_, other) in pairs
    ):
        return None
    names = [quote_identifier(name) for _, (name, _) in pairs]
    size = " + ".join(f"coalesce(sum(strlen({name}::varchar) + 6), 0)" for name in names)
    if session.fetch_rows(f"select {size} from {keys}")[0][0] > max_bytes:
        return None
    rows = session.fetch_rows(f"select distinct {', '.join(f'{name}::varchar' for name in names)} from {keys}")
    kinds = [kind for (_, kind), _ in pairs]
    tuples = [
        f"({', '.join(text if kind in INTEGER_TYPES else quote_text(text) for text, kind in zip(row, kinds, strict=True))})"
        for row in rows
    ]
    sides = ", ".join(values[column] for (column, _), _ in pairs)
    return f"({sides}) in ({', '.join(tuples)})" if tuples else "false"
