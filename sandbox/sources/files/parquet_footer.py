"""Read footers of Parquet files."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from sandbox.error_text import describe_foreign_error
from sandbox.errors import SourceError
from sandbox.sources.listing import MAX_CONCURRENT_REQUESTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.sources.listing import SourceFile


def read_footer(file: SourceFile) -> pq.FileMetaData:
    """Read the footer of a Parquet file.

    Raises:
        SourceError: The footer is missing or damaged.
    """
    try:
        with file.open() as stream:
            return pq.read_metadata(stream)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(
            f"{file.path} is not a complete Parquet file: {describe_foreign_error(error)}",
            hint="write the file again, or take it out of the source",
        ) from None


def read_footers(files: Sequence[SourceFile]) -> list[pq.FileMetaData]:
    """Read the footers of several files, concurrently in a bucket (see `read_footer`)."""
    if not any(file.system is not None for file in files):
        return [read_footer(file) for file in files]
    with ThreadPoolExecutor(MAX_CONCURRENT_REQUESTS) as pool:
        return list(pool.map(read_footer, files))
