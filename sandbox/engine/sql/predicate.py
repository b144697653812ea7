"""User-written conditions as safe SQL: one deterministic boolean over a row's own columns.

The text is parsed and rendered again, so only parsed SQL enters a statement. DuckDB's own parser and catalogue then
check its parts.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import sqlglot
from sqlglot.errors import SqlglotError

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.error_text import describe_foreign_error
from sandbox.errors import DataRuleError, SandboxError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sandbox.engine.duckdb.session import Session

ALLOWED_NODE_CLASSES = {
    "CONJUNCTION", "COMPARISON", "BETWEEN", "CASE", "OPERATOR", "FUNCTION", "CAST", "TYPE", "COLUMN_REF", "CONSTANT",
}  # fmt: skip
NODE_CLASS_DESCRIPTIONS = {
    "SUBQUERY": "a subquery", "WINDOW": "a window", "PARAMETER": "a parameter", "STAR": "*", "LAMBDA": "a lambda",
    "COLLATE": "a collation", "POSITIONAL_REFERENCE": "a column's number", "DEFAULT": "a default",
}  # fmt: skip
NONDETERMINISM_REASON = "which does not depend on the row alone"
# Functions of these types depend on the session's time zone as well, which is always UTC.
TIME_ZONE_TYPES = ["TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS"]
DETERMINISTIC_MACROS = {"nullif", "if", "split_part", "days_in_month", "date_add", "fmod", "fdiv"}


def parse_condition(session: Session, text: str, columns: Mapping[str, str]) -> str:
    """Return a condition as SQL with every name quoted.

    Args:
        session: The session.
        text: The condition, in DuckDB's SQL.
        columns: The columns that it may use and their DuckDB types.

    Raises:
        DataRuleError: It is not a single condition, uses other columns, subqueries, aggregates or windows, is not
            boolean, or is nondeterministic: ``random()``, ``now()``.
    """
    sql = _rewrite_condition(text)
    serialized = session.fetch_rows("select json_serialize_sql(?)", [f"select 1 where ({sql})"])[0][0]
    parsed = json.loads(serialized)
    if parsed["error"]:
        raise DataRuleError(f"it cannot be read: {parsed['error_message']}")
    node = parsed["statements"][0]["node"]
    is_plain = node["type"] == "SELECT_NODE" and not node["modifiers"] and node["from_table"]["type"] == "EMPTY"
    if len(parsed["statements"]) != 1 or not is_plain:
        raise DataRuleError("it is not one condition")
    nodes = list(_walk_nodes(node["where_clause"]))
    _check_node_classes(nodes)
    _check_columns(session, nodes, columns)
    _check_functions(session, nodes)
    _check_boolean_result(session, sql, columns)
    return sql


def find_condition_columns(sql: str, columns: Mapping[str, str]) -> list[str]:
    """Return the columns used by a checked condition, in table order."""
    tree = sqlglot.parse_one(sql, dialect="duckdb")
    used = {part.name.lower() for column in tree.find_all(sqlglot.exp.Column) for part in column.parts}
    return [name for name in columns if name.lower() in used]


def _rewrite_condition(text: str) -> str:
    try:
        statements = [parsed for parsed in sqlglot.parse(text, dialect="duckdb") if parsed is not None]
    except (SqlglotError, RecursionError) as error:
        raise DataRuleError(f"it cannot be read: {describe_foreign_error(error)}") from None
    if len(statements) != 1:
        raise DataRuleError("it is not one condition")
    statement = statements[0]
    if not isinstance(statement, sqlglot.exp.Condition) or isinstance(statement, sqlglot.exp.Query):
        raise DataRuleError("it is a statement, not a condition")
    return statement.sql(dialect="duckdb", identify=True, comments=False)


def _walk_nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield every expression of DuckDB's syntax tree."""
    if isinstance(tree, dict):
        if "class" in tree:
            yield tree
        for child in tree.values():
            yield from _walk_nodes(child)
    elif isinstance(tree, list):
        for child in tree:
            yield from _walk_nodes(child)


def _check_node_classes(nodes: list[dict[str, Any]]) -> None:
    for node in nodes:
        if node["class"] not in ALLOWED_NODE_CLASSES:
            what = NODE_CLASS_DESCRIPTIONS.get(node["class"], node["class"].lower().replace("_", " "))
            raise DataRuleError(f"it has {what}; a condition compares a row's own columns")


def _check_columns(session: Session, nodes: list[dict[str, Any]], columns: Mapping[str, str]) -> None:
    known = {name.lower() for name in columns}
    used = [node["column_names"][0] for node in nodes if node["class"] == "COLUMN_REF"]
    for name in sorted({name for name in used if name.lower() not in known}):
        bare = "select count(*) from duckdb_functions() where function_name = ?"
        if session.fetch_rows(bare, [name.lower()])[0][0]:  # current_date and other functions called without ()
            raise DataRuleError(f"it has {name}, {NONDETERMINISM_REASON}")
        raise DataRuleError(f"there is no column {name}")


def _check_functions(session: Session, nodes: list[dict[str, Any]]) -> None:
    for node in nodes:
        if node["class"] != "FUNCTION":
            continue
        name = node["function_name"].lower()
        overloads = session.fetch_rows(
            "select distinct function_type, stability, list_has_any(coalesce(parameter_types, []), ?) "
            "from duckdb_functions() where function_name = ?",
            [TIME_ZONE_TYPES, name],
        )
        kinds = {kind for kind, _, _ in overloads}
        if "scalar" not in kinds and kinds & {"aggregate", "window"}:
            raise DataRuleError(f"it has the aggregate {name}(); a condition compares a row's own columns")
        steady = all(
            kind != "scalar" or stability == "CONSISTENT" or (stability == "CONSISTENT_WITHIN_QUERY" and zoned)
            for kind, stability, zoned in overloads
        )
        ages = name == "age" and len(node["arguments"]) == 1  # counts from today
        if not steady or ages or not ("scalar" in kinds or name in DETERMINISTIC_MACROS):
            raise DataRuleError(f"it has {name}(), {NONDETERMINISM_REASON}")


def _check_boolean_result(session: Session, sql: str, columns: Mapping[str, str]) -> None:
    row = ", ".join(f"null::{kind} as {quote_identifier(name)}" for name, kind in columns.items())
    try:
        result_type = session.fetch_rows(f"select any_value(typeof({sql})), any_value({sql}) from (select {row})")[0][0]
    except SandboxError as error:
        raise DataRuleError(error.message.removeprefix("a query: ")) from None
    if result_type != "BOOLEAN":
        raise DataRuleError(f"it gives {result_type}, not true or false")
