"""A condition that a person wrote, as an Ibis expression: only what every database understands alike.

`sandbox.engine.sql.predicate` has checked that it is one over a row's own columns. Here it is comparisons of columns with values of
their own type, put together with AND, OR and NOT.
"""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING, Any

import ibis
import sqlglot
from sqlglot import exp

from sandbox.engine.sql.ibis_types import kind_of
from sandbox.errors import RuleError

if TYPE_CHECKING:
    from collections.abc import Mapping

INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT"}
COMPARISONS: Mapping[type[exp.Expr], Any] = {
    exp.EQ: operator.eq, exp.NEQ: operator.ne, exp.LT: operator.lt, exp.LTE: operator.le, exp.GT: operator.gt,
    exp.GTE: operator.ge,
}  # fmt: skip


def condition(text: str, columns: Mapping[str, str], table: Any) -> Any:
    """Give a checked condition over a table.

    Args:
        text: The condition, in DuckDB's SQL.
        columns: The table's columns and the engine's names of their types.
        table: The table, of Ibis.

    Raises:
        RuleError: It has a part that another database may understand in another way.
    """
    return _Reader(columns, table).truth(sqlglot.parse_one(text, read="duckdb"))


class _Reader:
    def __init__(self, columns: Mapping[str, str], table: Any) -> None:
        self._names = {name.lower(): name for name in columns}
        self._columns = columns
        self._table = table

    def truth(self, node: exp.Expr) -> Any:  # noqa: PLR0911 - one a kind of node
        """Give a condition."""
        match node:
            case exp.Paren():
                return self.truth(node.this)
            case exp.And() | exp.Or():
                both = operator.and_ if isinstance(node, exp.And) else operator.or_
                return both(self.truth(node.left), self.truth(node.right))
            case exp.Not():
                return ~self.truth(node.this)
            case exp.Is() if isinstance(node.expression, exp.Null):
                return self._column(node.this)[0].isnull()
            case exp.Between():
                low, high = node.args["low"], node.args["high"]
                return self._compared(node.this, low, operator.ge, node) & self._compared(
                    node.this, high, operator.le, node
                )
            case exp.In() if node.expressions and not node.args.get("query"):
                ways = [self._compared(node.this, one, operator.eq, node) for one in node.expressions]
                return functools.reduce(operator.or_, ways)
            case exp.Column():
                found, kind = self._column(node)
                if kind == "BOOLEAN":
                    return found
            case _ if (compare := COMPARISONS.get(type(node))) is not None:
                return self._compared(node.this, node.expression, compare, node)
            case _:
                pass
        raise self._unsaid(node)

    def _compared(self, left: exp.Expr, right: exp.Expr, compare: Any, whole: exp.Expr) -> Any:
        """Compare a column with a value of its type, or with a column of the same one."""
        column, kind = self._column(left)
        if kind == "VARCHAR" and compare not in {operator.eq, operator.ne}:
            raise self._unsaid(whole)  # texts are ordered by languages in some places
        if isinstance(right, exp.Column):
            other, same = self._column(right)
            if same != kind:
                raise self._unsaid(whole)
            return compare(column, other)
        return compare(column, self._value(right, kind))

    def _column(self, node: exp.Expr) -> tuple[Any, str]:
        if isinstance(node, exp.Paren):
            return self._column(node.this)
        name = self._names.get(node.name.lower()) if isinstance(node, exp.Column) else None
        if name is None:
            raise self._unsaid(node)
        kind = self._columns[name]
        if kind not in {*INTEGERS, "VARCHAR", "DATE", "BOOLEAN"} and not kind.startswith("DECIMAL("):
            raise self._unsaid(node)
        return self._table[name], kind

    def _value(self, node: exp.Expr, kind: str) -> Any:
        if isinstance(node, exp.Cast) and kind == "DATE" and node.to.is_type("date"):
            node = node.this
        negative = isinstance(node, exp.Neg)
        literal = node.this if isinstance(node, exp.Neg) else node
        if isinstance(literal, exp.Boolean) and kind == "BOOLEAN" and not negative:
            return ibis.literal(bool(literal.this))
        if isinstance(literal, exp.Literal):
            text = f"-{literal.this}" if negative else str(literal.this)
            if literal.is_string and kind == "VARCHAR" and not negative:
                return ibis.literal(text, "string")
            if literal.is_string and kind == "DATE" and not negative:
                return ibis.literal(text).cast("date")
            if literal.is_int and kind in INTEGERS:
                return ibis.literal(int(text))
            if literal.is_number and kind.startswith("DECIMAL(") and _fits(text, kind):
                return ibis.literal(text).cast(kind_of(kind))
        raise self._unsaid(node)

    @staticmethod
    def _unsaid(node: exp.Expr) -> RuleError:
        return RuleError(
            f"{node.sql(dialect='duckdb')} may mean another thing in another database",
            hint="compare columns with numbers, texts and dates; or make a view that has only the rows that count",
        )


def _fits(text: str, kind: str) -> bool:
    """Say whether a number has no more digits after the point than a type keeps."""
    scale = int(kind.rstrip(")").partition(",")[2])
    whole, _, fraction = text.lstrip("-").partition(".")
    return whole.isdigit() and len(fraction) <= scale and (not fraction or fraction.isdigit())
