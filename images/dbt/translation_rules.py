"""The constructs whose meaning in DuckDB is known to be that in a warehouse: everything else is refused by name. Pure.

Each check is from the documentation of the warehouse; tests/unit/dbt/test_translation.py has a value of each.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlglot import exp
from translation_types import NUMBERS, complete_type, find_family, find_scale

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_SHOWN = 60
DAY_UNITS = frozenset({"DAY", "WEEK", "MONTH", "QUARTER", "YEAR"})
TIME_UNITS = frozenset({"HOUR", "MINUTE", "SECOND"})
PARTS = frozenset({"YEAR", "QUARTER", "MONTH", "DAY", "HOUR", "MINUTE"})
MOMENTS = frozenset({"date", "timestamp"})
LEAST_ROUNDED_SCALE = 6
ISO_TEXT = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?")
SHA256_BITS = "256"
TABLE_PARTS = frozenset({"this", "db", "catalog", "alias"})
JOIN_SIDES = frozenset({"", "LEFT", "RIGHT", "FULL"})
JOIN_KINDS = frozenset({"", "INNER", "OUTER", "CROSS"})
JOIN_PARTS = frozenset({"this", "on", "using", "side", "kind"})


class RefusedConstructError(Exception):
    """A construct has no exact translation; the message names it, with the reason where that is known."""


EXACT = (
    exp.Select, exp.From, exp.Where, exp.Group, exp.Having, exp.Order, exp.Ordered, exp.Limit, exp.Offset, exp.Qualify,
    exp.With, exp.CTE, exp.Subquery, exp.Union, exp.Except, exp.Intersect, exp.TableAlias, exp.Alias, exp.Column,
    exp.Identifier, exp.Star, exp.Literal, exp.Boolean, exp.Null, exp.Paren, exp.Tuple, exp.Window, exp.WindowSpec,
    exp.Values, exp.Case, exp.If, exp.And, exp.Or, exp.Not, exp.NullSafeEQ, exp.NullSafeNEQ, exp.EqualNull, exp.Is,
    exp.Neg, exp.Exists, exp.Coalesce, exp.Nullif, exp.Count, exp.CountIf, exp.Min, exp.Max, exp.RowNumber, exp.Rank,
    exp.DenseRank, exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.Ntile, exp.LogicalOr, exp.LogicalAnd, exp.Abs,
    exp.Lower, exp.Upper, exp.Length, exp.DataType, exp.DataTypeParam, exp.Var, exp.Filter, exp.AnyValue, exp.Floor,
    exp.Ceil, exp.Interval, exp.ColumnDef,
)  # fmt: skip
"""Constructs that mean the same, or that sqlglot writes so that they do."""


def check_construct(node: exp.Expression, dialect: str, *, typed: bool = False) -> None:
    """Check one part of a query.

    Args:
        node: The part.
        dialect: The warehouse.
        typed: Whether the types of expressions are known.

    Raises:
        RefusedConstructError: It is not known to mean the same in DuckDB.
    """
    reason: str | None = None
    if check := CHECKS.get(type(node)):
        reason = check(node, dialect)
    elif not isinstance(node, EXACT):
        raise RefusedConstructError(_name_construct(node, dialect))
    if reason is None and typed and (typed_check := TYPED_CHECKS.get(type(node))):
        reason = typed_check(node, dialect)
    if reason is not None:
        raise RefusedConstructError(f"{_name_construct(node, dialect)} ({reason})")


def check_output_names(tree: exp.Expression) -> None:
    """Check that every column of the result has a name: warehouses and DuckDB invent other ones.

    Raises:
        RefusedConstructError: One has none.
    """
    for number, column in enumerate(tree.selects, 1):
        if not column.alias_or_name and not column.is_star:
            raise RefusedConstructError(f"column {number} of the result (it has no name)")


def _name_construct(node: exp.Expression, dialect: str) -> str:
    text = " ".join(node.sql(dialect, comments=False).split())
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def _read_unit(node: exp.Expression) -> str:
    unit = node.args.get("unit")
    return unit.name.upper().rstrip("S") if unit is not None else "DAY"


# Checks of the query alone.


def _check_table(node: exp.Expression, _: str) -> str | None:
    extra = [name for name, value in node.args.items() if value and name not in TABLE_PARTS]
    if not isinstance(node.this, exp.Identifier):
        return "it is no relation"
    return f"{extra[0]} of a relation" if extra else None


def _check_join(node: exp.Expression, _: str) -> str | None:
    extra = [name for name, value in node.args.items() if value and name not in JOIN_PARTS]
    known = (
        (node.side or "").upper() in JOIN_SIDES
        and (node.kind or "").upper() in JOIN_KINDS
        and not (node.args.get("method"))
    )
    return None if known and not extra else "another kind of join than inner, left, right, full or cross"


def _check_in(node: exp.Expression, _: str) -> str | None:
    return "a list that is a column" if node.args.get("unnest") or node.args.get("field") else None


def _check_like(node: exp.Expression, dialect: str) -> str | None:
    pattern = node.expression
    if not (isinstance(pattern, exp.Literal) and pattern.is_string):
        return "its pattern is computed, and escapes differ"
    if "\\" in pattern.name:
        return "its pattern has a backslash, and escapes differ"
    if isinstance(node, exp.ILike) and dialect == "redshift":
        return "Redshift folds the case of ASCII letters alone"
    return None


def _check_trim(node: exp.Expression, dialect: str) -> str | None:
    if node.args.get("collation"):
        return "a collation"
    if dialect == "bigquery" and node.args.get("expression") is None:
        return "BigQuery removes every kind of white space, DuckDB spaces alone"
    return None


def _check_position(node: exp.Expression, _: str) -> str | None:
    start = node.args.get("start")
    if start is None or not start.is_int or int(start.name) < 1:
        return "its start is not written out as 1 or more"
    length = node.args.get("length")
    return "its length is negative" if length is not None and isinstance(length, exp.Neg) else None


def _check_part_index(node: exp.Expression, _: str) -> str | None:
    index = node.args.get("part_index")
    delimiter = node.args.get("delimiter")
    if index is None or not index.is_int or int(index.name) < 1:
        return "its part is not written out as 1 or more"
    literal = isinstance(delimiter, exp.Literal) and delimiter.name
    return None if literal else "its delimiter is computed or empty"


def _check_count(node: exp.Expression, _: str) -> str | None:
    return None if node.expression.is_int and int(node.expression.name) >= 0 else "its length is computed"


def _check_hash(node: exp.Expression, dialect: str) -> str | None:
    if isinstance(node, exp.SHA2) and (node.args.get("length") or exp.Literal.number(256)).name != SHA256_BITS:
        return "DuckDB has SHA-2 of 256 bits alone"
    return "BigQuery's is binary" if dialect == "bigquery" and isinstance(node, exp.SHA2) else None


def _check_clock(_: exp.Expression, dialect: str) -> str | None:
    if dialect == "snowflake":
        return "it is in the time zone of Snowflake's session"
    return None


def _check_distinct(node: exp.Expression, _: str) -> str | None:
    if node.args.get("on"):
        return "DISTINCT ON"
    counted = isinstance(node.parent, exp.Count) and len(node.expressions) > 1
    return "several columns, of which one may be NULL" if counted else None


def _check_zones(node: exp.Expression, _: str) -> str | None:
    source, target = node.args.get("source_tz"), node.args.get("target_tz")
    literal = isinstance(source, exp.Literal) and source.name.upper() == "UTC" and isinstance(target, exp.Literal)
    return None if literal else "only a conversion from 'UTC' to a zone that is written out has one result"


def _check_part(node: exp.Expression, _: str) -> str | None:
    part = (node.this.name or "").upper()
    return None if part in PARTS else f"warehouses count {part.lower() or 'this'} in other ways"


def _check_difference(node: exp.Expression, dialect: str) -> str | None:
    unit = _read_unit(node)
    if isinstance(node, exp.TimestampDiff):
        return "BigQuery counts whole units, DuckDB their bounds" if dialect == "bigquery" else "it counts whole units"
    if dialect == "databricks" and unit != "DAY":
        return "Databricks counts whole units, DuckDB their bounds"
    allowed = (DAY_UNITS | TIME_UNITS) - ({"WEEK"} if dialect != "snowflake" else set())
    return None if unit in allowed else "weeks begin on other days, and other units are counted in other ways"


def _check_truncation(node: exp.Expression, dialect: str) -> str | None:
    unit = _read_unit(node)
    if node.args.get("zone"):
        return "it names a time zone"
    if unit == "WEEK" and dialect == "bigquery":
        return "weeks of BigQuery begin on Sunday"
    return None if unit in DAY_UNITS | TIME_UNITS else f"truncation to {unit.lower()}"


def _check_addition(node: exp.Expression, _: str) -> str | None:
    unit = _read_unit(node)
    if isinstance(node.expression, exp.Interval):
        unit = _read_unit(node.expression)
    return None if unit in DAY_UNITS | TIME_UNITS else f"a step of {unit.lower()}s"


def _check_list_aggregate(node: exp.Expression, dialect: str) -> str | None:
    if dialect in {"snowflake", "databricks"}:
        return "it is an empty text where DuckDB's is NULL"
    return None if node.find(exp.Order) else "its order is not written out"


def _check_text_format(node: exp.Expression, _: str) -> str | None:
    return "its format" if node.args.get("format") or node.args.get("nlsparam") else None


def _check_extreme(node: exp.Expression, dialect: str) -> str | None:
    ignores = node.args.get("ignore_nulls")
    expected = dialect in {"redshift", "databricks"}
    return None if bool(ignores) is expected else "whether it ignores NULL is not known"


# Checks of types.


def _families(node: exp.Expression) -> tuple[str | None, str | None]:
    return find_family(node.this), find_family(node.expression)


def _check_division(node: exp.Expression, dialect: str) -> str | None:
    left, right = _families(node)
    if left not in NUMBERS or right not in NUMBERS:
        return "the types of its operands are not known, and integers divide in other ways"
    if "float" in (left, right):
        return None
    if "decimal" not in (left, right):
        return None  # rewritten where the warehouse's quotient of integers is another one
    if dialect == "snowflake":
        return None if find_scale(node.type) is not None else "the digits of its operands are not known"
    return f"the quotient of exact numbers has other digits in {dialect.title()}"


def _check_mean(node: exp.Expression, dialect: str) -> str | None:
    family = find_family(node.this)
    if family == "float":
        return None
    if family not in NUMBERS:
        return "the type of its argument is not known"
    if dialect == "snowflake":
        return None if find_scale(node.type) is not None else "the digits of its argument are not known"
    if dialect == "redshift" or family == "decimal":
        return f"the mean of exact numbers has other digits in {dialect.title()}"
    return None


def _check_arithmetic(node: exp.Expression, dialect: str) -> str | None:
    left, right = _families(node)
    if {left, right} <= NUMBERS | {"null"}:
        return None
    if isinstance(node, exp.Add | exp.Sub) and left == "date" and right == "integer":
        return None
    if isinstance(node, exp.Add | exp.Sub) and left == "timestamp" and isinstance(node.expression, exp.Interval):
        return None
    if isinstance(node, exp.Sub) and (left, right) == ("date", "date") and dialect in {"snowflake", "redshift"}:
        return None
    return "its operands are not known to be numbers"


def _check_comparison(node: exp.Expression, _: str) -> str | None:
    sides = [
        node.this,
        *([node.args["low"], node.args["high"]] if isinstance(node, exp.Between) else [node.expression]),
    ]
    if isinstance(node, exp.In):
        sides = [node.this, *node.expressions]
    known = {_compare_as(side) for side in sides} - {None, "null"}
    if known & {"moment"} and "text" in known:
        texts = [side for side in sides if find_family(side) == "text"]
        written = all(isinstance(text, exp.Literal) and ISO_TEXT.fullmatch(text.name) for text in texts)
        known = known - {"text"} if written else known
    return None if len(known) <= 1 else f"it compares {' with '.join(sorted(map(str, known)))}"


def _compare_as(node: exp.Expression) -> str | None:
    family = find_family(node)
    return "number" if family in NUMBERS else "moment" if family in MOMENTS else family


def _check_text(node: exp.Expression, dialect: str) -> str | None:
    parts = [node.this, node.expression] if isinstance(node, exp.DPipe) else node.expressions or [node.this]
    for part in parts:
        family = find_family(part)
        if family not in {"text", "null"} and (family is None or _check_spelling(family, dialect)):
            return f"the spelling of {_name_construct(part, dialect)} as text"
    return None


def _check_spelling(family: str, dialect: str) -> str | None:
    """Return why values of a family have another spelling as text in DuckDB."""
    if family in {"integer", "date", "text", "null"} or (family == "boolean" and dialect != "redshift"):
        return None
    return f"a {family} is spelt in other ways as text"


def _check_cast(node: exp.Expression, dialect: str) -> str | None:
    source, target = find_family(node.this), find_family(node.to)
    if target is None:
        return "its type"
    if target == "text" and node.to.expressions:
        return "warehouses cut or refuse a longer text, DuckDB does neither"
    if source == "null":
        return None
    if source is None:
        return "the type of what is cast is not known"
    if target == "text":
        return _check_spelling(source, dialect)
    return _check_value_cast(node, source, target, dialect)


def _check_value_cast(node: exp.Expression, source: str, target: str, dialect: str) -> str | None:
    if "zoned timestamp" in (source, target) and source != target:
        if dialect == "bigquery" and source in {"date", "timestamp", "zoned timestamp"}:
            return None  # BigQuery's zone is UTC, as the run's
        return "it depends on the session's time zone"
    if source == "text":
        return _check_text_cast(node, target, dialect)
    return _check_number_cast(node, source, target, dialect)


def _check_text_cast(node: exp.Expression, target: str, dialect: str) -> str | None:
    literal = node.this.name if isinstance(node.this, exp.Literal) else None
    if target in {"date", "timestamp"}:
        if literal is not None and ISO_TEXT.fullmatch(literal):
            return None
        return "texts with time zones or in other formats" if target == "timestamp" else _refuse_try(node)
    if target in NUMBERS:
        if dialect == "databricks" and target == "integer":
            return "Databricks cuts the fraction of a text, DuckDB rounds it"
        return _refuse_try(node)
    return None if target == "text" else f"a text as {target}"


def _refuse_try(node: exp.Expression) -> str | None:
    if isinstance(node, exp.TryCast):
        return "DuckDB reads texts that warehouses do not, such as 1_000 and 0x1F"
    return None


def _check_number_cast(node: exp.Expression, source: str, target: str, dialect: str) -> str | None:
    if source in {"float", "decimal"} and target == "integer":
        return "how Redshift rounds to integers" if dialect == "redshift" else None
    if source == "float" and target == "decimal":
        scale = find_scale(complete_type(node.to, dialect))
        if scale is None or scale < LEAST_ROUNDED_SCALE:
            return f"a floating-point number is rounded to fewer than {LEAST_ROUNDED_SCALE} digits in other ways"
        return None
    allowed = {
        **dict.fromkeys(NUMBERS, NUMBERS),
        "boolean": {"boolean", "integer"},
        "date": {"date", "timestamp"},
        "timestamp": {"date", "timestamp"},
        "zoned timestamp": {"zoned timestamp"},
    }
    return None if target in allowed.get(source, ()) else f"{source} as {target}"


def _check_rounding(node: exp.Expression, _: str) -> str | None:
    digits = node.args.get("decimals")
    if digits is not None and not digits.is_int:
        return "its digits are computed"
    if node.args.get("truncate"):
        return "its mode"
    if find_family(node.this) in {"integer", "decimal"}:
        return None
    return "floating-point numbers are rounded in other ways"


def _check_moment(node: exp.Expression, dialect: str) -> str | None:
    operands = [node.expression] if isinstance(node, exp.Extract) else [node.this]
    if isinstance(node, exp.DateDiff | exp.DatetimeDiff | exp.TsOrDsDiff):
        operands.append(node.expression)
    for operand in operands:
        family = find_family(operand)
        text = isinstance(operand, exp.Literal) and ISO_TEXT.fullmatch(operand.name)
        zoned = family == "zoned timestamp" and dialect == "bigquery"
        if family not in MOMENTS and not text and not zoned:
            return "its argument is not known to be a date or timestamp without time zone"
    return None


def _check_converted(node: exp.Expression, _: str) -> str | None:
    family = find_family(node.args.get("timestamp"))
    return None if family == "timestamp" else "its argument is not known to be a timestamp without time zone"


def _check_sum(node: exp.Expression, _: str) -> str | None:
    argument = node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this
    return None if find_family(argument) in NUMBERS else "the type of its argument is not known"


def _check_hashed(node: exp.Expression, _: str) -> str | None:
    return None if find_family(node.this) in {"text", "null"} else "the spelling of its argument as text"


def _accept(_: exp.Expression, __: str) -> str | None:
    return None


CHECKS: dict[type, Callable[[exp.Expression, str], str | None]] = {
    exp.Table: _check_table,
    exp.Join: _check_join,
    exp.In: _check_in,
    exp.Like: _check_like,
    exp.ILike: _check_like,
    exp.Trim: _check_trim,
    exp.Substring: _check_position,
    exp.SplitPart: _check_part_index,
    exp.Left: _check_count,
    exp.Right: _check_count,
    exp.MD5: _check_hash,
    exp.SHA2: _check_hash,
    exp.CurrentDate: _check_clock,
    exp.CurrentTimestamp: _check_clock,
    exp.Distinct: _check_distinct,
    exp.Extract: _check_part,
    exp.Greatest: _check_extreme,
    exp.Least: _check_extreme,
    exp.DateDiff: _check_difference,
    exp.TimestampDiff: _check_difference,
    exp.DatetimeDiff: _check_difference,
    exp.DateTrunc: _check_truncation,
    exp.TimestampTrunc: _check_truncation,
    exp.DatetimeTrunc: _check_truncation,
    exp.DateAdd: _check_addition,
    exp.DateSub: _check_addition,
    exp.DatetimeAdd: _check_addition,
    exp.DatetimeSub: _check_addition,
    exp.TimestampAdd: _check_addition,
    exp.TimestampSub: _check_addition,
    exp.GroupConcat: _check_list_aggregate,
    exp.ToChar: _check_text_format,
    exp.TsOrDsAdd: _check_addition,
    exp.TsOrDsDiff: _check_difference,
    exp.ConvertTimezone: _check_zones,
    **dict.fromkeys(
        (
            exp.Div, exp.Avg, exp.Add, exp.Sub, exp.Mul, exp.Mod, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE,
            exp.Between, exp.DPipe, exp.Concat, exp.Cast, exp.TryCast, exp.Round, exp.Sum, exp.Year, exp.Month, exp.Day,
            exp.Quarter, exp.LastDay, exp.AddMonths, exp.TsOrDsToDate, exp.Replace, exp.Contains, exp.StartsWith, exp.Date,
            exp.SafeDivide,
        ),
        _accept,
    ),
}  # fmt: skip
TYPED_CHECKS: dict[type, Callable[[exp.Expression, str], str | None]] = {
    exp.Div: _check_division,
    exp.SafeDivide: _check_division,
    exp.ConvertTimezone: _check_converted,
    exp.Avg: _check_mean,
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mul, exp.Mod), _check_arithmetic),
    **dict.fromkeys((exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In), _check_comparison),
    **dict.fromkeys((exp.DPipe, exp.Concat, exp.ToChar, exp.Length, exp.Lower, exp.Upper, exp.Trim), _check_text),
    **dict.fromkeys((exp.Cast, exp.TryCast), _check_cast),
    exp.Round: _check_rounding,
    exp.Sum: _check_sum,
    **dict.fromkeys((exp.MD5, exp.SHA2), _check_hashed),
    **dict.fromkeys(
        (
            exp.DateDiff, exp.DatetimeDiff, exp.DateTrunc, exp.TimestampTrunc, exp.DatetimeTrunc, exp.DateAdd, exp.DateSub,
            exp.DatetimeAdd, exp.DatetimeSub, exp.TimestampAdd, exp.TimestampSub, exp.Extract, exp.Year, exp.Month, exp.Day,
            exp.Quarter, exp.LastDay, exp.AddMonths, exp.TsOrDsToDate, exp.Date,
            exp.TsOrDsAdd, exp.TsOrDsDiff,
        ),
        _check_moment,
    ),
}  # fmt: skip


def rewrite_construct(node: exp.Expression, dialect: str) -> exp.Expression:
    """Return what a construct is in DuckDB where sqlglot leaves another meaning."""
    match node:
        case exp.Div() | exp.Avg() if not node.meta.get("rewritten"):
            return _rewrite_quotient(node, dialect)
        case exp.Concat():
            return _join_texts(node)
        case exp.Cast() if find_family(node.to) == "integer" and find_family(node.this) in {"float", "decimal"}:
            if not node.meta.get("rewritten"):
                return _round_to_integer(node, dialect)
        case exp.DateAdd() | exp.DateSub() | exp.DateTrunc() | exp.TimestampTrunc() | exp.AddMonths() | exp.TsOrDsAdd():
            keeps_date = dialect != "redshift" and not (
                dialect == "databricks" and isinstance(node, exp.TimestampTrunc)
            )
            unit = _read_unit(node.expression if isinstance(node.expression, exp.Interval) else node)
            if keeps_date and find_family(node.this) == "date" and unit in DAY_UNITS and not node.meta.get("rewritten"):
                return _cast(node, "DATE")
    return node


def _mark(node: exp.Expression) -> exp.Expression:
    node.meta["rewritten"] = True
    return node


def _cast(node: exp.Expression, kind: str) -> exp.Expression:
    return _mark(exp.Cast(this=_mark(node), to=exp.DataType.build(kind)))


def _rewrite_quotient(node: exp.Expression, dialect: str) -> exp.Expression:
    """Write the quotient or mean of exact numbers: integers of Redshift divide as integers, Snowflake rounds to its scale."""
    families = {
        find_family(part) for part in ([node.this] if isinstance(node, exp.Avg) else [node.this, node.expression])
    }
    if dialect == "redshift" and isinstance(node, exp.Div) and families == {"integer"}:
        return _mark(
            exp.IntDiv(this=exp.paren(node.this, copy=False), expression=exp.paren(node.expression, copy=False))
        )
    if dialect == "snowflake" and "float" not in families:
        scale = find_scale(node.type)
        rounded = exp.Round(this=_mark(node), decimals=exp.Literal.number(scale))
        return _cast(rounded, f"DECIMAL(38, {scale})")
    return _mark(node)


def _round_to_integer(node: exp.Expression, dialect: str) -> exp.Expression:
    function = exp.Trunc if dialect == "databricks" else exp.Round
    return _mark(exp.Cast(this=function(this=node.this), to=node.to))


def _join_texts(node: exp.Expression) -> exp.Expression:
    """Write a concatenation that is NULL if a part is: DuckDB's function leaves NULL out."""
    parts = node.expressions
    joined = exp.paren(parts[0], copy=False)
    for part in parts[1:]:
        joined = exp.DPipe(this=joined, expression=exp.paren(part, copy=False))
    return exp.paren(joined, copy=False)
