"""The sampling rule against the published vectors, and which columns can be keys."""

from __future__ import annotations

from typing import Any

import ibis
import pytest

from sandbox.engine.duckdb.session import Session
from sandbox.engine.rule import prn, sampling_rule
from sandbox.engine.sql.ibis_types import to_ibis_type
from sandbox.errors import DataRuleError
from tests.prn_vectors import VECTORS


def numbers(columns: dict[str, str], rows: str, salt: str, unit: str) -> list[tuple[Any, ...]]:
    table = ibis.table({name: to_ibis_type(kind) for name, kind in columns.items()}, name="rows")
    names = list(columns)
    sql = ibis.to_sql(
        sampling_rule.add_random_numbers(table, names, prn.compute_coefficients(salt, unit), name="u"),
        dialect="duckdb",
    )
    with Session(threads=1) as session:
        session.execute(f"create table rows as {rows}")
        return session.fetch_rows(f"select {', '.join(names)}, u from ({sql})")


def test_the_prime_is_the_published_one() -> None:
    assert VECTORS["P"] == prn.PRIME


@pytest.mark.parametrize("group", VECTORS["integer_keys"], ids=lambda group: repr(group["salt"]))
def test_integer_keys_have_the_published_coefficients_and_numbers(group: dict[str, Any]) -> None:
    coefficients = prn.compute_coefficients(group["salt"], group["unit"])
    assert list(coefficients) == group["coefficients"]
    for key, number in group["key_u"]:
        assert prn.compute_random_number(prn.compute_fold(int(key), coefficients), coefficients) == number
    keys = ", ".join(f"('{key}'::bigint)" for key, _ in group["key_u"])
    found = numbers({"k": "BIGINT"}, f"select * from (values {keys}) v(k)", group["salt"], group["unit"])
    assert {str(key): u for key, u in found} == dict(group["key_u"])


@pytest.mark.parametrize("vector", VECTORS["text_keys"], ids=lambda vector: "+".join(vector["parts"]))
def test_text_keys_have_the_published_numbers(vector: dict[str, Any]) -> None:
    columns = {f"p{index}": "VARCHAR" for index in range(len(vector["parts"]))}
    cells = ", ".join(f"'{part}' as {name}" for name, part in zip(columns, vector["parts"], strict=True))
    assert numbers(columns, f"select {cells}", vector["salt"], vector["unit"])[0][-1] == vector["u"]


def test_an_unsigned_key_counts_as_its_value_as_far_as_a_signed_one_reaches() -> None:
    signed = numbers({"k": "BIGINT"}, "select 9223372036854775807::bigint as k", "s", "t")
    unsigned = numbers({"k": "UBIGINT"}, "select 9223372036854775807::ubigint as k", "s", "t")
    assert signed == unsigned
    beyond = numbers({"k": "UBIGINT"}, "select 9223372036854775808::ubigint as k", "s", "t")
    text = numbers({"k": "VARCHAR"}, "select '9223372036854775808' as k", "s", "t")
    assert beyond[0][1] == text[0][1]


def test_a_key_with_a_null_part_has_no_number() -> None:
    rows = "select * from (values (1, 'a'), (null, 'a'), (1, null)) v(a, b)"
    found = numbers({"a": "INTEGER", "b": "VARCHAR"}, rows, "s", "t")
    assert [row[-1] is None for row in found] == [False, True, True]


@pytest.mark.parametrize("kind", ["DOUBLE", "FLOAT"])
def test_a_floating_point_key_is_refused_with_a_way_out(kind: str) -> None:
    with pytest.raises(DataRuleError, match="floating point") as raised:
        sampling_rule.check_key({"k": kind}, ["k"])
    assert "[tables.NAME.types]" in raised.value.hint


@pytest.mark.parametrize("kind", ["BLOB", "INTEGER[]", "STRUCT(a INTEGER)", "TIME", "INTERVAL"])
def test_other_types_are_refused_as_keys(kind: str) -> None:
    with pytest.raises(DataRuleError, match="k cannot be a key"):
        sampling_rule.check_key({"k": kind}, ["k"])


@pytest.mark.parametrize(
    "kind", ["BIGINT", "UBIGINT", "VARCHAR", "UUID", "DATE", "TIMESTAMP", "DECIMAL(10,2)", "BOOLEAN"]
)
def test_plain_types_can_be_keys(kind: str) -> None:
    sampling_rule.check_key({"k": kind}, ["k"])


def test_the_fold_is_computed_once() -> None:
    draw = sampling_rule.Draw(
        key=["k"], coefficients=prn.compute_coefficients("", "t"), labels=(), strata_table="strata", highest_threshold=5,
        stratum_column="stratum", unit_column="unit",
    )  # fmt: skip
    assert sampling_rule.build_selection_query("rows", {"k": "BIGINT"}, draw).count(">> 62") == 1
