"""Expressions as the SQL of other databases, so that each understands in them what the session does.

Where Ibis has no word for something, or a database's own word means another thing (the text of a decimal, the number of a
text's letters), it is said here for each. What a database cannot say exactly is refused: else it would draw another sample.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import sqlglot
from sqlglot import exp

from sandbox.errors import DataRuleError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.model import SqlDialect

TESTED_DIALECTS: tuple[SqlDialect, ...] = ("duckdb", "postgres")  # where tests carry out what is compiled

# The first 15 hex digits of a text's SHA-256 as an integer, which Ibis has for DuckDB and Spark only.
HASH_DIGITS_SQL: Mapping[SqlDialect, str] = {
    "postgres": "('x' || substr(encode(sha256(convert_to({}, 'UTF8')), 'hex'), 1, 15))::bit(60)::bigint",
    "snowflake": "to_number(substr(sha2({}, 256), 1, 15), 'XXXXXXXXXXXXXXX')",
    "bigquery": "cast(concat('0x', substr(to_hex(sha256({})), 1, 15)) as int64)",
    "trino": "from_base(substr(to_hex(sha256(to_utf8({}))), 1, 15), 16)",
    "clickhouse": "reinterpretAsInt64(reverse(unhex(concat('0', substring(hex(SHA256({})), 1, 15)))))",
    "databricks": "cast(conv(substr(sha2({}, 256), 1, 15), 16, 10) as bigint)",
}
# Microseconds since 1970 UTC of a moment; Ibis's own functions of it are of seconds or lose digits.
MICROSECONDS_SQL: Mapping[SqlDialect, str] = {
    "duckdb": "epoch_us({})",
    "postgres": "(extract(epoch from {}) * 1000000)::bigint",
    "snowflake": "date_part(epoch_microsecond, {})",
    "bigquery": "unix_micros({})",
    "trino": (  # to_unixtime() is floating: its microseconds are wrong from the year 2106 on
        "date_diff('second', timestamp '1970-01-01 00:00:00', date_trunc('second', cast({0} as timestamp(6)))) * 1000000 "
        "+ cast(substr(cast(cast({0} as timestamp(6)) as varchar), -6) as bigint)"
    ),
    "clickhouse": "toUnixTimestamp64Micro(toDateTime64({}, 6))",
    "databricks": "unix_micros({})",
}
# What makes of a moment without a zone, and of one with a zone, what the above takes.
TIMESTAMP_SQL: Mapping[SqlDialect, tuple[str, str]] = {
    "bigquery": ("timestamp({}, 'UTC')", "{}"),
    "trino": ("{}", "{} at time zone 'UTC'"),
}
# Texts that a database writes in its own way: it cuts zeros off decimals, or asks its settings how dates look.
DECIMAL_TEXT_SQL: Mapping[SqlDialect, str] = {
    "bigquery": "format('%.{scale}f', {value})",
    "clickhouse": "toDecimalString({value}, {scale})",
}
DATE_TEXT_SQL: Mapping[SqlDialect, str] = {
    "postgres": "to_char({}, 'YYYY-MM-DD')",
    "snowflake": "to_char({}, 'YYYY-MM-DD')",
}
INTEGER_TYPES = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
# Beside decimals: values that have one order and one text everywhere.
PORTABLE_TYPES = {*INTEGER_TYPES, "VARCHAR", "BOOLEAN", "DATE"}
# Else what an outer join does not find is 0 or an empty text.
QUERY_SETTINGS: Mapping[SqlDialect, str] = {"clickhouse": "\nSETTINGS join_use_nulls = 1"}
MAX_SCALE_WITHOUT_EXPONENT = 6  # digits after the point up to which Spark writes every decimal without an exponent
# Characters that a name cannot have there, or that the compiler does not escape.
FORBIDDEN_NAME_CHARACTERS: Mapping[SqlDialect, str] = {
    "bigquery": r'[!"$()*,./;?@\[\\\]^`{}~\x00-\x1f]',
    "clickhouse": r"\\",
    "databricks": r"\$\{",
}


@ibis.udf.scalar.builtin(name="sandbox_first_digits")  # type: ignore[untyped-decorator, unused-ignore]
def _first_digits(text: dt.string) -> dt.int64:
    """Stand for `HASH_DIGITS_SQL`."""


@ibis.udf.scalar.builtin(name="sandbox_microseconds")  # type: ignore[untyped-decorator, unused-ignore]
def _epoch_microseconds(moment: dt.timestamp) -> dt.int64:
    """Stand for `MICROSECONDS_SQL` of a moment without a zone."""


@ibis.udf.scalar.builtin(name="sandbox_zoned_microseconds")  # type: ignore[untyped-decorator, unused-ignore]
def _epoch_microseconds_with_zone(moment: dt.timestamp) -> dt.int64:
    """Stand for `MICROSECONDS_SQL` of a moment with a zone."""


@ibis.udf.scalar.builtin(name="sandbox_decimal_text")  # type: ignore[untyped-decorator, unused-ignore]
def _decimal_text(value: dt.decimal, scale: dt.int8) -> dt.string:
    """Stand for `DECIMAL_TEXT_SQL`."""


@ibis.udf.scalar.builtin(name="sandbox_date_text")  # type: ignore[untyped-decorator, unused-ignore]
def _date_text(value: dt.date) -> dt.string:
    """Stand for `DATE_TEXT_SQL`."""


def compile_select(expression: Any, dialect: SqlDialect) -> exp.Expr:
    """Give a table as a SELECT of a database, parsed."""
    lowered = expression.op().replace(lambda node, known: _lower_node(node, known, dialect)).to_expr()
    text = str(ibis.to_sql(lowered, dialect=dialect, pretty=False))
    tree = sqlglot.parse_one(text, read=dialect)
    for called in reversed(list(tree.find_all(exp.Anonymous))):  # the inner ones first
        if said := _render_placeholder(called, dialect):
            called.replace(sqlglot.parse_one(said, read=dialect))
    if dialect == "clickhouse":
        _adapt_to_clickhouse(tree)
    return tree


def render_select(expression: Any, dialect: SqlDialect) -> str:
    """Give a table as the text of a SELECT of a database."""
    found = compile_select(expression, dialect).sql(dialect=dialect, pretty=True)
    if dialect == "databricks":  # where a setting stands in for ${name} even in texts; in names it is refused
        found = found.replace("${", r"\u0024{")
    return f"{found}{QUERY_SETTINGS.get(dialect, '')}"


def check_portable_key(dialect: SqlDialect, columns: Mapping[str, str], key: Sequence[str]) -> None:
    """Make sure that a database can say exactly which number a key stands for.

    Raises:
        RuleError: It cannot, for a column that is named.
    """
    if dialect == "duckdb":
        return
    for column in key:
        if why := _explain_inexact_key(dialect, columns[column], alone=len(key) == 1):
            raise DataRuleError(
                f"the key {column} is {columns[column]}, which cannot be said exactly in {dialect}: {why}",
                hint="name another key, or draw the sample here: sandbox sample",
            )


def check_portable_strata(columns: Sequence[tuple[str, str]]) -> None:
    """Make sure that strata columns are told apart in the same way everywhere.

    Raises:
        RuleError: One is of a type of which that is not known.
    """
    for name, kind in columns:
        if kind not in PORTABLE_TYPES and not kind.startswith("DECIMAL("):
            raise DataRuleError(
                f"the strata column {name} is {kind}, which another database may tell apart in another way",
                hint="take it out of strata, or draw the sample here: sandbox sample",
            )


def check_portable_name(dialect: SqlDialect, name: str) -> None:
    """Make sure that a database can be told a name.

    Raises:
        RuleError: It cannot.
    """
    if dialect in FORBIDDEN_NAME_CHARACTERS and (found := re.search(FORBIDDEN_NAME_CHARACTERS[dialect], name)):
        raise DataRuleError(
            f"the name {name!r} cannot be said in {dialect}: it has {found[0]!r}",
            hint="give it another name with a view in the warehouse, and in the source",
        )


def _explain_inexact_key(dialect: SqlDialect, kind: str, *, alone: bool) -> str | None:
    """Say why a key of some type is not the same there; None where it is."""
    decimal = re.fullmatch(r"DECIMAL\(\d+,(\d+)\)", kind)
    if kind == "UBIGINT" and alone:
        return "it has no unsigned integers of 64 bits that are computed with as the rule does"
    if kind == "TIMESTAMP_NS":
        return "its nanoseconds are rounded differently"
    if kind.startswith("TIMESTAMP") and kind != "TIMESTAMP WITH TIME ZONE" and dialect in {"clickhouse", "databricks"}:
        return "a moment without a time zone is read in that of the server or session"
    if dialect == "databricks" and decimal and int(decimal[1]) > MAX_SCALE_WITHOUT_EXPONENT:
        return f"with more than {MAX_SCALE_WITHOUT_EXPONENT} digits after the point its text may have an exponent"
    return None


def _adapt_to_clickhouse(tree: exp.Expr) -> None:
    """Say what has one name there and elsewhere, and means other things."""
    for length in list(tree.find_all(exp.Length)):  # of bytes
        length.replace(exp.func("lengthUTF8", length.this))
    for kind in tree.find_all(exp.DataType):
        if kind.is_type("date"):  # of 1970 to 2149
            kind.set("this", exp.DataType.Type.DATE32)


def _lower_node(node: Any, known: Any, dialect: SqlDialect) -> Any:
    """Put what stands for a database's own words in the place of what the session says."""
    node = node.__recreate__(known) if known else node
    if isinstance(node, ops.ScalarUDF) and node.__func_name__ == "epoch_us":
        [moment] = node.args
        stands = _epoch_microseconds if moment.dtype.timezone is None else _epoch_microseconds_with_zone
        return stands(moment.to_expr()).op()
    if not isinstance(node, ops.Cast):
        return node
    if dialect in HASH_DIGITS_SQL and (text := _find_hashed_text(node)) is not None:
        return _first_digits(text.to_expr()).op()
    kind = node.arg.dtype
    if node.to.is_string() and kind.is_decimal() and dialect in DECIMAL_TEXT_SQL:
        return _decimal_text(node.arg.to_expr(), kind.scale).op()
    if node.to.is_string() and kind.is_date() and dialect in DATE_TEXT_SQL:
        return _date_text(node.arg.to_expr()).op()
    return node


def _find_hashed_text(node: Any) -> Any:
    """Give the text whose hash's first digits a conversion gives (see `sandbox.engine.rule.sampling_rule`); None where it is another."""
    digits: Any = node.arg.arg[1:] if isinstance(node.arg, ops.StringConcat) else ()
    if len(digits) == 1 and isinstance(digits[0], ops.Substring) and isinstance(digits[0].arg, ops.HexDigest):
        return digits[0].arg.arg
    return None


def _render_placeholder(called: exp.Anonymous, dialect: SqlDialect) -> str | None:
    """Give what a call stands for; None where it is a function of the database."""
    value, *more = [one.sql(dialect=dialect) for one in called.expressions] or [""]
    without, zoned = TIMESTAMP_SQL.get(dialect, ("{}", "{}"))
    match called.name.lower():
        case "sandbox_first_digits":
            return HASH_DIGITS_SQL[dialect].format(value)
        case "sandbox_microseconds":
            return MICROSECONDS_SQL[dialect].format(without.format(value))
        case "sandbox_zoned_microseconds":
            return MICROSECONDS_SQL[dialect].format(zoned.format(value))
        case "sandbox_decimal_text":
            return DECIMAL_TEXT_SQL[dialect].format(value=value, scale=more[0])
        case "sandbox_date_text":
            return DATE_TEXT_SQL[dialect].format(value)
        case _:
            return None
