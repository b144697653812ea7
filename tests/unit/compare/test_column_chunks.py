"""Column chunks: what is equal, what differs in part, and what is no chunk."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sandbox.compare.chunks.column_chunks import ColumnChunk, find_differing_rows, read_chunk
from sandbox.compare.chunks.page_headers import list_pages
from sandbox.compare.reading.compact_protocol import MalformedStructError

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 1000
Values = list[Any]


def write_column(path: Path, values: Values, **settings: Any) -> ColumnChunk:
    settings = {"data_page_size": 256, "write_batch_size": 50, "use_dictionary": False} | settings
    pq.write_table(pa.table({"v": values}), path, **settings)
    chunk = read_chunk(pq.ParquetFile(path).metadata.row_group(0), 0)
    assert chunk is not None
    return chunk


def compare(folder: Path, before: Values, after: Values, **settings: Any) -> list[tuple[int, int]]:
    paths = [folder / "before.parquet", folder / "after.parquet"]
    first, second = (
        write_column(path, values, **settings) for path, values in zip(paths, (before, after), strict=True)
    )
    with paths[0].open("rb") as one, paths[1].open("rb") as other:
        return find_differing_rows((one.fileno(), other.fileno()), (first, second), len(before), nested=False)


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("codec", ["none", "zstd"])
def test_only_pages_with_a_change_differ(tmp_path: Path, version: str, codec: str) -> None:
    before = list(range(ROWS))
    after = [-1 if number == 500 else number for number in before]
    assert compare(tmp_path, before, before, data_page_version=version, compression=codec) == []
    [(start, end)] = compare(tmp_path, before, after, data_page_version=version, compression=codec)
    assert start <= 500 < end
    assert end - start <= 100


def test_equal_pages_with_other_dictionaries_differ(tmp_path: Path) -> None:
    before = ["aa" if number % 3 else "bb" for number in range(ROWS)]
    after = ["cc" if value == "aa" else value for value in before]
    assert compare(tmp_path, before, after, use_dictionary=True) == [(0, ROWS)]


def test_equal_bytes_under_another_codec_differ(tmp_path: Path) -> None:
    path = tmp_path / "file.parquet"
    chunk = write_column(path, list(range(ROWS)))
    other = dataclasses.replace(chunk, traits=(chunk.traits[0], "GZIP", *chunk.traits[2:]))
    with path.open("rb") as file:
        found = find_differing_rows((file.fileno(), file.fileno()), (chunk, other), ROWS, nested=False)
    assert found == [(0, ROWS)]


def test_chunks_that_end_within_a_page_differ(tmp_path: Path) -> None:
    """Else a file could hide a change behind the end of a chunk."""
    path = tmp_path / "file.parquet"
    chunk = write_column(path, list(range(ROWS)))
    short = dataclasses.replace(chunk, size=chunk.size - 1)
    with path.open("rb") as file:
        assert find_differing_rows((file.fileno(),) * 2, (short, short), ROWS, nested=False) == [(0, ROWS)]
        few = dataclasses.replace(chunk, traits=(ROWS - 1, *chunk.traits[1:]))
        assert find_differing_rows((file.fileno(),) * 2, (few, few), ROWS, nested=False) == [(0, ROWS)]


@pytest.mark.parametrize("data", [b"", b"\xff" * 400, b"\x1c" * 400, b"\x15\x00" * 200])
def test_other_bytes_are_no_pages(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    with path.open("rb") as file, pytest.raises(MalformedStructError):
        list_pages(file.fileno(), 0, len(data) or 4)
