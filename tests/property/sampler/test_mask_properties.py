"""Properties of masks: one-to-one where promised, joins as before, the same however values are split."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from sandbox.config.sections.sample import MaskEntry
from sandbox.masking.integers import mask_integers
from sandbox.masking.kinds import build_mask_function
from sandbox.masking.prf import permute_values

SECRETS = st.binary(min_size=32, max_size=32)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
SIMILAR = st.text("abAB019-. éß", max_size=6)
TYPES = {
    "BIGINT": pa.int64(),
    "INTEGER": pa.int32(),
    "VARCHAR": pa.string(),
    "DECIMAL(38,0)": pa.decimal128(38, 0),
}


def apply(kind: str, engine_type: str, values: list[Any], secret: bytes, **options: Any) -> list[Any]:
    array = pa.array(values, TYPES[engine_type])
    return list(build_mask_function(MaskEntry(kind=kind, **options), engine_type, secret)(array).to_pylist())  # type: ignore[arg-type]


@given(SECRETS, st.sets(TEXTS | SIMILAR, max_size=60))
@example(bytes(32), {"", "-0", "0", "00", "-00", "1", "-1", "01", "1" * 39, "0" * 39})
def test_different_texts_keep_different_keys(secret: bytes, values: set[str]) -> None:
    found = apply("key", "VARCHAR", list(values), secret)
    assert len(set(found)) == len(values)
    assert [len(one) for one in found] == [len(one) for one in values]


@given(SECRETS, st.sets(st.integers(-(10**38) + 1, 10**38 - 1) | st.integers(-300, 300), max_size=60))
def test_different_integers_keep_different_keys_of_as_many_digits(secret: bytes, values: set[int]) -> None:
    found = mask_integers(secret, list(values))
    assert len(set(found)) == len(values)
    assert [len(str(one)) for one in found] == [len(str(one)) for one in values]


@given(SECRETS, st.integers(1, 2**63), st.data())
def test_a_permutation_stays_within_its_range(secret: bytes, size: int, data: st.DataObject) -> None:
    import numpy as np  # noqa: PLC0415 - beside its one use

    values = data.draw(st.lists(st.integers(0, size - 1), unique=True, max_size=40))
    found = permute_values(secret, np.array(values, np.uint64), size)
    assert len(set(found.tolist())) == len(values)
    assert all(one < size for one in found.tolist())


@given(
    SECRETS,
    st.lists(st.integers(-(2**31), 2**31 - 1) | st.none(), max_size=40),
    st.lists(st.integers(-(2**31), 2**31 - 1) | st.none(), max_size=40),
    st.sampled_from(["BIGINT", "VARCHAR", "DECIMAL(38,0)"]),
)
def test_masked_columns_join_as_the_columns_do(
    secret: bytes, rows: list[int | None], targets: list[int | None], engine_type: str
) -> None:
    rows += targets[:20]
    wrap = str if engine_type == "VARCHAR" else int
    others = [None if one is None else wrap(one) for one in targets]
    ones = apply("key", "INTEGER", rows, secret)
    found = [None if one is None else int(one) for one in apply("key", engine_type, others, secret)]
    before = [(i, j) for i, a in enumerate(rows) for j, b in enumerate(targets) if a == b and a is not None]
    after = [(i, j) for i, a in enumerate(ones) for j, b in enumerate(found) if a == b and a is not None]
    assert before == after


@given(
    SECRETS,
    st.lists(TEXTS | SIMILAR | st.none(), max_size=30),
    st.sampled_from(["key", "text", "hash", "email", "name", "phone"]),
)
def test_a_mask_does_not_depend_on_what_stands_beside_a_value(
    secret: bytes, values: list[str | None], kind: str
) -> None:
    together = apply(kind, "VARCHAR", values, secret)
    apart = [apply(kind, "VARCHAR", [value], secret)[0] for value in values]
    assert together == apart
    assert [one is None for one in together] == [one is None for one in values]
