"""Every value of every type beside every other one: where rows are paired, where they only cancel, and as a key.

Then every type beside every other one that may hold the same values: in files of one table, and on the two sides.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import pytest

from tests.property.compare.column_types import (
    INTEGERS,
    NULLS,
    PARQUET_TYPES,
    TYPES_OF_FORMAT,
    UNREAD_ARROW_TYPES,
    ColumnType,
    find_family,
    may_refuse,
)
from tests.property.compare.comparison import Case, check_case
from tests.property.compare.table_files import FORMATS, TEXT_FORMATS, Format, Part, Side, find_distinct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.property.compare.oracle import Row, Value

WHOLE = INTEGERS[3]
STEP = 1 if "ORACLE_EXAMPLES" in os.environ else 16
"""Of so many cases one is tried; all of them by `make fuzz`."""
Use = Literal["paired", "cancelled", "key"]
USES: tuple[Use, ...] = ("paired", "cancelled", "key")
Pairs = list[tuple["Value", "Value"]]


def build_part(format_: Format, type_: ColumnType, rows: Sequence[tuple[int, Value]]) -> Part:
    """Return a file with a whole number and a value a row."""
    texts = format_ in TEXT_FORMATS
    plain: list[Row] = [(str(number) if texts else number, value) for number, value in rows]
    return Part(("n", "v"), (WHOLE, type_), tuple(plain))


def build_case(format_: Format, type_: ColumnType, use: Use, pairs: Pairs) -> Case:
    """Return a case in which each pair's first value becomes the second one."""
    if use == "key":
        distinct = find_distinct([value for pair in pairs for value in pair])
        before = [(1, value) for value in distinct]
        after = [(2, value) for value in reversed(distinct)]
    else:
        times = 1 if use == "paired" else 2
        before, after = ([(n, pair[side]) for n, pair in enumerate(pairs) for _ in range(times)] for side in (0, 1))
    return Case(
        Side(format_, (build_part(format_, type_, before),)),
        Side(format_, (build_part(format_, type_, after),)),
        key={"paired": ("n",), "cancelled": None, "key": ("v",)}[use],
        refusal="may" if type_.refusable or (format_ == "arrow" and type_.name in UNREAD_ARROW_TYPES) else "no",
    )


def list_pairs(first: ColumnType, second: ColumnType) -> Pairs:
    """Return all pairs of two types' values, NULL among them."""
    return list(itertools.product((None, *first.values), (None, *second.values)))


TYPED_USES = [
    pytest.param(f, t, use, id=f"{f}-{t.name}-{use}") for f in FORMATS for t in TYPES_OF_FORMAT[f] for use in USES
]


@pytest.mark.parametrize(("format_", "type_", "use"), TYPED_USES[::STEP])
def test_each_value_is_equal_to_itself_alone(format_: Format, type_: ColumnType, use: Use) -> None:
    case = build_case(format_, type_, use, list_pairs(type_, type_))
    for prefilter in (False, True):
        mismatch = check_case(replace(case, prefilter=prefilter))
        assert mismatch is None, str(mismatch)


def build_drift(first: ColumnType, second: ColumnType) -> Case:
    """Return a case of two files of two types; in the second one each value becomes each other one."""
    pairs = list_pairs(second, second)
    before, after = (
        build_part("parquet", second, [(n, pair[side]) for n, pair in enumerate(pairs)]) for side in (0, 1)
    )
    other = build_part("parquet", first, [(-1 - n, value) for n, value in enumerate((None, *first.values))])
    refused = may_refuse((first, second), [*first.values, *second.values])
    return Case(
        Side("parquet", (other, before)),
        Side("parquet", (after, other)),
        key=("n",),
        refusal="may" if refused else "no",
    )


def build_retyping(first: ColumnType, second: ColumnType) -> Case:
    """Return a case of one type on the one side and another on the other; each value becomes each other one."""
    pairs = list_pairs(first, second)
    before, after = ([(n, pair[side]) for n, pair in enumerate(pairs)] for side in (0, 1))
    return Case(
        Side("parquet", (build_part("parquet", first, before),)),
        Side("parquet", (build_part("parquet", second, after),)),
        key=("n",),
        schema="unknown",
        refusal="may" if first.refusable or second.refusable else "no",
    )


RELATED = [
    (first, second)
    for first, second in itertools.permutations(PARQUET_TYPES, 2)
    if find_family(first) == find_family(second) or NULLS in {first, second}
]
RELATED_IDS = [f"{first.name}-{second.name}" for first, second in RELATED]


@pytest.mark.parametrize(("first", "second"), RELATED[::STEP], ids=RELATED_IDS[::STEP])
def test_files_of_two_types_keep_every_value(first: ColumnType, second: ColumnType) -> None:
    mismatch = check_case(build_drift(first, second))
    assert mismatch is None, str(mismatch)


@pytest.mark.parametrize(("first", "second"), RELATED[::STEP], ids=RELATED_IDS[::STEP])
def test_sides_of_two_types_are_compared_value_by_value(first: ColumnType, second: ColumnType) -> None:
    mismatch = check_case(build_retyping(first, second))
    assert mismatch is None, str(mismatch)
