"""Push filters into a database or cluster that omit only rows the session would omit too.

The session selects among arriving rows as among those of a file, so these filters decide nothing. They may pass more
rows than are drawn. If a type or rule is not surely interpreted alike on both sides, they pass all rows.
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

# Server types by session type, for types whose values are equal on both sides exactly if their texts are.
SERVER_TYPES = {
    "SMALLINT": "int2", "INTEGER": "int4", "BIGINT": "int8", "BOOLEAN": "bool", "VARCHAR": "text", "UUID": "uuid",
    "TIMESTAMP": "timestamp", "TIMESTAMP WITH TIME ZONE": "timestamptz", "DATE": "date",
}  # fmt: skip
INTEGER_TYPES = {"SMALLINT", "INTEGER", "BIGINT"}
LABEL_TYPES = {*INTEGER_TYPES, "BOOLEAN", "VARCHAR"}  # types with one text per value
FIRST_DATE = "0001-01-01"  # earlier dates are written differently
BC_MARK = "(BC)"  # unreadable by the server
MAX_GROUPS = 200_000
MAX_KEY_BYTES = 16 * 2**20


@dataclass(frozen=True, kw_only=True)
class StrataSource:
    """The columns that determine a unit table's strata.

    Attributes:
        relation: A view or table of the session.
        columns: Its columns and DuckDB's names of their types.
        counts: Columns with the number of rows without NULL in the key, and of all rows, if the source counted them;
            the relation then has no keys. Else None.
    """

    relation: str
    columns: Mapping[str, str]
    counts: tuple[str, str] | None = None


def count_groups_in_source(
    session: Session, table: SourceTable, columns: Sequence[str], key: Sequence[str]
) -> StrataSource | None:
    """Count the rows of a table by strata columns in its database; None without one or with too many values."""
    chosen = list(dict.fromkeys(columns))
    if table.format == "spark":
        rows = spark.count_groups(table, chosen, key)
    elif table.format == "postgres":
        snapshot, declared = table.files[0].handle
        by_name = {column.name: column for column in table.postgres_columns}
        rows = count_groups(snapshot, table.name, declared, [by_name[name] for name in chosen], key, most=MAX_GROUPS)
    else:
        return None
    if rows is None:
        return None
    whole, every = choose_unused_name("rows with a key", columns), choose_unused_name("rows", columns)
    names = [*(f"c{n}::{table.columns[name]} as {quote_identifier(name)}" for n, name in enumerate(chosen)),
             f"c{len(chosen)} as {quote_identifier(whole)}", f"c{len(chosen) + 1} as {quote_identifier(every)}"]  # fmt: skip
    relation = f"counted {table.name.encode().hex()}"
    kinds = {name: table.columns[name] for name in chosen} | {whole: "BIGINT", every: "BIGINT"}
    fields = ", ".join(f"{quote_identifier(name)} {kind}" for name, kind in kinds.items())
    session.execute(f"create or replace temp table {quote_identifier(relation)} ({fields})")
    insert_rows(session, rows, relation, ", ".join(names))
    return StrataSource(relation=relation, columns=kinds, counts=(whole, every))


@contextlib.contextmanager
def filter_rows(table: SourceTable, condition: Any) -> Iterator[None]:
    """Filter rows of a database's or a cluster's table inside the block."""
    if table.format == "spark" and condition is not None:
        with spark.filter_rows(table, condition):
            yield
        return
    if table.format != "postgres" or condition is None:
        yield
        return
    snapshot, declared = table.files[0].handle
    with snapshot.filter_rows(declared.oid, condition):
        yield


def build_rule_filter(table: SourceTable, unit: UnitPlan) -> Any:
    """Build the filter for rows of a unit table that may be drawn; None keeps all rows."""
    if table.format == "spark":
        values = {name: name for name in spark.list_pushable_columns(table)}
        below, others = _choose_threshold(unit, values)
        columns = [column.column for column in _list_label_columns(unit, values)]
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
        columns = [column.column for column in _list_label_columns(unit, values)]
        label = " || ".join(
            f"case when ({values[name]}) is null then '~' else length(({values[name]})::text) || ':' || "
            f"({values[name]})::text end"
            for name in columns
        )
        ways.append(f"({label}) = any(array[{', '.join(map(quote_literal, others))}])")
    return f"({' or '.join(ways)})"


def build_key_filter(  # noqa: PLR0911 - each return keeps all rows for a reason of its own
    session: Session, table: SourceTable, pairs: Sequence[tuple[TypedColumn, TypedColumn]], keys: str
) -> Any:
    """Build the filter for rows of a table with one of some keys; None keeps all rows.

    Args:
        session: The query engine.
        table: The table.
        pairs: Its columns and the compared columns of the keys, each with its type.
        keys: SQL for the FROM clause.
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


def _build_server_columns(table: SourceTable) -> dict[str, str]:
    """Return the server's SQL of columns compared alike on both sides, in their types here."""
    expressions = {}
    for cell in table.postgres_columns:
        kind = table.columns[cell.name]
        server_type = (
            "numeric" + kind.removeprefix("DECIMAL") if kind.startswith("DECIMAL(") else SERVER_TYPES.get(kind)
        )
        if server_type is not None and kind == cell.kind:  # else the settings fix its type
            expressions[cell.name] = f"({cell.sql})::{server_type}"
    return expressions


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


def _list_label_columns(unit: UnitPlan, values: Mapping[str, str]) -> list[StrataColumn]:
    """Return the strata columns usable on the server."""
    return [
        column
        for column in unit.columns
        if not column.path
        and column.edges is None
        and column.rare_below is None
        and column.type in LABEL_TYPES
        and column.column in values
    ]


def _choose_threshold(unit: UnitPlan, values: Mapping[str, str]) -> tuple[int, list[str]]:
    """Choose a threshold for most rows, and the labels of strata passed whole, to minimise the rows passed."""
    columns = _list_label_columns(unit, values)
    indexes = [unit.columns.index(entry) for entry in columns]
    highest: dict[str, int] = {}
    rows: dict[str, int] = {}
    for stratum in unit.strata:
        label = _format_label(stratum, indexes)
        highest[label] = max(highest.get(label, 0), stratum.threshold)
        rows[label] = rows.get(label, 0) + stratum.population
    levels = sorted(set(highest.values()))
    ordered = sorted(highest, key=lambda entry: -highest[entry])
    total, best = sum(rows.values()), (float("inf"), levels[-1])
    passing, index = 0, 0
    for level in reversed(levels):
        while index < len(ordered) and highest[ordered[index]] > level:
            passing += rows[ordered[index]]
            index += 1
        best = min(best, (passing + (total - passing) * level / PRIME, level))
    return best[1], sorted(label for label, level in highest.items() if level > best[1])


def _format_label(stratum: PlannedStratum, indexes: Sequence[int]) -> str:
    texts = [stratum.labels[index].text for index in indexes]
    return "".join("~" if text is None else f"{len(text)}:{text}" for text in texts)
