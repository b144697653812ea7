"""Content digests: what they must not depend on, and what they must see."""

from __future__ import annotations

import pytest

from sandbox.engine.content_digest import combine_row_sums, compute_content_digest, compute_row_sums
from sandbox.engine.duckdb.session import Session


def digest(select: str, *, threads: int = 1) -> str:
    with Session(threads=threads) as session:
        columns = {row[0]: row[1] for row in session.fetch_rows(f"describe {select}")}
        return compute_content_digest(session, f"({select})", columns)


MANY = (
    "select range as a, 'x' || range as t, range / 7.0 as f, date '2024-01-01' + range::int as d, "
    "{'q': range, 'p': [range, null]} as s, map {'k': range, 'j': null} as m from range(5000)"
)


def test_the_order_of_rows_does_not_matter() -> None:
    assert digest(MANY) == digest(f"select * from ({MANY}) order by hash(a)", threads=2)


def test_parts_add_up_to_the_whole_wherever_they_are_summed() -> None:
    with Session(threads=1) as session:
        columns = {row[0]: row[1] for row in session.fetch_rows(f"describe {MANY}")}
    found = []
    for part in ("a < 10", "a >= 10 and a < 3000", "a >= 3000", "false"):
        with Session(threads=1) as session:
            found.append(compute_row_sums(session, f"(select * from ({MANY}) where {part})", columns))
    assert combine_row_sums(columns, found) == digest(MANY)
    assert combine_row_sums(columns, found[:2]) != digest(MANY)
    assert (
        combine_row_sums(columns, [])
        == combine_row_sums(columns, found[3:])
        == digest(f"select * from ({MANY}) where false")
    )


def test_the_order_of_columns_and_of_fields_does_not_matter() -> None:
    one = "select 1 as a, {'x': 1, 'y': 'b'} as s, map {'k': 1, 'l': 2} as m"
    two = "select map {'l': 2, 'k': 1} as m, {'y': 'b', 'x': 1} as s, 1 as a"
    assert digest(one) == digest(two)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("select 1::integer as a", "select 1::bigint as a"),
        ("select 0.5::float as a", "select 0.5::double as a"),
        ("select 0.0::double as a", "select '-0.0'::double as a"),
        ("select timestamp '2024-01-01 10:00:00' as a", "select timestamp_s '2024-01-01 10:00:00' as a"),
        (
            "select timestamptz '2024-01-01 10:00:00+00' as a",
            "select timestamptz '2024-01-01 12:00:00+02' as a",
        ),
    ],
)
def test_equal_values_have_equal_digests(one: str, two: str) -> None:
    assert digest(one) == digest(two)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("select 1 as a", "select 2 as a"),
        ("select 1 as a", "select 1 as b"),
        ("select 1 as a", "select '1' as a"),
        ("select null::varchar as a", "select '' as a"),
        ("select null::varchar as a", "select '~' as a"),
        ("select 'a|1:b' as x, 'c' as y", "select 'a' as x, 'b|1:c' as y"),
        ("select ['a', 'b'] as a", "select ['a,1:b'] as a"),
        ("select [null]::varchar[] as a", "select []::varchar[] as a"),
        ("select null::integer[] as a", "select []::integer[] as a"),
        ("select {'x': null::integer} as a", "select null::struct(x integer) as a"),
        ("select map {'k': null::integer} as a", "select map {'k': 0} as a"),
        ("select 1 as a", "select * from (values (1), (1)) v(a)"),
        ("select 1.5::decimal(4,1) as a", "select 1.5::decimal(4,2) as a"),
        ("select timestamp '2024-01-01 10:00:00' as a", "select timestamptz '2024-01-01 10:00:00+00' as a"),
    ],
)
def test_different_values_have_different_digests(one: str, two: str) -> None:
    assert digest(one) != digest(two)


def test_an_empty_table_has_a_digest_of_its_columns() -> None:
    assert digest("select 1 as a where false") != digest("select 1 as b where false")
