"""Find everything that a query reads: relations and files. Pure: the input is DuckDB's own syntax tree of the query."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

TREE_QUERY = "select json_serialize_sql(?)"
"""DuckDB's query for the syntax tree of its argument."""
ROW_FUNCTIONS = frozenset(
    {
        "range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree",
        "generate_subscripts", "regexp_split_to_table", "string_to_table", "regexp_matches", "json_array_elements",
        "json_array_elements_text", "jsonb_array_elements", "jsonb_array_elements_text", "jsonb_each", "jsonb_each_text",
        "json_each_text", "json_object_keys", "jsonb_object_keys", "json_to_recordset", "jsonb_to_recordset",
    }
)  # fmt: skip
"""Table functions whose rows follow from their arguments."""
FILE_FUNCTIONS = frozenset(
    {
        "read_csv", "read_csv_auto", "read_parquet", "parquet_scan", "read_json", "read_json_auto", "read_ndjson",
        "read_ndjson_auto", "read_json_objects", "read_json_objects_auto", "read_ndjson_objects", "read_text", "read_blob",
    }
)  # fmt: skip
"""Table functions whose rows follow from their arguments and the files named by the first of them."""
STATE_FUNCTIONS = frozenset(
    {
        "getenv", "getvariable", "current_setting", "nextval", "currval", "setval", "lastval", "set_config", "query_to_xml",
        "table_to_xml", "cursor_to_xml", "schema_to_xml", "database_to_xml", "pg_read_file", "pg_read_binary_file",
        "pg_ls_dir", "pg_stat_file", "lo_get", "lo_import", "lo_export", "dblink", "dblink_exec", "pg_relation_size",
        "pg_total_relation_size", "pg_table_size", "to_regclass", "has_table_privilege", "pg_get_viewdef",
    }
)  # fmt: skip
"""Scalar functions whose values follow from more than their arguments."""
DATA_FILE = re.compile(r".+\.(csv|tsv|parquet|json|jsonl|ndjson)(\.(gz|zst))?", re.IGNORECASE)
"""A name that DuckDB reads as a file if no relation has it."""
CATALOG_SCHEMAS = frozenset({"information_schema", "pg_catalog", "system"})


@dataclass(frozen=True, kw_only=True)
class SqlReads:
    """Everything read by a query.

    Attributes:
        relations: The names of relations as written, in lower case, with their qualifiers.
        files: The paths and patterns of files.
        problem: The first expression whose reads cannot be determined; None if the lists are complete.
    """

    relations: tuple[tuple[str, ...], ...] = ()
    files: tuple[str, ...] = ()
    problem: str | None = None


class UnknownReadError(Exception):
    """The reads of an expression cannot be determined; the message names it."""


def find_sql_reads(tree: Mapping[str, Any]) -> SqlReads:
    """Return everything read by a query.

    Args:
        tree: The parsed result of `TREE_QUERY`.

    A name is a common table expression only in its scope: in ``with x as (select * from x)`` the inner ``x`` is a table.
    """
    if tree.get("error"):
        return SqlReads(problem=f"its SQL cannot be parsed: {tree.get('error_message') or 'unknown syntax'}")
    relations: set[tuple[str, ...]] = set()
    files: set[str] = set()
    try:
        for kind, value in _walk(tree.get("statements"), frozenset()):
            if kind == "file":
                files.add(value[0])
            else:
                relations.add(value)
    except UnknownReadError as error:
        return SqlReads(problem=str(error))
    except RecursionError:
        return SqlReads(problem="its SQL is nested too deeply to be examined")
    return SqlReads(relations=tuple(sorted(relations)), files=tuple(sorted(files)))


def _walk(part: Any, scope: frozenset[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each relation and file read by a part of a tree; ``scope`` has the common table expressions around it."""
    if isinstance(part, list):
        for entry in part:
            yield from _walk(entry, scope)
    elif isinstance(part, dict):
        inner = yield from _walk_common_tables(part, scope)
        yield from _read_part(part, inner)
        for key, value in part.items():
            if key != "cte_map":
                yield from _walk(value, inner)


def _walk_common_tables(
    part: dict[str, Any], scope: frozenset[str]
) -> Generator[tuple[str, tuple[str, ...]], None, frozenset[str]]:
    """Yield the reads of a query's common table expressions, and return the scope of the query itself."""
    if isinstance(part.get("cte_map"), dict):
        for entry in part["cte_map"].get("map", []):
            yield from _walk(entry["value"], scope)
            scope |= {str(entry["key"]).lower()}
    if part.get("type") == "RECURSIVE_CTE_NODE":
        scope |= {str(part.get("cte_name", part.get("ctename"))).lower()}
    return scope


def _read_part(part: Mapping[str, Any], scope: frozenset[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the reads of one part, without those of the parts inside.

    Raises:
        UnknownReadError: They cannot be determined.
    """
    match part.get("type"):
        case "BASE_TABLE":
            yield from _read_table(part, scope)
        case "TABLE_FUNCTION":
            yield from _read_table_function(part["function"])
        case "SHOW_REF":
            raise UnknownReadError("it reads the database's catalog")
        case "FUNCTION" if str(part.get("function_name")).lower() in STATE_FUNCTIONS:
            raise UnknownReadError(f"it calls {part['function_name']}()")
        case _:
            pass


def _read_table(part: Mapping[str, Any], scope: frozenset[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    names = tuple(str(part[key]).lower() for key in ("catalog_name", "schema_name", "table_name") if part.get(key))
    if len(names) == 1 and names[0] in scope:
        return
    if len(names) == 1 and DATA_FILE.fullmatch(names[0]):
        yield "file", (str(part["table_name"]),)
        return
    is_catalog = (len(names) > 1 and names[-2] in CATALOG_SCHEMAS) or names[-1].startswith(
        ("duckdb_", "sqlite_", "pg_")
    )
    if is_catalog:
        raise UnknownReadError(f"it reads {'.'.join(names)}")
    if part.get("at_clause"):
        raise UnknownReadError(f"it reads {'.'.join(names)} of another time")
    yield "relation", names


def _read_table_function(function: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    name = str(function["function_name"]).lower()
    if function.get("schema") or name not in ROW_FUNCTIONS | FILE_FUNCTIONS:
        raise UnknownReadError(f"it calls {function['function_name']}()")
    if name in FILE_FUNCTIONS:
        arguments = function.get("arguments") or [{}]
        paths = list(_list_texts(arguments[0].get("expression", arguments[0])))
        if not paths:
            raise UnknownReadError(f"it calls {name}() on a path that is not written out")
        for path in paths:
            yield "file", (path,)


def _list_texts(expression: Mapping[str, Any]) -> Iterator[str]:
    """Yield the literal texts of an expression: one, or those of a list; none if a part is no literal."""
    literal = expression.get("literal") or {}
    if literal.get("kind") == "STRING":
        yield str(literal["text"])
    elif expression.get("type") == "FUNCTION" and expression.get("function_name") == "list_value":
        parts = [list(_list_texts(argument.get("expression", argument))) for argument in expression["arguments"]]
        if all(parts):
            for part in parts:
                yield from part
