"""What counts as equal, over the types that pipelines write."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sandbox.compare import OutputRules, Tolerance, compare_tables
from sandbox.engine.duckdb.session import Session, quote_literal
from sandbox.model import SilentProgress, TableFiles

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.manifest.diff import OutputDiff


def written(folder: Path, name: str, query: str) -> TableFiles:
    path = folder / f"{name}.parquet"
    with Session() as session:
        session.execute(f"copy ({query}) to {quote_literal(str(path))}")
    return TableFiles(name="t", format="parquet", paths=(path,))


def diff(folder: Path, baseline: str, candidate: str, rules: OutputRules | None = None) -> OutputDiff:
    return compare_tables(
        {"t": written(folder, "baseline", baseline)},
        {"t": written(folder, "candidate", candidate)},
        rules={"t": rules or OutputRules(key=("id",))},
        units={},
        identical=(),
        memory=2**28,
        threads=2,
        progress=SilentProgress(),
    )["t"]


SAME = [
    ("'nan'::DOUBLE", "-('nan'::DOUBLE)"),
    ("0.0::DOUBLE", "-0.0::DOUBLE"),
    ("[0.0::FLOAT, 'nan']", "[-0.0::FLOAT, 'nan']"),
    ("null::VARCHAR", "null::VARCHAR"),
    ("map {'a': 1, 'b': 2}", "map {'b': 2, 'a': 1}"),
    ("{'a': [1, null], 'b': 'x'}", "{'a': [1, null], 'b': 'x'}"),
    ("timestamptz '2026-01-01 12:00:00+01'", "timestamptz '2026-01-01 11:00:00+00'"),
    ("1.50::DECIMAL(9,2)", "1.5::DECIMAL(12,4)"),
    ("7::INTEGER", "7::BIGINT"),
    ("7::INTEGER", "7::DOUBLE"),
    ("7::BIGINT", "7::FLOAT"),
    ("1.1::DECIMAL(9,2)", "1.1::DOUBLE"),
    ("7::INTEGER", "'7'"),
    ("true", "'true'"),
    ("date '2026-01-01'", "timestamp '2026-01-01'"),
    ("timestamp_ns '2026-01-01 00:00:00'", "timestamp '2026-01-01 00:00:00'"),
    ("uuid '00000000-0000-0000-0000-000000000001'", "'00000000-0000-0000-0000-000000000001'"),
    ("[1, 2]::INTEGER[]", "[1, 2]::BIGINT[]"),
    ("255::UTINYINT", "255::HUGEINT"),
    ("null::INTEGER", "null::VARCHAR"),
]
DIFFERENT = [
    ("null::DOUBLE", "'nan'::DOUBLE"),
    ("''", "null::VARCHAR"),
    ("interval '30 days'", "interval '1 month'"),
    ("[1, 2]", "[2, 1]"),
    ("9007199254740993::BIGINT", "9007199254740992::DOUBLE"),
    ("7::INTEGER", "'007'"),
    ("0.1::FLOAT", "0.1::DOUBLE"),
    ("date '2026-01-01'", "timestamp '2026-01-01 00:00:01'"),
    ("'a'::BLOB", "'b'::BLOB"),
    ("'a'", "'A'"),
    ("{'a': 1}", "{'a': 2}"),
]
UNLIKE = [
    ("'a'::BLOB", "'a'"),
    ("[1, 2]", "'[1, 2]'"),
    ("date '2026-01-01'", "1::INTEGER"),
    ("time '12:00:00'", "timestamp '2026-01-01'"),
]


@pytest.mark.parametrize(("before", "after"), SAME)
def test_equal_values_are_equal_whatever_their_type(tmp_path: Path, before: str, after: str) -> None:
    found = diff(tmp_path, f"select 1 as id, {before} as v", f"select 1 as id, {after} as v")
    assert found.rows.unchanged == 1
    assert all(change.compared for change in found.schema_.type_changed.values())


@pytest.mark.parametrize(("before", "after"), [*DIFFERENT, *UNLIKE])
def test_values_that_differ_are_a_changed_row(tmp_path: Path, before: str, after: str) -> None:
    found = diff(tmp_path, f"select 1 as id, {before} as v", f"select 1 as id, {after} as v")
    assert found.rows.changed == found.columns["v"].changed == 1
    [example] = found.examples
    json.dumps([example.baseline, example.candidate], allow_nan=False)
    assert example.baseline is not None
    assert example.baseline.keys() == {"v"}


@pytest.mark.parametrize(("before", "after"), UNLIKE)
def test_types_without_a_common_one_change_every_common_row(tmp_path: Path, before: str, after: str) -> None:
    found = diff(
        tmp_path,
        f"select i as id, {before} as v from range(3) t(i)",
        f"select i as id, case when i > 0 then {after} end as v from range(4) t(i)",
    )
    assert not found.schema_.type_changed["v"].compared
    assert (found.rows.changed, found.rows.added, found.columns["v"].changed) == (3, 1, 3)
    assert found.columns["v"].to_null == 1


def test_a_value_without_a_place_in_the_common_type_changes_its_row_alone(tmp_path: Path) -> None:
    number = "case i when 2 then 9007199254740993 else i end"
    found = diff(
        tmp_path,
        f"select i as id, ({number})::BIGINT as v from range(3) t(i)",
        f"select i as id, ({number})::DOUBLE as v from range(3) t(i)",
    )
    assert found.schema_.type_changed["v"].compared
    assert (found.rows.changed, found.rows.unchanged, found.columns["v"].changed) == (1, 2, 1)


ALIKE = {
    "INTEGER[]": ["null", "[]", "[null]", "[null, null]", "[1]", "[1, null]", "[1, 1]"],
    "INTEGER[][]": ["[[1], [2]]", "[[1, 2]]", "[[1], []]", "[[1], null]", "[[]]", "[[null]]", "[[], [1]]"],
    "STRUCT(a INTEGER, b INTEGER[])": ["null", "{'a': null, 'b': null}", "{'a': null, 'b': []}"],
    "VARCHAR[]": [
        "['a, b', 'c']",
        "['a', 'b, c']",
        "['NULL']",
        "[null]",
        "['']",
        "[' ']",
        "['-0.0']",
        "['0.0']",
    ],
    "MAP(INTEGER, INTEGER)": ["null", "map {}", "map {1: null}"],
    "UNION(a INTEGER, b INTEGER)": ["null", "union_value(a := 1)", "union_value(b := 1)"],
}


@pytest.mark.parametrize("type_", ALIKE)
@pytest.mark.parametrize("key", [("id",), None])
def test_nested_values_with_the_same_leaves_differ(tmp_path: Path, type_: str, key: tuple[str, ...] | None) -> None:
    path = tmp_path / "t.duckdb"
    one, two = (TableFiles(name="t", format="duckdb", paths=(path,), member=side) for side in ("one", "two"))
    pairs = [(first, second) for first in ALIKE[type_] for second in ALIKE[type_] if first != second]
    with Session() as session:
        session.execute(f"attach {quote_literal(str(path))} as f")
        for side, values in (
            ("one", [first for first, _ in pairs]),
            ("two", [second for _, second in pairs]),
        ):
            rows = ", ".join(f"({place}, ({value})::{type_})" for place, value in enumerate(values))
            session.execute(f"create table f.{side} as select * from (values {rows}) t(id, v)")
    found = compare_tables(
        {"t": one},
        {"t": two},
        rules={"t": OutputRules(key=key)},
        units={},
        identical=(),
        memory=2**28,
        threads=2,
        progress=SilentProgress(),
    )["t"]
    assert found.rows.changed == len(pairs)


def test_nested_zeros_have_no_sign_without_a_key_either(tmp_path: Path) -> None:
    negative = "[-(0::DOUBLE), -(0::DOUBLE)]"
    zeros = "select {v} as v, {{'a': {v}}} as s, map {{'k': {v}}} as m from range(2)"
    found = diff(tmp_path, zeros.format(v=negative), zeros.format(v="[0::DOUBLE, 0::DOUBLE]"), OutputRules())
    assert found.key.source == "none"
    assert found.is_same


def test_a_key_whose_types_cannot_be_compared_pairs_no_row(tmp_path: Path) -> None:
    found = diff(tmp_path, "select '1'::BLOB as id, 2 as v", "select 1.5::DOUBLE as id, 2 as v")
    assert (found.rows.added, found.rows.removed, found.rows.changed) == (1, 1, 0)


TYPES = [
    "1::TINYINT", "1::HUGEINT", "1::UHUGEINT", "1.5::DECIMAL(38,10)", "'x'::BLOB", "'101'::BIT", "true",
    "time '12:00:00'", "timetz '12:00:00+01'", "timestamp_s '2026-01-01'", "timestamptz '2026-01-01'",
    "date 'infinity'", "date '0044-03-15 (BC)'", "timestamp '290000-01-01'", "interval '1 month 2 days'",
    "uuid '00000000-0000-0000-0000-000000000001'", "'a'::ENUM('a', 'b')", "[[1], null]", "{'x': {'y': [1]}}",
    "map {1: ['a']}", "'{\"a\": 1}'::JSON", "array_value(1, 2)", "repeat('é', 500)",
    "union_value(num := 1)", "'inf'::FLOAT", "1e300::DOUBLE", "'\\x00'::BLOB",
]  # fmt: skip


def test_every_type_is_compared_and_shown(tmp_path: Path) -> None:
    path = tmp_path / "all.duckdb"
    columns = ", ".join(f"{value} as c{place}" for place, value in enumerate(TYPES))
    with Session() as session:
        session.execute(f"attach {quote_literal(str(path))} as f")
        session.execute(f"create table f.one as select i as id, {columns} from range(3) t(i)")
        session.execute("create table f.two as select * from f.one where id > 0")
        sets = ", ".join(f"c{place} = null" for place in range(len(TYPES)))
        session.execute(f"update f.two set {sets} where id = 1")
    one, two = (TableFiles(name="t", format="duckdb", paths=(path,), member=member) for member in ("one", "two"))
    found = compare_tables(
        {"t": one},
        {"t": two},
        rules={"t": OutputRules(key=("id",))},
        units={},
        identical=(),
        memory=2**28,
        threads=2,
        progress=SilentProgress(),
    )["t"]
    assert (found.rows.removed, found.rows.changed, found.rows.unchanged) == (1, 1, 1)
    assert {name for name, column in found.columns.items() if column.to_null == 1} == {
        f"c{place}" for place in range(len(TYPES))
    }
    text = found.model_dump_json()
    assert "é" * 199 + "…" in text
    assert '"Infinity"' in text


def test_tolerance_is_inclusive_and_exact_for_decimals(tmp_path: Path) -> None:
    values = "(values (1, 1.09), (2, 1.09), (3, 2.00)) t(id, v)"
    found = diff(
        tmp_path,
        f"select id, v::DECIMAL(9,2) as v from {values}",
        f"select id, (v + case id when 1 then 0.01 when 2 then 0.02 else 0 end)::DECIMAL(9,2) as v from {values}",
        OutputRules(key=("id",), tolerance={"v": Tolerance(abs=0.01)}),
    )
    assert (found.rows.changed, found.rows.unchanged) == (1, 2)


def test_the_change_of_numbers_is_exact_for_exact_types(tmp_path: Path) -> None:
    found = diff(
        tmp_path,
        "select i as id, (i / 100)::DECIMAL(12,2) as price, i::BIGINT + 9007199254740993 as n from range(100) t(i)",
        "select i as id, (i / 100)::DECIMAL(12,2) + case when i < 10 then 0.01 else 0 end as price, "
        "i::BIGINT + 9007199254740993 - case when i = 5 then 3 else 0 end as n from range(100) t(i)",
    )
    price, count = found.columns["price"], found.columns["n"]
    assert (price.changed, price.mean_change, price.max_change, price.total_change) == (10, 0.01, 0.01, 0.1)
    assert (count.changed, count.mean_change, count.max_change) == (1, -3.0, -3.0)
    assert price.match_rate == pytest.approx(0.9)


@pytest.mark.parametrize("values", [(math.nan, 1.0), (-1.0, math.nan), (math.nan, math.nan)])
def test_statistics_that_leave_out_nan_mislead_nobody(tmp_path: Path, values: tuple[float, float]) -> None:
    tables = {}
    for side, column in (("baseline", [1.0, 1.0]), ("candidate", list(values))):
        path = tmp_path / f"{side}.parquet"
        pq.write_table(pa.table({"id": [1, 2], "amount": column}), path)
        tables[side] = {"t": TableFiles(name="t", format="parquet", paths=(path,))}
    for key in (("id",), ("amount",), None):
        found = compare_tables(
            tables["baseline"], tables["candidate"], rules={"t": OutputRules(key=key)}, units={}, identical=(),
            memory=10**9, threads=2, progress=SilentProgress(),
        )["t"]  # fmt: skip
        differing = sum(math.isnan(value) or value != 1.0 for value in values)
        assert found.rows.changed + found.rows.added == differing
