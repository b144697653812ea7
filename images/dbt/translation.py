"""Translate a query of a warehouse's SQL into DuckDB's, or refuse it by the name of what has no exact translation. Pure.

Only constructs of `translation_rules` are translated; see docs/design/0064-dialects-are-translated-by-a-list-of-exact-constructs.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot
from sql_reads import SqlReads
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import traverse_scope
from sqlglot.schema import MappingSchema
from translation_rules import RefusedConstructError, check_construct, check_output_names, rewrite_construct
from translation_types import build_type_rules, complete_type, find_family

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlglot.dialects.dialect import Dialect

DIALECTS = ("bigquery", "databricks", "redshift", "snowflake")
TARGET = "duckdb"
TRANSLATED_FAMILIES = frozenset({"boolean", "date", "decimal", "float", "integer", "text", "timestamp"})

RelationName = tuple[str, ...]


class TranslationError(Exception):
    """A query has no exact translation; the message names the construct and the reason."""


def translate_query(
    sql: str, dialect: str, columns: Mapping[RelationName, Mapping[str, str]], *, named: bool = True
) -> str:
    """Translate a query.

    Args:
        sql: The query, in the SQL of ``dialect``.
        dialect: One of `DIALECTS`.
        columns: DuckDB's types of the columns of each relation that the query reads, by their names in lower case.
        named: Whether every column of the result needs a name of its own.

    Raises:
        TranslationError: It holds something whose meaning in DuckDB is not known to be the same.
    """
    try:
        return _translate(_parse(sql, dialect), dialect, columns, named=named)
    except RefusedConstructError as error:
        raise TranslationError(f"it is written for {dialect}, and {error} has no exact translation") from error
    except (SqlglotError, RecursionError) as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise TranslationError(f"sqlglot cannot translate it from {dialect}: {text}") from error


def translate_type(text: str, dialect: str) -> str:
    """Translate the declared type of a column.

    Raises:
        TranslationError: DuckDB has none with the same values.
    """
    try:
        kind = complete_type(exp.DataType.build(text, dialect=dialect), dialect)
    except SqlglotError as error:
        raise TranslationError(f"the type {text} is not known in {dialect}") from error
    family = find_family(kind)
    if family not in TRANSLATED_FAMILIES and not (family == "zoned timestamp" and dialect == "bigquery"):
        raise TranslationError(f"the type {text} of {dialect} has no exact translation")
    return "TEXT" if family == "text" else str(kind.sql(TARGET))


def find_reads(sql: str, dialect: str) -> SqlReads:
    """Return everything read by a query of a dialect; files cannot be read there."""
    try:
        tree = _parse(sql, dialect)
        for node in tree.walk():
            check_construct(node, dialect)
    except (SqlglotError, RefusedConstructError, RecursionError) as error:
        return SqlReads(problem=f"its SQL cannot be translated: {' '.join(str(error).split())}")
    return SqlReads(relations=tuple(sorted(set(list_relations(tree)))))


def find_relations(sql: str, dialect: str) -> list[RelationName]:
    """Return the relations named by a query, in lower case.

    Raises:
        TranslationError: It cannot be parsed.
    """
    try:
        return sorted(set(list_relations(_parse(sql, dialect))))
    except (SqlglotError, RecursionError) as error:
        text = " ".join(str(error).split())
        raise TranslationError(f"sqlglot cannot read it as {dialect}: {text}") from error


def list_relations(tree: exp.Expression) -> list[RelationName]:
    """Return the relations of a parsed query; a name is a common table expression only in its scope."""
    return [
        tuple(part.name.lower() for part in source.parts)
        for scope in traverse_scope(tree)
        for source in scope.sources.values()
        if isinstance(source, exp.Table)
    ]


def _parse(sql: str, dialect: str) -> exp.Expression:
    statements = sqlglot.parse(sql, dialect=_open_dialect(dialect))
    found = [statement for statement in statements if statement is not None]
    if len(found) != 1 or not isinstance(found[0], exp.Query):
        raise RefusedConstructError("a statement other than one query")
    return found[0]


def _open_dialect(dialect: str) -> Dialect:
    """Return a dialect whose names are equal in any case, as DuckDB's are."""
    return sqlglot.Dialect.get_or_raise(f"{dialect}, normalization_strategy=case_insensitive")


def _translate(
    tree: exp.Expression, dialect: str, columns: Mapping[RelationName, Mapping[str, str]], *, named: bool
) -> str:
    opened = _open_dialect(dialect)
    for node in tree.walk():
        check_construct(node, dialect)
    if named:
        check_output_names(tree)
    schema = MappingSchema(dialect=opened, normalize=True)
    for relation, types in columns.items():
        table = exp.table_(*reversed([exp.to_identifier(part, quoted=True) for part in relation]))
        known = {name: exp.DataType.build(_spell_type(kind, dialect), dialect=TARGET) for name, kind in types.items()}
        schema.add_table(table, known, dialect=opened, match_depth=False)
    tree = qualify(tree, schema=schema, dialect=opened, validate_qualify_columns=False, quote_identifiers=False)
    rules = build_type_rules(opened, dialect)
    for kind in tree.find_all(exp.DataType):
        kind.replace(complete_type(kind, dialect))
    tree = annotate_types(tree, schema=schema, expression_metadata=rules, dialect=opened)
    for node in list(tree.walk(bfs=False)):
        check_construct(node, dialect, typed=True)
    tree = tree.transform(rewrite_construct, dialect)
    return tree.sql(TARGET, identify=True, comments=False, unsupported_level=ErrorLevel.RAISE)


def _spell_type(kind: str, dialect: str) -> str:
    """Return a type of DuckDB under the name that means it in sqlglot for any dialect."""
    if kind in {"HUGEINT", "UHUGEINT", "UBIGINT"}:
        return "DECIMAL(38, 0)" if dialect != "redshift" else "BIGINT"
    return kind
