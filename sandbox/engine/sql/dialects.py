"""Ibis expressions compiled to other databases' SQL with exactly the session's semantics.

It covers functions missing from Ibis, and functions with another meaning in a database, such as the text of a decimal
or the length of a text. Expressions without an exact equivalent are refused, because they would draw another sample.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import sqlglot
from sqlglot import exp

from sandbox.engine.rule.prn import HASH_DIGITS
from sandbox.errors import DataRuleError
from sandbox.model import SqlDialect

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CompiledDialect = SqlDialect | Literal["mysql"]  # in MySQL only the random number is compiled
TESTED_DIALECTS: tuple[SqlDialect, ...] = ("duckdb", "postgres")  # tests execute the compiled SQL

# The first hex digits of a text's SHA-256 as an integer; Ibis supports it for DuckDB and Spark only.
HASH_DIGITS_SQL: Mapping[CompiledDialect, str] = {
    "postgres": f"('x' || substr(encode(sha256(convert_to({{}}, 'UTF8')), 'hex'), 1, {HASH_DIGITS}))::bit({4 * HASH_DIGITS})::bigint",
    "snowflake": f"to_number(substr(sha2({{}}, 256), 1, {HASH_DIGITS}), '{'X' * HASH_DIGITS}')",
    "bigquery": f"cast(concat('0x', substr(to_hex(sha256({{}})), 1, {HASH_DIGITS})) as int64)",
    "trino": f"from_base(substr(to_hex(sha256(to_utf8({{}}))), 1, {HASH_DIGITS}), 16)",
    "clickhouse": f"reinterpretAsInt64(reverse(unhex(concat('0', substring(hex(SHA256({{}})), 1, {HASH_DIGITS})))))",
    "databricks": f"cast(conv(substr(sha2({{}}, 256), 1, {HASH_DIGITS}), 16, 10) as bigint)",
    "mysql": f"cast(conv(substr(sha2({{}}, 256), 1, {HASH_DIGITS}), 16, 10) as signed)",
}
# Microseconds of a timestamp since 1970 UTC; Ibis's own functions return seconds or lose digits.
MICROSECONDS_SQL: Mapping[CompiledDialect, str] = {
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
    "mysql": "timestampdiff(microsecond, '1970-01-01 00:00:00', {})",
}
# Conversions of timestamps without and with time zone to the argument of the above.
TIMESTAMP_SQL: Mapping[CompiledDialect, tuple[str, str]] = {
    "bigquery": ("timestamp({}, 'UTC')", "{}"),
    "trino": ("{}", "{} at time zone 'UTC'"),
}
# Databases that trim zeros of decimals, or format dates by a setting.
DECIMAL_TEXT_SQL: Mapping[CompiledDialect, str] = {
    "bigquery": "format('%.{scale}f', {value})",
    "clickhouse": "toDecimalString({value}, {scale})",
}
DATE_TEXT_SQL: Mapping[CompiledDialect, str] = {
    "postgres": "to_char({}, 'YYYY-MM-DD')",
    "snowflake": "to_char({}, 'YYYY-MM-DD')",
}
INTEGER_TYPES = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
# Types with one order and one text in every database, besides decimals.
PORTABLE_TYPES = {*INTEGER_TYPES, "VARCHAR", "BOOLEAN", "DATE"}
# Otherwise unmatched rows of an outer join are 0 or empty instead of NULL.
QUERY_SETTINGS: Mapping[SqlDialect, str] = {"clickhouse": "\nSETTINGS join_use_nulls = 1"}
MAX_SCALE_WITHOUT_EXPONENT = 6  # above it Spark may write an exponent
# Characters invalid in names, or not escaped by the compiler.
FORBIDDEN_NAME_CHARACTERS: Mapping[SqlDialect, str] = {
    "bigquery": r'[!"$()*,./;?@\[\\\]^`{}~\x00-\x1f]',
    "clickhouse": r"\\",
    "databricks": r"\$\{",
}


@ibis.udf.scalar.builtin(name="sandbox_first_digits")  # type: ignore[untyped-decorator, unused-ignore]
def _first_digits(text: dt.string) -> dt.int64:
    """Placeholder for `HASH_DIGITS_SQL`."""


@ibis.udf.scalar.builtin(name="sandbox_microseconds")  # type: ignore[untyped-decorator, unused-ignore]
def _epoch_microseconds(moment: dt.timestamp) -> dt.int64:
    """Placeholder for `MICROSECONDS_SQL` of a timestamp without time zone."""


@ibis.udf.scalar.builtin(name="sandbox_zoned_microseconds")  # type: ignore[untyped-decorator, unused-ignore]
def _epoch_microseconds_with_zone(moment: dt.timestamp) -> dt.int64:
    """Placeholder for `MICROSECONDS_SQL` of a timestamp with time zone."""


@ibis.udf.scalar.builtin(name="sandbox_decimal_text")  # type: ignore[untyped-decorator, unused-ignore]
def _decimal_text(value: dt.decimal, scale: dt.int8) -> dt.string:
    """Placeholder for `DECIMAL_TEXT_SQL`."""


@ibis.udf.scalar.builtin(name="sandbox_date_text")  # type: ignore[untyped-decorator, unused-ignore]
def _date_text(value: dt.date) -> dt.string:
    """Placeholder for `DATE_TEXT_SQL`."""


def compile_select(expression: Any, dialect: CompiledDialect) -> exp.Expr:
    """Return a table expression as a parsed SELECT of a dialect."""
    lowered = expression.op().replace(lambda node, known: _lower_node(node, known, dialect)).to_expr()
    text = str(ibis.to_sql(lowered, dialect=dialect, pretty=False))
    tree = sqlglot.parse_one(text, read=dialect)
    for called in reversed(list(tree.find_all(exp.Anonymous))):  # the inner ones first
        if sql := _render_placeholder(called, dialect):
            called.replace(sqlglot.parse_one(sql, read=dialect))
    if dialect == "clickhouse":
        _adapt_to_clickhouse(tree)
    return tree


def render_select(expression: Any, dialect: SqlDialect) -> str:
    """Return a table expression as the text of a SELECT of a dialect."""
    sql = compile_select(expression, dialect).sql(dialect=dialect, pretty=True)
    if dialect == "databricks":  # it substitutes ${name} even in texts; names with it are refused
        sql = sql.replace("${", r"\u0024{")
    return f"{sql}{QUERY_SETTINGS.get(dialect, '')}"


def check_portable_key(dialect: SqlDialect, columns: Mapping[str, str], key: Sequence[str]) -> None:
    """Check that a dialect computes exactly the same key number.

    Raises:
        DataRuleError: It does not, for a named column.
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
    """Check that every database distinguishes the values of strata columns in the same way.

    Raises:
        DataRuleError: It is unknown for the type of a column.
    """
    for name, kind in columns:
        if kind not in PORTABLE_TYPES and not kind.startswith("DECIMAL("):
            raise DataRuleError(
                f"the strata column {name} is {kind}, which another database may tell apart in another way",
                hint="take it out of strata, or draw the sample here: sandbox sample",
            )


def check_portable_name(dialect: SqlDialect, name: str) -> None:
    """Check that a dialect can quote a name.

    Raises:
        DataRuleError: It cannot.
    """
    if dialect in FORBIDDEN_NAME_CHARACTERS and (match := re.search(FORBIDDEN_NAME_CHARACTERS[dialect], name)):
        raise DataRuleError(
            f"the name {name!r} cannot be said in {dialect}: it has {match[0]!r}",
            hint="give it another name with a view in the warehouse, and in the source",
        )


def _explain_inexact_key(dialect: SqlDialect, kind: str, *, alone: bool) -> str | None:
    """Return the reason why a key type is not portable to a dialect; None if it is."""
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
    """Replace functions and types with another meaning in ClickHouse."""
    for length in list(tree.find_all(exp.Length)):  # length() counts bytes
        length.replace(exp.func("lengthUTF8", length.this))
    for kind in tree.find_all(exp.DataType):
        if kind.is_type("date"):  # Date covers 1970 to 2149 only
            kind.set("this", exp.DataType.Type.DATE32)


def _lower_node(node: Any, known: Any, dialect: CompiledDialect) -> Any:
    """Replace a node by its placeholder, if the dialect has its own SQL for it."""
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
    """Return the text hashed by a conversion of its hash's first digits; None for other conversions.

    See `sandbox.engine.rule.sampling_rule`.
    """
    digits: Any = node.arg.arg[1:] if isinstance(node.arg, ops.StringConcat) else ()
    if len(digits) == 1 and isinstance(digits[0], ops.Substring) and isinstance(digits[0].arg, ops.HexDigest):
        return digits[0].arg.arg
    return None


def _render_placeholder(called: exp.Anonymous, dialect: CompiledDialect) -> str | None:
    """Return the SQL of a placeholder; None if the call is a function of the database."""
    value, *more = [argument.sql(dialect=dialect) for argument in called.expressions] or [""]
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
