"""Read footers of Parquet files."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from sandbox.sources.listing import MAX_CONCURRENT_REQUESTS
from sandbox.sources.unreadable_file import build_file_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.sources.listing import SourceFile


def read_footer(file: SourceFile) -> pq.FileMetaData:
    """Read the footer of a Parquet file.

    Raises:
        SourceError: The file cannot be reached, or its footer is missing or damaged.
    """
    try:
        with file.open() as stream:
            return pq.read_metadata(stream)
    except (pa.ArrowException, OSError) as error:
        raise build_file_error(file.path, "is not a complete Parquet file", error) from None


def read_footers(files: Sequence[SourceFile]) -> list[pq.FileMetaData]:
    """Read the footers of several files, concurrently in a bucket (see `read_footer`)."""
    if not any(file.system is not None for file in files):
        return [read_footer(file) for file in files]
    with ThreadPoolExecutor(MAX_CONCURRENT_REQUESTS) as pool:
        return list(pool.map(read_footer, files))
