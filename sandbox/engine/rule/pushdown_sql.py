"""The sampling rule as conditions for a database: what it may leave out before rows leave it.

They are for a row that a query calls ``r``. The session selects among what arrives by the same rule, so a condition may be
true for rows that are not drawn, and must be for those that are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import ibis
import ibis.expr.datatypes as dt
import sqlglot
from sqlglot import exp

from sandbox.engine.rule import sampling_rule
from sandbox.engine.sql import dialects
from sandbox.engine.sql.ibis_types import to_ibis_type

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PushdownDialect = Literal["postgres", "databricks"]
PUSHDOWN_DIALECTS: tuple[PushdownDialect, ...] = get_args(PushdownDialect)
ROW_ALIAS, KEY_ALIAS, FOLD_ALIAS = "r", "k", "x"


def build_random_number_sql(
    columns: Mapping[str, str], key: Sequence[str], coefficients: Sequence[int], dialect: PushdownDialect
) -> str:
    """Give the SQL of a row's permanent random number; NULL where a part of the key is.

    Args:
        columns: The key's columns, of ``r``, and the session's names of their types.
        key: In order.
        coefficients: See `sandbox.engine.rule.prn.compute_coefficients`.
        dialect: For whom.
    """
    k, fold, found = build_number_steps(columns, key, coefficients, dialect)
    if _is_integer_key(columns, key):
        # Written out: a server computes the fold three times sooner than it enters a query for each row.
        return _inline_expression(found, FOLD_ALIAS, _inline_expression(fold, KEY_ALIAS, k, dialect), dialect)
    # Without the OFFSET a server writes out the inner ones, and computes the hash nine times.
    fence = " offset 0" if dialect == "postgres" else ""
    return f"(select {found} from (select {fold} as x from (select {k} as k{fence}) as k{fence}) as x)"


def build_number_steps(
    columns: Mapping[str, str], key: Sequence[str], coefficients: Sequence[int], dialect: PushdownDialect
) -> tuple[str, str, str]:
    """Give the SQL of a row's key as an integer, over ``r``; of its fold, over ``k.k``; and of its number, over ``x.x``.

    For those that compute one after the other (see `build_random_number_sql`).
    """
    rows = _build_row_table(columns, key)
    keyed = ibis.table({KEY_ALIAS: dt.int64}, name=KEY_ALIAS)
    folded = ibis.table({FOLD_ALIAS: dt.int64}, name=FOLD_ALIAS)
    fold = _compile_expression(sampling_rule.compute_fold(keyed[KEY_ALIAS], coefficients), dialect)
    found = _compile_expression(sampling_rule.compute_random_number(folded[FOLD_ALIAS], coefficients), dialect)
    return _compile_expression(sampling_rule.compute_key_number(rows, key), dialect), fold, found


def _is_integer_key(columns: Mapping[str, str], key: Sequence[str]) -> bool:
    return sampling_rule.is_integer_key(_build_row_table(columns, key), key)


def _build_row_table(columns: Mapping[str, str], key: Sequence[str]) -> ibis.Table:
    return ibis.table({name: to_ibis_type(columns[name]) for name in key}, name=ROW_ALIAS)


def _inline_expression(sql: str, name: str, by: str, dialect: PushdownDialect) -> str:
    """Write an expression out where another names it as a column."""
    value = exp.paren(sqlglot.parse_one(by, read=dialect))
    done = sqlglot.parse_one(sql, read=dialect).transform(
        lambda node: value.copy() if isinstance(node, exp.Column) and node.table == name else node
    )
    return str(done.sql(dialect=dialect))


def _compile_expression(expression: Any, dialect: PushdownDialect) -> str:
    """Give the SQL of an expression over one table, whose row is called as the table is."""
    [relation] = expression.op().relations
    [found] = dialects.compile_select(expression.name("found").as_table(), dialect).selects  # type: ignore[attr-defined]
    for column in found.find_all(exp.Column):
        column.set("table", exp.to_identifier(relation.name, quoted=True))
    return str(found.unalias().sql(dialect=dialect))
