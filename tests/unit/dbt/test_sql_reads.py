"""Everything that a query reads is found, or it is said that it cannot be."""

from __future__ import annotations

import json

import duckdb
import pytest

from sandbox.dbt.programs.sql_reads import TREE_QUERY, SqlReads, find_sql_reads


def read(sql: str) -> SqlReads:
    row = duckdb.connect().execute(TREE_QUERY, [sql]).fetchone()
    assert row
    return find_sql_reads(json.loads(row[0]))


@pytest.mark.parametrize(
    ("sql", "relations", "files"),
    [
        ('select * from "Db"."s"."T" t', [("db", "s", "t")], []),
        ("with x as (select * from a) select * from x", [("a",)], []),
        ("with x as (select * from x) select * from x", [("x",)], []),
        ("with a as (with b as (select * from c) select * from b) select * from b", [("b",), ("c",)], []),
        ("with recursive r as (select 1 i union all select i + 1 from r) select * from r", [], []),
        ("select (select max(b) from m), exists(from q) from t where i in (select j from z)", [("m",), ("q",), ("t",), ("z",)], []),
        ("select * from range(3), unnest([1]), generate_series(1, 2)", [], []),
        ("select * from (pivot t on a in (1, 2) using sum(b))", [("t",)], []),
        ("from t select a union all by name from u", [("t",), ("u",)], []),
        ("select * from read_csv('A.csv', header = true)", [], ["A.csv"]),
        ("select * from read_parquet(['a', 'b'])", [], ["a", "b"]),
        ("select * from 'Data/x.parquet' join t using (i)", [("t",)], ["Data/x.parquet"]),
        ("select a::jsonb->>'x', interval '1 day' from t, lateral jsonb_array_elements(a) e", [("t",)], []),
    ],
)  # fmt: skip
def test_reads(sql: str, relations: list[tuple[str, ...]], files: list[str]) -> None:
    assert read(sql) == SqlReads(relations=tuple(relations), files=tuple(files))


@pytest.mark.parametrize(
    "sql",
    [
        "select top 5 a from t",
        "pivot t on a using sum(b)",
        "select * from read_csv('a' || b)",
        "select * from query_table('a')",
        "select * from duckdb_tables()",
        "select * from information_schema.tables",
        "select * from pg_catalog.pg_class",
        "select getenv('HOME')",
        "select nextval('s') from t",
        "describe t",
        "create table t as select 1",
        "select * from s.my_macro(1)",
        "select " + "(" * 3000 + "1" + ")" * 3000,
    ],
)
def test_reads_that_cannot_be_told(sql: str) -> None:
    assert read(sql).problem
