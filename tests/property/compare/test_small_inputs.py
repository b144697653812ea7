"""Small inputs for which a verdict was wrong once, each with what the oracle says; see also the siblings in its types."""

from __future__ import annotations

import pytest

from tests.property.compare.column_types import (
    CSV_TYPES,
    DOUBLE,
    INT96,
    INTEGERS,
    JSONL_TYPES,
    NULLS,
    TEXT,
    ColumnType,
)
from tests.property.compare.comparison import Case, check_case, expect_counts
from tests.property.compare.oracle import Row, Tick, Value
from tests.property.compare.table_files import Format, Part, Side

WHOLE = INTEGERS[3]


def build_file(type_: ColumnType, *rows: Row, names: tuple[str, ...] = ("id", "v")) -> Part:
    """Return a file with a key and one or more columns of a type."""
    first = WHOLE if type_.arrow is not None else type_
    return Part(names, (first, *[type_] * (len(names) - 1)), rows)


def build_texts(format_: Format, type_: ColumnType, before: str, after: str) -> Case:
    """Return a case of one row of a text format."""
    sides = [Side(format_, (build_file(type_, ("1", text)),)) for text in (before, after)]
    return Case(sides[0], sides[1], key=("id",))


def build_folders(before: tuple[Part, ...], after: tuple[Part, ...]) -> Case:
    """Return a case of two folders of Parquet."""
    return Case(Side("parquet", before), Side("parquet", after), key=("id",))


def build_nanoseconds(ns: int) -> Side:
    """Return a side with one timestamp as Hive writes it."""
    value: Value = Tick("timestamp", ns)
    return Side("parquet", (build_file(INT96, (1, value)),))


def build_csv_folder(text: str) -> Side:
    """Return a folder of CSV whose second file has one more column."""
    more = build_file(CSV_TYPES[0], ("2", "x", text), names=("id", "v", "w"))
    return Side("csv", (build_file(CSV_TYPES[0], ("1", "x")), more))


INT_FILE = build_file(WHOLE, (1, 1))
DIFFERENT = {
    "int file, then double": build_folders(
        (INT_FILE, build_file(DOUBLE, (2, 2.6))), (INT_FILE, build_file(DOUBLE, (2, 3.0)))
    ),
    "null file, then text": build_folders(
        (build_file(NULLS, (1, None)), build_file(TEXT, (2, "xa"))),
        (build_file(NULLS, (1, None)), build_file(TEXT, (2, "xb"))),
    ),
    "INT96": Case(
        build_nanoseconds(1_700_000_000_123_456_001),
        build_nanoseconds(1_700_000_000_123_456_999),
        key=("id",),
        refusal="may",
    ),
    "csv digits": build_texts("csv", CSV_TYPES[0], "12345678901234567.01", "12345678901234567.02"),
    "csv nanoseconds": build_texts(
        "csv", CSV_TYPES[0], "2024-01-01 00:00:00.123456789", "2024-01-01 00:00:00.123456788"
    ),
    "jsonl wide": build_texts("jsonl", JSONL_TYPES[0], "18446744073709551617", "18446744073709551618"),
    "jsonl digits": build_texts("jsonl", JSONL_TYPES[0], "12345678901234567.01", "12345678901234567.02"),
    "csv folder, more columns": Case(build_csv_folder("y"), build_csv_folder("z"), key=("id",), refusal="may"),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_one_row_differs(name: str) -> None:
    assert expect_counts(DIFFERENT[name], ("id",)).changed == 1
    mismatch = check_case(DIFFERENT[name])
    assert mismatch is None, str(mismatch)


@pytest.mark.parametrize("after", [(1, 5, 5), (1, 7, 5)])
def test_two_columns_of_one_name_are_refused(after: Row) -> None:
    names = ("id", "a", "a")
    sides = [Side("parquet", (build_file(WHOLE, row, names=names),)) for row in ((1, 5, 5), after)]
    mismatch = check_case(Case(sides[0], sides[1], key=("id",), refusal="must"))
    assert mismatch is None, str(mismatch)
