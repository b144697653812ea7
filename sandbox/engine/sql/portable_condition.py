"""User-written conditions as Ibis expressions, limited to SQL with one meaning in every database.

`sandbox.engine.sql.predicate` has checked that the condition uses only the row's columns. Supported are comparisons of
columns with values of the same type, combined with AND, OR and NOT.
"""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING, Any

import ibis
import sqlglot
from sqlglot import exp

from sandbox.engine.sql.ibis_types import to_ibis_type
from sandbox.errors import DataRuleError

if TYPE_CHECKING:
    from collections.abc import Mapping

SIGNED_INTEGER_TYPES = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT"}
COMPARISON_OPERATORS: Mapping[type[exp.Expr], Any] = {
    exp.EQ: operator.eq, exp.NEQ: operator.ne, exp.LT: operator.lt, exp.LTE: operator.le, exp.GT: operator.gt,
    exp.GTE: operator.ge,
}  # fmt: skip


def build_condition(text: str, columns: Mapping[str, str], table: Any) -> Any:
    """Return a checked condition over a table.

    Raises:
        DataRuleError: Another database may interpret a part differently.
    """
    return _ConditionBuilder(columns, table).build_boolean(sqlglot.parse_one(text, read="duckdb"))


class _ConditionBuilder:
    def __init__(self, columns: Mapping[str, str], table: Any) -> None:
        self._names = {name.lower(): name for name in columns}
        self._columns = columns
        self._table = table

    def build_boolean(self, node: exp.Expr) -> Any:  # noqa: PLR0911 - one per kind of node
        """Return a boolean expression."""
        match node:
            case exp.Paren():
                return self.build_boolean(node.this)
            case exp.And() | exp.Or():
                both = operator.and_ if isinstance(node, exp.And) else operator.or_
                return both(self.build_boolean(node.left), self.build_boolean(node.right))
            case exp.Not():
                return ~self.build_boolean(node.this)
            case exp.Is() if isinstance(node.expression, exp.Null):
                return self._resolve_column(node.this)[0].isnull()
            case exp.Between():
                low, high = node.args["low"], node.args["high"]
                return self._build_comparison(node.this, low, operator.ge, node) & self._build_comparison(
                    node.this, high, operator.le, node
                )
            case exp.In() if node.expressions and not node.args.get("query"):
                ways = [self._build_comparison(node.this, item, operator.eq, node) for item in node.expressions]
                return functools.reduce(operator.or_, ways)
            case exp.Column():
                column, kind = self._resolve_column(node)
                if kind == "BOOLEAN":
                    return column
            case _ if (compare := COMPARISON_OPERATORS.get(type(node))) is not None:
                return self._build_comparison(node.this, node.expression, compare, node)
            case _:
                pass
        raise self._build_error(node)

    def _build_comparison(self, left: exp.Expr, right: exp.Expr, compare: Any, whole: exp.Expr) -> Any:
        """Compare a column with a value of its type, or with another column of that type."""
        column, kind = self._resolve_column(left)
        if kind == "VARCHAR" and compare not in {operator.eq, operator.ne}:
            raise self._build_error(whole)  # text order depends on the collation
        if isinstance(right, exp.Column):
            other, same = self._resolve_column(right)
            if same != kind:
                raise self._build_error(whole)
            return compare(column, other)
        return compare(column, self._build_literal(right, kind))

    def _resolve_column(self, node: exp.Expr) -> tuple[Any, str]:
        if isinstance(node, exp.Paren):
            return self._resolve_column(node.this)
        name = self._names.get(node.name.lower()) if isinstance(node, exp.Column) else None
        if name is None:
            raise self._build_error(node)
        kind = self._columns[name]
        if kind not in {*SIGNED_INTEGER_TYPES, "VARCHAR", "DATE", "BOOLEAN"} and not kind.startswith("DECIMAL("):
            raise self._build_error(node)
        return self._table[name], kind

    def _build_literal(self, node: exp.Expr, kind: str) -> Any:
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
            if literal.is_int and kind in SIGNED_INTEGER_TYPES:
                return ibis.literal(int(text))
            if literal.is_number and kind.startswith("DECIMAL(") and _is_within_scale(text, kind):
                return ibis.literal(text).cast(to_ibis_type(kind))
        raise self._build_error(node)

    @staticmethod
    def _build_error(node: exp.Expr) -> DataRuleError:
        return DataRuleError(
            f"{node.sql(dialect='duckdb')} may mean another thing in another database",
            hint="compare columns with numbers, texts and dates; or make a view that has only the rows that count",
        )


def _is_within_scale(text: str, kind: str) -> bool:
    """Return whether a number has no more decimal places than a type."""
    scale = int(kind.rstrip(")").partition(",")[2])
    whole, _, fraction = text.lstrip("-").partition(".")
    return whole.isdigit() and len(fraction) <= scale and (not fraction or fraction.isdigit())
