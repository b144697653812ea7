"""Queries of warehouses run in DuckDB with the values that the warehouse's documentation gives, or are refused by name."""

from __future__ import annotations

import datetime as dt
import importlib
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from sandbox.dbt import programs
from sandbox.store.paths import find_packaged_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

COLUMNS = {
    "a": "INTEGER", "b": "INTEGER", "big": "BIGINT", "d": "DECIMAL(10,2)", "f": "DOUBLE", "s": "VARCHAR", "ts": "TIMESTAMP",
    "day": "DATE", "yes": "BOOLEAN",
}  # fmt: skip
ROW = "7, 2, 3, 1.25, 2.5, 'Ab', timestamp '2024-01-31 10:00:00', date '2024-01-31', true"


@pytest.fixture(scope="module")
def translation() -> Iterator[ModuleType]:
    """Give the module as it lies in runs: beside the programs that the package shares with them."""
    folders = [str(find_packaged_folder("images") / "dbt"), str(next(iter(programs.__path__)))]
    sys.path[:0] = folders
    yield importlib.import_module("translation")
    sys.path[:] = [path for path in sys.path if path not in folders]


def run(translation: ModuleType, dialect: str, sql: str) -> list[Any]:
    """Return the first column of a translated query's rows, on one row of values and one of NULL."""
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    declared = ", ".join(f"{name} {type_}" for name, type_ in COLUMNS.items())
    connection.execute(f"create table t ({declared})")
    connection.execute(f"insert into t values ({ROW}), ({', '.join(['null'] * len(COLUMNS))})")
    translated = translation.translate_query(sql, dialect, {("t",): COLUMNS})
    return [first for first, *_ in connection.execute(translated).fetchall()]


@pytest.mark.parametrize(
    ("dialect", "sql", "values"),
    [
        # division of integers
        ("snowflake", "select a / b as x from t", [Decimal("3.500000"), None]),
        ("bigquery", "select a / b as x from t", [3.5, None]),
        ("databricks", "select a / b as x from t", [3.5, None]),
        ("redshift", "select a / b as x from t", [3, None]),
        ("redshift", "select (-a) / b as x from t", [-3, None]),
        ("snowflake", "select 1 / 3 as x", [Decimal("0.333333")]),
        ("snowflake", "select avg(d) as x from t", [Decimal("1.25000000")]),
        # the place of NULL in an order
        ("snowflake", "select a from t order by a desc", [None, 7]),
        ("bigquery", "select a from t order by a", [None, 7]),
        ("databricks", "select a from t order by a desc", [7, None]),
        ("redshift", "select a from t order by a", [7, None]),
        ("snowflake", "select last_value(a) over (partition by yes order by b) as x from t where a is not null", [7]),
        # time zones
        (
            "snowflake",
            "select convert_timezone('UTC', 'America/New_York', ts) as x from t",
            [dt.datetime(2024, 1, 31, 5), None],  # noqa: DTZ001 - it has none
        ),
        # patterns
        ("snowflake", "select s ilike 'a%' as x from t", [True, None]),
        ("databricks", "select s like 'a%' as x from t", [False, None]),
        # rounding
        ("snowflake", "select d::int as x from t", [1, None]),
        ("databricks", "select cast(f as int) as x from t", [2, None]),
        ("bigquery", "select cast(f as int64) as x from t", [3, None]),
        ("snowflake", "select round(d, 1) as x from t", [Decimal("1.3"), None]),
        # arithmetic of dates
        ("snowflake", "select dateadd(month, 1, day) as x from t", [dt.date(2024, 2, 29), None]),
        ("redshift", "select dateadd(month, 1, day) as x from t", [dt.datetime(2024, 2, 29), None]),  # noqa: DTZ001
        ("snowflake", "select datediff(week, '2024-01-07'::date, '2024-01-08'::date) as x", [1]),
        ("databricks", "select datediff(day, day, ts) as x from t", [0, None]),
        # text to number
        ("snowflake", "select '12'::int as x", [12]),
        # rows by a window
        ("snowflake", "select a from t qualify row_number() over (order by a) = 1", [7]),
        ("bigquery", "select a from t where true qualify row_number() over (order by a) = 1", [None]),
        # hash functions
        ("snowflake", "select md5(s) as x from t", ["0e4c46df226b9c0cb391311c54f28efe", None]),
        ("bigquery", "select to_hex(md5(s)) as x from t", ["0e4c46df226b9c0cb391311c54f28efe", None]),
        # NULL in functions
        ("snowflake", "select concat(s, null) as x from t", [None, None]),
        ("snowflake", "select greatest(a, null) as x from t", [None, None]),
        ("redshift", "select greatest(a, null) as x from t", [7, None]),
        # names
        ("snowflake", "select lower(s) as s from t group by s", ["ab", None]),
        ("snowflake", "select A as x from T where X = 7", [7]),
    ],
)  # fmt: skip
def test_values_are_those_of_the_warehouse(translation: ModuleType, dialect: str, sql: str, values: list[Any]) -> None:
    found = run(translation, dialect, sql)
    assert found == values or ("order by" not in sql and sorted(map(str, found)) == sorted(map(str, values)))


@pytest.mark.parametrize(
    ("dialect", "sql", "named"),
    [
        ("redshift", "select sum(a) / count(*) as x from t", "SUM(t.a) / COUNT(*)"),  # NUMERIC where a is BIGINT
        ("bigquery", "select d / 3 as x from t", "t.d / 3"),
        ("snowflake", "select ts::timestamp_tz as x from t", "session's time zone"),
        ("snowflake", "select current_timestamp() as x", "CURRENT_TIMESTAMP()"),
        ("redshift", "select s ilike 'a%' as x from t", "folds the case of ASCII letters alone"),
        ("snowflake", "select parse_json(s):x::int as x from t", "GET_PATH"),
        ("snowflake", "select v.value as x from t, lateral flatten(input => parse_json(s)) v", "FLATTEN"),
        ("snowflake", "select round(f, 1) as x from t", "floating-point numbers are rounded in other ways"),
        ("redshift", "select cast(d as int) as x from t", "how Redshift rounds"),
        ("bigquery", "select date_diff(day, day, week) as x from t", "DATE_DIFF"),
        ("databricks", "select datediff(month, day, ts) as x from t", "counts whole units"),
        ("snowflake", "select try_cast(s as int) as x from t", "TRY_CAST"),
        ("databricks", "select cast(s as int) as x from t", "cuts the fraction"),
        ("snowflake", "select to_number(s) as x from t", "TO_NUMBER"),
        ("snowflake", "select hash(s) as x from t", "HASH(s)"),
        ("bigquery", "select farm_fingerprint(s) as x from t", "farm_fingerprint"),
        ("bigquery", "select md5(s) as x from t", "MD5"),
        ("snowflake", "select md5(f) as x from t", "spelling of its argument"),
        ("snowflake", "select s::varchar(1) as x from t", "cut or refuse a longer text"),
        ("snowflake", "select s = a as x from t", "compares number with text"),
        ("snowflake", "select a + 1 from t", "it has no name"),
        ("snowflake", "delete from t", "a statement other than one query"),
        ("snowflake", "select * from t at (offset => -60)", "when of a relation"),
        ("snowflake", "select * from t tablesample (10)", "sample"),
        ("snowflake", "select count(distinct a, b) as x from t", "one may be NULL"),
        ("snowflake", "select 'a", "sqlglot cannot translate it"),
    ],
)  # fmt: skip
def test_what_has_no_exact_translation_is_refused_by_name(
    translation: ModuleType, dialect: str, sql: str, named: str
) -> None:
    with pytest.raises(translation.TranslationError) as caught:
        translation.translate_query(sql, dialect, {("t",): COLUMNS})
    assert named.lower() in str(caught.value).lower()


@pytest.mark.parametrize(
    ("dialect", "declared", "type_"),
    [
        ("snowflake", "number(10, 2)", "DECIMAL(10, 2)"),
        ("snowflake", "number", "DECIMAL(38, 0)"),
        ("snowflake", "float", "DOUBLE"),
        ("databricks", "float", "REAL"),
        ("bigquery", "int64", "BIGINT"),
        ("redshift", "varchar(10)", "TEXT"),
        ("snowflake", "variant", None),
        ("snowflake", "timestamp_tz", None),
    ],
)
def test_declared_types_have_the_same_values_or_are_refused(
    translation: ModuleType, dialect: str, declared: str, type_: str | None
) -> None:
    if type_ is not None:
        assert translation.translate_type(declared, dialect) == type_
        return
    with pytest.raises(translation.TranslationError, match="no exact translation"):
        translation.translate_type(declared, dialect)


def test_reads_are_relations_outside_of_common_table_expressions(translation: ModuleType) -> None:
    sql = "with o as (select * from db.raw.Orders) select * from o join t using (a)"
    assert translation.find_reads(sql, "snowflake").relations == (("db", "raw", "orders"), ("t",))
    assert "HASH" in str(translation.find_reads("select hash(a) as x from t", "snowflake").problem)
