"""The sampling rule in the engine against a plain Python one, written from the specification."""

from __future__ import annotations

import datetime as dt
import hashlib
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.engine.duckdb.session import Session
from sandbox.engine.rule import prn, sampling_rule
from sandbox.engine.sql.ibis_types import to_ibis_type

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterator

P = 2**31 - 1
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def hashed(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest()[:15], 16)


def canonical(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=dt.UTC)
        return str((aware - EPOCH) // dt.timedelta(microseconds=1))
    if isinstance(value, dt.date):
        return value.isoformat()
    return str(value)


def key_number(parts: list[Any]) -> int:
    if len(parts) > 1:
        texts = [canonical(part) for part in parts]
        return hashed("".join(f"{len(text)}:{text}" for text in texts))
    (value,) = parts
    plain = isinstance(value, int) and not isinstance(value, bool) and value < 2**63
    return value if plain else hashed(canonical(value))


def reference(parts: list[Any], salt: str, unit: str) -> int:
    c = [hashed(f"{salt}/{unit}/{index}") % P for index in range(6)]
    k = key_number(parts)
    x = ((k & P) + ((k >> 31) & P) * c[4] % P + ((k >> 62) & 3) * c[5] % P) % P
    return (((((c[3] * x + c[2]) % P) * x + c[1]) % P) * x + c[0]) % P


def clean_text(**limits: Any) -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), **limits)


KINDS: dict[str, tuple[st.SearchStrategy[Any], pa.DataType]] = {
    "BIGINT": (st.integers(-(2**63), 2**63 - 1), pa.int64()),
    "INTEGER": (st.integers(-(2**31), 2**31 - 1), pa.int32()),
    "UBIGINT": (st.integers(0, 2**64 - 1), pa.uint64()),
    "VARCHAR": (clean_text(max_size=30), pa.string()),
    "DATE": (st.dates(), pa.date32()),
    "TIMESTAMP": (st.datetimes(), pa.timestamp("us")),
    "TIMESTAMP WITH TIME ZONE": (st.datetimes(timezones=st.just(dt.UTC)), pa.timestamp("us", tz="UTC")),
    "DECIMAL(12,3)": (
        st.decimals(-(10**8), 10**8, places=3).map(lambda value: value + Decimal("0.000")),
        pa.decimal128(12, 3),
    ),
    "BOOLEAN": (st.booleans(), pa.bool_()),
}


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session(threads=1) as one:
        yield one


def found(session: Session, table: pa.Table, columns: dict[str, str], salt: str, unit: str) -> list[int]:
    expression = sampling_rule.add_random_numbers(
        ibis.table({name: to_ibis_type(kind) for name, kind in columns.items()}, name="keys"),
        list(columns),
        prn.compute_coefficients(salt, unit),
        name="u",
    )
    session.connection.register("keys", table)
    rows = session.fetch_rows(f"select u from ({ibis.to_sql(expression, dialect='duckdb')})")
    return [row[0] for row in rows]


@pytest.mark.parametrize("kind", list(KINDS))
@given(drawn=st.data(), salt=clean_text(max_size=12), unit=clean_text(min_size=1, max_size=12))
@settings(max_examples=15, deadline=None)
def test_single_keys_agree_with_the_specification(
    session: Session, kind: str, drawn: st.DataObject, salt: str, unit: str
) -> None:
    strategy, arrow = KINDS[kind]
    values = drawn.draw(st.lists(strategy, min_size=1, max_size=20))
    table = pa.table({"k": pa.array(values, arrow)})
    expected = [reference([value], salt, unit) for value in values]
    if kind.startswith("DECIMAL"):
        expected = [reference([f"{value:.3f}".replace("-0.000", "0.000")], salt, unit) for value in values]
    assert found(session, table, {"k": kind}, salt, unit) == expected


@given(keys=st.lists(st.uuids(), min_size=1, max_size=20))
@settings(max_examples=15, deadline=None)
def test_uuid_keys_are_their_lower_case_text(session: Session, keys: list[uuid.UUID]) -> None:
    session.execute(
        "create or replace table ids as select unnest(?::varchar[])::uuid as k",
        [[str(k).upper() for k in keys]],
    )
    expression = sampling_rule.add_random_numbers(
        ibis.table({"k": "uuid"}, name="ids"), ["k"], prn.compute_coefficients("s", "t"), name="u"
    )
    rows = session.fetch_rows(f"select u from ({ibis.to_sql(expression, dialect='duckdb')})")
    assert [row[0] for row in rows] == [reference([str(key)], "s", "t") for key in keys]


@given(
    drawn=st.data(),
    kinds=st.lists(st.sampled_from([k for k in KINDS if "DECIMAL" not in k]), min_size=2, max_size=3),
)
@settings(max_examples=25, deadline=None)
def test_composite_keys_agree_with_the_specification(session: Session, drawn: st.DataObject, kinds: list[str]) -> None:
    parts = [drawn.draw(st.lists(KINDS[kind][0], min_size=5, max_size=5)) for kind in kinds]
    columns = {f"p{index}": kind for index, kind in enumerate(kinds)}
    table = pa.table(
        {name: pa.array(cells, KINDS[kind][1]) for (name, kind), cells in zip(columns.items(), parts, strict=True)}
    )
    expected = [reference(list(row), "s", "t") for row in zip(*parts, strict=True)]
    assert found(session, table, columns, "s", "t") == expected
