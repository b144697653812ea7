"""Tables whose files are the same."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from sandbox.compare import are_identical_tables
from sandbox.model import TableFiles

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.model import TableFormat

SIZE = 3 * 2**20 + 5


def write_table(folder: Path, data: bytes, format_: TableFormat = "parquet", name: str = "t") -> TableFiles:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    return TableFiles(name="t", format=format_, paths=(folder / name,))


@pytest.mark.parametrize("place", [0, 2**16 - 1, 2**16, 2**20, 2 * 2**20 - 1, SIZE - 2**16 - 1, SIZE - 1])
def test_one_other_byte_makes_another_table(tmp_path: Path, place: int) -> None:
    data = bytearray(SIZE)
    first = write_table(tmp_path / "a", bytes(data))
    assert are_identical_tables(first, write_table(tmp_path / "b", bytes(data)))
    data[place] = 1
    assert not are_identical_tables(first, write_table(tmp_path / "b", bytes(data)))
    assert not are_identical_tables(first, write_table(tmp_path / "b", bytes(SIZE - 1)))


def test_databases_are_the_same_only_as_one_file(tmp_path: Path) -> None:
    first = write_table(tmp_path / "a", b"x", "duckdb")
    assert are_identical_tables(first, first)
    assert not are_identical_tables(first, write_table(tmp_path / "b", b"x", "duckdb"))
    assert not are_identical_tables(first, dataclasses.replace(first, member="other"))


def test_partitions_count_as_columns(tmp_path: Path) -> None:
    sides = []
    for side, day in (("a", "1"), ("b", "1"), ("c", "2")):
        (tmp_path / side).mkdir()
        table = write_table(tmp_path / side / f"day={day}", b"x", name="part.parquet")
        sides.append(dataclasses.replace(table, folder=tmp_path / side))
    assert are_identical_tables(sides[0], sides[1])
    assert not are_identical_tables(sides[0], sides[2])
