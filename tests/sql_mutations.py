"""Seeded changes of SQL queries, of the kinds that people make by mistake."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING, TypeAlias

from sqlglot import exp, parse_one

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

Change: TypeAlias = "Callable[[], object]"
COMPARISONS: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.GT: exp.GTE,
    exp.GTE: exp.GT,
    exp.LT: exp.LTE,
    exp.LTE: exp.LT,
}
TIME_UNITS = {"MONTH": "DAY", "DAY": "MONTH", "YEAR": "MONTH", "WEEK": "DAY", "QUARTER": "MONTH", "HOUR": "DAY"}


def _set_join_side(join: exp.Join, side: str | None) -> None:
    join.set("side", side)
    join.set("kind", None)


def _change_join(query: exp.Expr) -> Iterator[Change]:
    for join in query.find_all(exp.Join):
        if join.args.get("on") or join.args.get("using"):
            side = None if join.side == "LEFT" else "LEFT"
            yield functools.partial(_set_join_side, join, side)


def _drop_predicate(query: exp.Expr) -> Iterator[Change]:
    for where in query.find_all(exp.Where):
        yield where.pop
    for both in query.find_all(exp.And):
        yield functools.partial(both.replace, both.left)


def _shift_bound(query: exp.Expr) -> Iterator[Change]:
    for kind, other in COMPARISONS.items():
        for part in query.find_all(kind):
            yield functools.partial(part.replace, other(this=part.this.copy(), expression=part.expression.copy()))
    for number in query.find_all(exp.Literal):
        if number.is_int and not isinstance(number.parent, exp.Group | exp.Ordered | exp.DataTypeParam | exp.Bracket):
            yield functools.partial(number.replace, exp.Literal.number(int(number.this) + 1))


def _ignore_null(query: exp.Expr) -> Iterator[Change]:
    for part in query.find_all(exp.Coalesce):
        yield functools.partial(part.replace, part.this)
    for kind, other in ((exp.NullSafeNEQ, exp.NEQ), (exp.NullSafeEQ, exp.EQ)):
        for comparison in query.find_all(kind):
            yield functools.partial(
                comparison.replace, other(this=comparison.this.copy(), expression=comparison.expression.copy())
            )
    for call in query.find_all(exp.Sum, exp.Avg, exp.Max):
        yield functools.partial(call.replace, exp.Nullif(this=call.copy(), expression=exp.Literal.number(0)))


def _change_unit(query: exp.Expr) -> Iterator[Change]:
    for part in query.find_all(exp.Mul, exp.Div, exp.Sum, exp.Sub):
        product = exp.Mul(this=exp.Paren(this=part.copy()), expression=exp.Literal.number(100))
        yield functools.partial(part.replace, exp.Paren(this=product))


def _repeat_rows(query: exp.Expr) -> Iterator[Change]:
    for distinct in query.find_all(exp.Distinct):
        if isinstance(distinct.parent, exp.Select) and not distinct.args.get("on"):
            yield distinct.pop
    for count in query.find_all(exp.Count):
        if isinstance(count.this, exp.Distinct):
            yield functools.partial(count.set, "this", count.this.expressions[0])
    for union in query.find_all(exp.Union):
        yield functools.partial(union.set, "distinct", not union.args.get("distinct"))


def _round_value(query: exp.Expr) -> Iterator[Change]:
    for part in query.find_all(exp.Round):
        yield functools.partial(part.replace, part.this)
    for value in query.find_all(exp.Div, exp.Avg):
        yield functools.partial(value.replace, exp.Round(this=value.copy(), decimals=exp.Literal.number(0)))


def _change_time(query: exp.Expr) -> Iterator[Change]:
    for part in query.find_all(exp.DateTrunc, exp.TimestampTrunc):
        unit = str(part.args["unit"].name).upper()
        if unit in TIME_UNITS:
            is_text = isinstance(part.args["unit"], exp.Literal)
            other = exp.Literal.string(TIME_UNITS[unit]) if is_text else exp.Var(this=TIME_UNITS[unit])
            yield functools.partial(part.set, "unit", other)
    for part in query.find_all(exp.Cast):
        if part.to.this in {exp.DataType.Type.DATE, exp.DataType.Type.TIMESTAMP}:
            interval = exp.Interval(this=exp.Literal.string("7"), unit=exp.Var(this="HOUR"))
            shifted = exp.Add(this=exp.cast(part.this.copy(), "timestamp"), expression=interval)
            yield functools.partial(part.set, "this", exp.Paren(this=shifted))


def _change_constant(query: exp.Expr) -> Iterator[Change]:
    for text in query.find_all(exp.Literal):
        if text.is_string and isinstance(text.parent, exp.EQ | exp.NEQ | exp.In | exp.Case | exp.If | exp.NullSafeNEQ):
            yield functools.partial(text.replace, exp.Literal.string(f"{text.this}x"))


def _change_aggregate(query: exp.Expr) -> Iterator[Change]:
    swaps: dict[type[exp.Expr], type[exp.Expr]] = {
        exp.Sum: exp.Max,
        exp.Max: exp.Min,
        exp.Min: exp.Max,
        exp.Avg: exp.Sum,
    }
    for kind, other in swaps.items():
        for part in query.find_all(kind):
            yield functools.partial(part.replace, other(this=part.this.copy()))


def _swap_column(query: exp.Expr) -> Iterator[Change]:
    for select in query.find_all(exp.Select):
        columns = [
            column
            for column in select.expressions
            if isinstance(column.unalias(), exp.Column) and not column.find(exp.Star)
        ]
        for first, second in itertools.pairwise(columns):
            swapped = exp.alias_(second.unalias().copy(), first.alias_or_name, quoted=True)
            yield functools.partial(first.replace, swapped)


KINDS: dict[str, Callable[[exp.Expr], Iterator[Change]]] = {
    "wrong join kind": _change_join,
    "dropped predicate": _drop_predicate,
    "off by one": _shift_bound,
    "NULL handling": _ignore_null,
    "wrong unit": _change_unit,
    "duplicate rows": _repeat_rows,
    "rounding": _round_value,
    "wrong time": _change_time,
    "wrong constant": _change_constant,
    "wrong aggregate": _change_aggregate,
    "wrong column": _swap_column,
}


@functools.cache
def count_mutations(sql: str, dialect: str = "duckdb") -> dict[str, int]:
    """Return the number of possible changes of a query of each kind; kinds without one are left out."""
    counts = {kind: sum(1 for _ in list_changes(parse_one(sql, read=dialect))) for kind, list_changes in KINDS.items()}
    return {kind: count for kind, count in counts.items() if count}


def mutate_query(sql: str, kind: str, number: int, dialect: str = "duckdb") -> str:
    """Return a query with one change of a kind, the ``number``-th."""
    query = parse_one(sql, read=dialect)
    list(KINDS[kind](query))[number]()
    return query.sql(dialect)


def choose_mutation(queries: dict[str, str], random_numbers: random.Random) -> tuple[str, str, str]:
    """Return a query's name, the kind of a change and the changed query; each kind that is possible is equally likely."""
    sites = {name: count_mutations(sql) for name, sql in sorted(queries.items())}
    kind = random_numbers.choice(sorted({kind for counts in sites.values() for kind in counts}))
    name = random_numbers.choice([name for name, counts in sites.items() if kind in counts])
    return name, kind, mutate_query(queries[name], kind, random_numbers.randrange(sites[name][kind]))
