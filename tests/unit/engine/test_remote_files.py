"""Files of Python under DuckDB's threads: no byte is read twice or left out, whatever thread seeks and reads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from sandbox.engine.duckdb.remote_files import RemoteFile

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTENT = bytes(range(100))
Threads = tuple[ThreadPoolExecutor, ThreadPoolExecutor]


@pytest.fixture
def threads() -> Iterator[Threads]:
    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        yield first, second


def read(thread: ThreadPoolExecutor, file: RemoteFile, count: int) -> bytes:
    return thread.submit(file.read, count).result()


def seek(thread: ThreadPoolExecutor, file: RemoteFile, position: int) -> None:
    thread.submit(file.seek, position).result()


def test_reads_in_sequence_go_on_whatever_thread_sought(threads: Threads) -> None:
    first, second = threads
    file = RemoteFile(pa.BufferReader(CONTENT), "a")
    for _ in range(2):
        seek(first, file, 0)
        assert read(second, file, 40) == CONTENT[:40]
        assert read(first, file, 40) == CONTENT[40:80]
        assert read(second, file, 40) == CONTENT[80:]
        assert read(first, file, 40) == b""


def test_reads_at_positions_do_not_disturb_each_other(threads: Threads) -> None:
    first, second = threads
    file = RemoteFile(pa.BufferReader(CONTENT), "a")
    seek(first, file, 10)
    seek(second, file, 50)
    assert read(second, file, 5) == CONTENT[50:55]
    seek(second, file, 70)
    assert read(first, file, 5) == CONTENT[10:15]
    assert read(second, file, 5) == CONTENT[70:75]
