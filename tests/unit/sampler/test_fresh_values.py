"""Fresh values: unused, distinct, of the same kind, and on both sides of the others."""

from __future__ import annotations

import re
import uuid

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.errors import DataRuleError
from sandbox.sampler.half_sample.fresh_values import IntegerLimits, make_fresh_integers, make_fresh_texts

BIGINT = IntegerLimits(low=-(2**63), high=2**63 - 1)
TINYINT = IntegerLimits(low=-128, high=127)


@given(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=50),
    st.sets(st.integers(-(2**63), 2**63 - 1), max_size=50),
    st.integers(0, 200),
)
def test_fresh_integers_are_unused_and_distinct(known: list[int], used: set[int], count: int) -> None:
    taken = np.array([*used, *known], np.int64)
    fresh = make_fresh_integers(np.array(known, np.int64), taken, count, BIGINT)
    assert len(set(fresh.tolist())) == count
    assert not set(fresh.tolist()) & {*used, *known}


@given(st.sets(st.integers(-128, 127), min_size=1, max_size=256), st.data())
def test_a_small_type_is_used_up_to_its_last_value(used: set[int], data: st.DataObject) -> None:
    count = data.draw(st.integers(0, 256 - len(used)))
    known = np.array(sorted(used), np.int64)
    fresh = set(make_fresh_integers(known, known, count, TINYINT).tolist())
    assert len(fresh) == count
    assert fresh <= set(range(-128, 128)) - used
    with pytest.raises(DataRuleError, match="are unused"):
        make_fresh_integers(known, known, 257 - len(used), TINYINT)


def test_fresh_integers_are_spread_over_the_range_and_keep_the_sign() -> None:
    known = np.arange(1, 30_001, 15)
    fresh = np.sort(make_fresh_integers(known, known, 20_000, BIGINT))
    assert fresh[0] < known[1]
    assert fresh[-1] > known[-2]
    assert np.diff(fresh).max() <= 3
    assert make_fresh_integers(np.arange(1, 11), np.arange(1, 11), 50, BIGINT).min() > 0
    assert make_fresh_integers(np.arange(-10, 0), np.arange(-10, 0), 50, BIGINT).max() < 0
    few = make_fresh_integers(np.arange(101, 111), np.arange(101, 111), 50, BIGINT)
    assert few.min() < 101
    assert few.max() > 110


@pytest.mark.parametrize("end", [-(2**63), 2**63 - 1])
def test_a_range_at_the_end_of_the_type_counts_the_value_there_as_used(end: int) -> None:
    known = np.array([end], np.int64)
    fresh = make_fresh_integers(known, known, 2, BIGINT).tolist()
    assert len({end, *fresh}) == 3


def test_copies_of_one_value_are_not_neighbours() -> None:
    known = np.arange(0, 1_000_000, 1000)
    fresh = make_fresh_integers(known, known, 1000, BIGINT)
    first = np.sort(fresh[:10])
    assert first[0] < 150_000
    assert first[-1] > 850_000


@given(st.sets(st.text(min_size=1, max_size=6), min_size=1, max_size=30), st.integers(1, 40))
def test_fresh_texts_are_unused_and_distinct(used: set[str], repeats: int) -> None:
    originals = sorted(used)[:3] * repeats
    fresh = make_fresh_texts(sorted(used), sorted(used), originals)
    assert len(set(fresh)) == len(originals)
    assert not set(fresh) & used


def test_texts_keep_their_pattern() -> None:
    codes = [f"C-{number:07d}" for number in range(3, 200_000, 497)]
    fresh = make_fresh_texts(codes, codes[::2], codes[:20] * 900)
    assert all(re.fullmatch(r"C-0[01]\d{5}", text) for text in fresh)
    assert min(fresh) < codes[4]
    assert max(fresh) > codes[-4]
    names = [f"u{number}@shop.example" for number in range(1, 2000, 7)]
    assert all(
        re.fullmatch(r"u\d+@shop\.example", text) for text in make_fresh_texts(names, names, names[150:170] * 40)
    )


def test_uuids_stay_valid() -> None:
    ids = [str(uuid.UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128, version=4)) for number in range(300)]
    fresh = make_fresh_texts(ids, ids[:150], ids[:15] * 100)
    assert {uuid.UUID(text).version for text in fresh} == {4}
    assert {uuid.UUID(text).variant for text in fresh} == {uuid.RFC_4122}
    assert {text[0] for text in fresh} == set("0123456789abcdef")


def test_where_a_pattern_has_too_few_texts_they_become_longer() -> None:
    fresh = make_fresh_texts(["a"], ["a"], ["a"] * 40)
    assert len(set(fresh)) == 40
    assert "a" not in fresh
