"""The sampling rule as SQL conditions evaluated by a source database, over a row aliased ``r``.

The session applies the same rule to the received rows. A condition must hold for every drawn row and may hold for
others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import ibis
import ibis.expr.datatypes as dt
import sqlglot
from sqlglot import exp

from sandbox.engine.rule import prn, sampling_rule
from sandbox.engine.sql import dialects
from sandbox.engine.sql.ibis_types import to_ibis_type

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PushdownDialect = Literal["postgres", "databricks", "mysql", "snowflake"]
PUSHDOWN_DIALECTS: tuple[PushdownDialect, ...] = get_args(PushdownDialect)
ROW_ALIAS, KEY_ALIAS, FOLD_ALIAS = "r", "k", "x"


def build_random_number_sql(
    columns: Mapping[str, str], key: Sequence[str], coefficients: Sequence[int], dialect: PushdownDialect
) -> str:
    """Return SQL for a row's permanent random number; NULL if a part of the key is.

    ``columns`` are the key's columns, of ``r``, and their DuckDB types.
    """
    k, fold, number = build_number_steps(columns, key, coefficients, dialect)
    if _is_integer_key(columns, key) or dialect in {"mysql", "snowflake"}:
        # Inlined: PostgreSQL computes the fold three times faster than it evaluates a subquery for each row, and
        # subqueries in FROM of MySQL and Snowflake know no row around them.
        return _inline_expression(number, FOLD_ALIAS, _inline_expression(fold, KEY_ALIAS, k, dialect), dialect)
    # Without OFFSET 0 the server inlines the subqueries and computes the hash nine times.
    fence = " offset 0" if dialect == "postgres" else ""
    return f"(select {number} from (select {fold} as x from (select {k} as k{fence}) as k{fence}) as x)"


def build_number_steps(
    columns: Mapping[str, str], key: Sequence[str], coefficients: Sequence[int], dialect: PushdownDialect
) -> tuple[str, str, str]:
    """Return SQL for a row's key as an integer, over ``r``; its fold, over ``k.k``; and its number, over ``x.x``.

    For callers that compute them one after another (see `build_random_number_sql`).
    """
    rows = _build_row_table(columns, key)
    keyed = ibis.table({KEY_ALIAS: dt.int64}, name=KEY_ALIAS)
    folded = ibis.table({FOLD_ALIAS: dt.int64}, name=FOLD_ALIAS)
    fold = _compile_expression(prn.compute_fold(keyed[KEY_ALIAS], coefficients), dialect)
    number = _compile_expression(prn.compute_random_number(folded[FOLD_ALIAS], coefficients), dialect)
    return _compile_expression(sampling_rule.compute_key_number(rows, key), dialect), fold, number


def _is_integer_key(columns: Mapping[str, str], key: Sequence[str]) -> bool:
    return sampling_rule.is_integer_key(_build_row_table(columns, key), key)


def _build_row_table(columns: Mapping[str, str], key: Sequence[str]) -> ibis.Table:
    return ibis.table({name: to_ibis_type(columns[name]) for name in key}, name=ROW_ALIAS)


def _inline_expression(sql: str, name: str, by: str, dialect: PushdownDialect) -> str:
    """Replace references to a column by its expression."""
    value = exp.paren(sqlglot.parse_one(by, read=dialect))
    done = sqlglot.parse_one(sql, read=dialect).transform(
        lambda node: value.copy() if isinstance(node, exp.Column) and node.table == name else node
    )
    return str(done.sql(dialect=dialect))


def _compile_expression(expression: Any, dialect: PushdownDialect) -> str:
    """Return the SQL of an expression over one table, with columns qualified by its name."""
    [relation] = expression.op().relations
    [column_expression] = dialects.compile_select(expression.name("found").as_table(), dialect).selects  # type: ignore[attr-defined]
    for column in column_expression.find_all(exp.Column):
        column.set("table", exp.to_identifier(relation.name, quoted=True))
    return str(column_expression.unalias().sql(dialect=dialect))
