"""Which Parquet files are described without Arrow: only those whose columns DuckDB reads as what they are."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sandbox.compare.reading.flat_schema import read_flat_schema

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("a b", "é")
FLAT: dict[str, pa.Array] = {
    "whole": pa.array([1]),
    "text": pa.array(["x"]),
    "dictionary": pa.array(["x"]).dictionary_encode(),
    "moment": pa.array([1], pa.timestamp("ns", "UTC")),
    "decimal": pa.array([Decimal(1)], pa.decimal128(38, 1)),
    "large text": pa.array(["x"], pa.large_string()),
}
OTHERS: dict[str, pa.Array] = {
    "duration": pa.array([1], pa.duration("s")),
    "duration in a dictionary": pa.array([1], pa.duration("s")).dictionary_encode(),
    "list": pa.array([[1]]),
    "struct": pa.array([{"a": 1}]),
    "map": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int8())),
    "decimal": pa.array([Decimal(1)], pa.decimal256(50, 1)),
    "extension": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"1" * 16], pa.binary(16))),
}


def write_file(path: Path, values: pa.Array, **settings: Any) -> Path:
    pq.write_table(pa.Table.from_arrays([pa.array([1]), values], names=NAMES), path, **settings)
    return path


@pytest.mark.parametrize("kind", FLAT)
@pytest.mark.parametrize("stored", [True, False])
def test_flat_files_need_no_arrow(kind: str, stored: bool, tmp_path: Path) -> None:
    assert read_flat_schema(write_file(tmp_path / "f", FLAT[kind], store_schema=stored)) == NAMES


@pytest.mark.parametrize("kind", OTHERS)
def test_other_columns_are_left_to_arrow(kind: str, tmp_path: Path) -> None:
    assert read_flat_schema(write_file(tmp_path / "f", OTHERS[kind])) is None


def test_old_timestamps_and_repeated_names_are_left_to_arrow(tmp_path: Path) -> None:
    moments = pa.array([1], pa.timestamp("ns"))
    assert read_flat_schema(write_file(tmp_path / "f", moments, use_deprecated_int96_timestamps=True)) is None
    pq.write_table(pa.Table.from_arrays([moments, moments], names=["a", "a"]), tmp_path / "g")
    assert read_flat_schema(tmp_path / "g") is None


def test_damaged_files_are_left_to_arrow(tmp_path: Path) -> None:
    data = write_file(tmp_path / "f", FLAT["text"]).read_bytes()
    for length in range(len(data)):
        (tmp_path / "f").write_bytes(data[:length])
        assert read_flat_schema(tmp_path / "f") is None
    for place in range(len(data) - 300, len(data)):
        (tmp_path / "f").write_bytes(data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :])
        read_flat_schema(tmp_path / "f")
