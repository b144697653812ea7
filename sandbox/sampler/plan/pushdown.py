"""What a database leaves out before rows leave it: only what the session would leave out as well.

The session selects among the rows that arrive as it does among those of a file, so these conditions decide nothing; they may
let more rows through than are drawn, and where a type or a rule is not one that both sides surely understand in the same way,
they let all through.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.engine.duckdb.arrow_scan import insert_rows
from sandbox.engine.duckdb.session import quote_identifier, quote_literal
from sandbox.engine.postgres.scan import count_groups
from sandbox.engine.rule import pushdown_sql
from sandbox.engine.rule.prn import PRIME
from sandbox.engine.sql.ibis_types import choose_unused_name
from sandbox.sources import spark

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.sampler.plan.plan import PlannedStratum, StrataColumn, UnitPlan
    from sandbox.sources.table import SourceTable

    TypedColumn = tuple[str, str]

# The server's names of the session's types whose values are equal on both sides exactly where their texts are.
SERVER_TYPES = {
    "SMALLINT": "int2", "INTEGER": "int4", "BIGINT": "int8", "BOOLEAN": "bool", "VARCHAR": "text", "UUID": "uuid",
    "TIMESTAMP": "timestamp", "TIMESTAMP WITH TIME ZONE": "timestamptz", "DATE": "date",
}  # fmt: skip
INTEGER_TYPES = {"SMALLINT", "INTEGER", "BIGINT"}
LABEL_TYPES = {*INTEGER_TYPES, "BOOLEAN", "VARCHAR"}  # of which a value has one text
FIRST_DATE = "0001-01-01"  # before which the sides write dates differently
BC_MARK = "(BC)"  # which the server does not read
MAX_GROUPS = 200_000
MAX_KEY_BYTES = 16 * 2**20  # of keys that are sent


@dataclass(frozen=True, kw_only=True)
class StrataSource:
    """Where the columns that decide about a unit table's strata are.

    Attributes:
        relation: The name of a view or table of the session.
        columns: Its columns and the engine's names of their types.
        counts: Where the source has counted, the columns that say how many rows with a whole key, and how many rows, each row
            stands for; it then has no keys. Else None.
    """

    relation: str
    columns: Mapping[str, str]
    counts: tuple[str, str] | None = None


def count_groups_in_source(
    session: Session, table: SourceTable, columns: Sequence[str], key: Sequence[str]
) -> StrataSource | None:
    """Let a database count the rows of a table by some columns; None where it is none, or there are too many values.

    Args:
        session: The engine.
        table: The table.
        columns: The strata columns.
        key: The unit's key.
    """
    chosen = list(dict.fromkeys(columns))
    if table.format == "spark":
        rows = spark.count_groups(table, chosen, key)
    elif table.format == "postgres":
        snapshot, about = table.files[0].handle
        asked = {one.name: one for one in table.postgres_columns}
        rows = count_groups(snapshot, table.name, about, [asked[name] for name in chosen], key, most=MAX_GROUPS)
    else:
        return None
    if rows is None:
        return None
    whole, every = choose_unused_name("rows with a key", columns), choose_unused_name("rows", columns)
    names = [*(f"c{n}::{table.columns[one]} as {quote_identifier(one)}" for n, one in enumerate(chosen)),
             f"c{len(chosen)} as {quote_identifier(whole)}", f"c{len(chosen) + 1} as {quote_identifier(every)}"]  # fmt: skip
    relation = f"counted {table.name.encode().hex()}"
    kinds = {one: table.columns[one] for one in chosen} | {whole: "BIGINT", every: "BIGINT"}
    fields = ", ".join(f"{quote_identifier(name)} {kind}" for name, kind in kinds.items())
    session.execute(f"create or replace temp table {quote_identifier(relation)} ({fields})")
    insert_rows(session, rows, relation, ", ".join(names))
    return StrataSource(relation=relation, columns=kinds, counts=(whole, every))


@contextlib.contextmanager
def filter_rows(table: SourceTable, condition: Any) -> Iterator[None]:
    """As long as the block lasts, leave out the rows of a database's or a cluster's table for which a condition does not hold."""
    if table.format == "spark" and condition is not None:
        with spark.filter_rows(table, condition):
            yield
        return
    if table.format != "postgres" or condition is None:
        yield
        return
    snapshot, about = table.files[0].handle
    with snapshot.filter_rows(about.oid, condition):
        yield


def build_rule_filter(table: SourceTable, unit: UnitPlan) -> Any:
    """Give the condition that a row of a unit table may be drawn; None where all must be looked at."""
    if table.format == "spark":
        values = {name: name for name in spark.list_pushable_columns(table)}
        below, others = _choose_threshold(unit, values)
        columns = [one.column for one in _list_label_columns(unit, values)]
        return spark.build_rule_filter(table, unit.key, unit.coefficients, below, (columns, others))
    if table.format != "postgres" or table.files[0].handle[0].encoding == "SQL_ASCII":
        return None
    values = _build_server_columns(table)
    key = {name: table.columns[name] for name in unit.key}
    if any(name not in values for name in key):
        return None
    number = pushdown_sql.build_random_number_sql(key, unit.key, unit.coefficients, "postgres")
    for name in key:
        number = number.replace(
            f"{quote_identifier(pushdown_sql.ROW_ALIAS)}.{quote_identifier(name)}", f"({values[name]})"
        )
    below, others = _choose_threshold(unit, values)
    if below >= PRIME:
        return None
    ways = [f"{number} < {below}"]
    ways += [f"({values[name]}) < '{FIRST_DATE}'" for name, kind in key.items() if kind == "DATE"]
    if others:
        columns = [one.column for one in _list_label_columns(unit, values)]
        label = " || ".join(
            f"case when ({values[name]}) is null then '~' else length(({values[name]})::text) || ':' || "
            f"({values[name]})::text end"
            for name in columns
        )
        ways.append(f"({label}) = any(array[{', '.join(map(quote_literal, others))}])")
    return f"({' or '.join(ways)})"


def build_key_filter(  # noqa: PLR0911 - each leaves all rows in for a reason of its own
    session: Session, table: SourceTable, pairs: Sequence[tuple[TypedColumn, TypedColumn]], keys: str
) -> Any:
    """Give the condition that a row of a table has one of some keys; None where all must be looked at.

    Args:
        session: The engine.
        table: The table.
        pairs: Its columns and those of the keys that they are compared with, each with its type.
        keys: SQL that can stand after ``from``.
    """
    if table.format == "spark":
        return spark.build_key_filter(session, table, pairs, keys)
    if table.format != "postgres":
        return None
    values, sides, arrays = _build_server_columns(table), [], []
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
    found = session.fetch_rows(f"select {lists} from {keys}")[0]
    if any(BC_MARK in text for texts in found for text in texts or []):
        return None
    sent = [
        f"{quote_literal(_format_array(texts or []))}::{kind}[]" for texts, (_, kind) in zip(found, arrays, strict=True)
    ]
    if len(sent) == 1:
        return f"{sides[0]} = any({sent[0]})"
    return f"({', '.join(sides)}) in (select * from unnest({', '.join(sent)}))"


def _build_server_columns(table: SourceTable) -> dict[str, str]:
    """Give the server's SQL of those columns that are compared alike on both sides, in the types that they have here."""
    found = {}
    for cell in table.postgres_columns:
        kind = table.columns[cell.name]
        wanted = "numeric" + kind.removeprefix("DECIMAL") if kind.startswith("DECIMAL(") else SERVER_TYPES.get(kind)
        if wanted is not None and kind == cell.kind:  # else the file fixes its type
            found[cell.name] = f"({cell.sql})::{wanted}"
    return found


def _choose_common_type(kind: str, other: str) -> str | None:
    """Give the server's type in which values of two types are compared, as the session compares them."""
    if kind in INTEGER_TYPES and other in INTEGER_TYPES:
        return "int8"
    if kind == other:
        return SERVER_TYPES.get(kind)
    exact = INTEGER_TYPES | {"UUID", "BOOLEAN", "VARCHAR"}
    return "text" if "VARCHAR" in {kind, other} and {kind, other} <= exact else None


def _format_array(texts: Sequence[str | None]) -> str:
    """Give the text of an array; no part of a key is NULL."""
    escaped = (str(one).replace("\\", "\\\\").replace('"', '\\"') for one in texts)
    return "{" + ",".join(f'"{one}"' for one in escaped) + "}"


def _list_label_columns(unit: UnitPlan, values: Mapping[str, str]) -> list[StrataColumn]:
    """Give the strata columns by which the server can tell strata apart."""
    return [
        one
        for one in unit.columns
        if not one.path
        and one.edges is None
        and one.rare_below is None
        and one.type in LABEL_TYPES
        and one.column in values
    ]


def _choose_threshold(unit: UnitPlan, values: Mapping[str, str]) -> tuple[int, list[str]]:
    """Give the threshold for most rows and the labels of the strata that come whole instead, so that the fewest rows come."""
    columns = _list_label_columns(unit, values)
    places = [unit.columns.index(one) for one in columns]
    highest: dict[str, int] = {}
    rows: dict[str, int] = {}
    for stratum in unit.strata:
        label = _format_label(stratum, places)
        highest[label] = max(highest.get(label, 0), stratum.threshold)
        rows[label] = rows.get(label, 0) + stratum.population
    levels = sorted(set(highest.values()))
    ordered = sorted(highest, key=lambda one: -highest[one])
    total, best = sum(rows.values()), (float("inf"), levels[-1])
    passing, index = 0, 0
    for level in reversed(levels):
        while index < len(ordered) and highest[ordered[index]] > level:
            passing += rows[ordered[index]]
            index += 1
        best = min(best, (passing + (total - passing) * level / PRIME, level))
    return best[1], sorted(label for label, level in highest.items() if level > best[1])


def _format_label(stratum: PlannedStratum, places: Sequence[int]) -> str:
    texts = [stratum.labels[place].text for place in places]
    return "".join("~" if text is None else f"{len(text)}:{text}" for text in texts)
