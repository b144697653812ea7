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
from sandbox.engine.sql.ibis_types import kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Dialect = Literal["postgres", "databricks"]
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
ROW, KEY, FOLD = "r", "k", "x"


def number(
    columns: Mapping[str, str], key: Sequence[str], coefficients: Sequence[int], dialect: Dialect
) -> str:
    """Give the SQL of a row's permanent random number; NULL where a part of the key is.

    Args:
        columns: The key's columns, of ``r``, and the session's names of their types.
        key: In order.
        coefficients: See `sandbox.engine.rule.prn.coefficients`.
        dialect: For whom.
    """
    k, fold, found = steps(columns, key, coefficients, dialect)
    if _is_number(columns, key):
        # Written out: a server computes the fold three times sooner than it enters a query for each row.
        return _replaced(found, FOLD, _replaced(fold, KEY, k, dialect), dialect)
    # Without the OFFSET a server writes out the inner ones, and computes the hash nine times.
    fence = " offset 0" if dialect == "postgres" else ""
    return f"(select {found} from (select {fold} as x from (select {k} as k{fence}) as k{fence}) as x)"


def steps(
    columns: Mapping[str, str], key: Sequence[str], coefficients: Sequence[int], dialect: Dialect
) -> tuple[str, str, str]:
    """Give the SQL of a row's key as an integer, over ``r``; of its fold, over ``k.k``; and of its number, over ``x.x``.

    For those that compute one after the other (see `number`).
    """
    rows = _rows(columns, key)
    keyed = ibis.table({KEY: dt.int64}, name=KEY)
    folded = ibis.table({FOLD: dt.int64}, name=FOLD)
    fold = _sql(sampling_rule.fold_of(keyed[KEY], coefficients), dialect)
    found = _sql(sampling_rule.number_of(folded[FOLD], coefficients), dialect)
    return _sql(sampling_rule.key_number(rows, key), dialect), fold, found


def _is_number(columns: Mapping[str, str], key: Sequence[str]) -> bool:
    return sampling_rule.is_number(_rows(columns, key), key)


def _rows(columns: Mapping[str, str], key: Sequence[str]) -> ibis.Table:
    return ibis.table({name: kind_of(columns[name]) for name in key}, name=ROW)


def _replaced(sql: str, name: str, by: str, dialect: Dialect) -> str:
    """Write an expression out where another names it as a column."""
    value = exp.paren(sqlglot.parse_one(by, read=dialect))
    done = sqlglot.parse_one(sql, read=dialect).transform(
        lambda node: value.copy() if isinstance(node, exp.Column) and node.table == name else node
    )
    return str(done.sql(dialect=dialect))


def _sql(expression: Any, dialect: Dialect) -> str:
    """Give the SQL of an expression over one table, whose row is called as the table is."""
    [relation] = expression.op().relations
    [found] = dialects.compiled(expression.name("found").as_table(), dialect).selects  # type: ignore[attr-defined]
    for column in found.find_all(exp.Column):
        column.set("table", exp.to_identifier(relation.name, quoted=True))
    return str(found.unalias().sql(dialect=dialect))
