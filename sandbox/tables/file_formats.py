"""Derive from a file's name its expected content: a table's format, a database, or a marker without data."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sandbox.model import COMPRESSION_BY_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox.model import TableFormat

FORMAT_BY_SUFFIX: Mapping[str, TableFormat] = {
    ".parquet": "parquet", ".pq": "parquet",
    ".csv": "csv", ".tsv": "csv", ".tab": "csv",
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json",
    ".arrow": "arrow", ".arrows": "arrow", ".ipc": "arrow", ".feather": "arrow",
    ".orc": "orc",
}  # fmt: skip
COMPRESSED_FORMATS = frozenset({"csv", "jsonl", "json"})
"""The text formats, whose files may be compressed as a whole."""
DATABASE_SUFFIXES = (".duckdb", ".ddb", ".db", ".sqlite", ".sqlite3", ".db3")
MARKER_NAMES = frozenset({"_SUCCESS", "_metadata", "_common_metadata", ".DS_Store"})
_NUMBERED_MARKER = re.compile(r"_(started|committed)_\w+")
_PART_PATTERN = re.compile(r"part[-._].*|(data_)?\d+", re.IGNORECASE)


def find_format(name: str) -> TableFormat | None:
    """Return the table format of a file name; None if it is no table's.

    >>> find_format("a.CSV.gz"), find_format("part-0.snappy.parquet"), find_format("a.parquet.gz"), find_format(".csv")
    ('csv', 'parquet', None, None)
    """
    stem, suffix = _split_suffix(name)
    return FORMAT_BY_SUFFIX[suffix] if stem and suffix else None


def strip_suffix(name: str) -> str:
    """Return the name of the table in a file's name.

    >>> strip_suffix("orders.csv.gz"), strip_suffix("orders.v2.Parquet"), strip_suffix("orders")
    ('orders', 'orders.v2', 'orders')
    """
    stem, suffix = _split_suffix(name)
    return stem if stem and suffix else name


def _split_suffix(name: str) -> tuple[str, str]:
    bare = strip_compression(name)
    stem, dot, end = bare.rpartition(".")
    suffix = (dot + end).lower()
    packed = bare != name
    if suffix not in FORMAT_BY_SUFFIX or (packed and FORMAT_BY_SUFFIX[suffix] not in COMPRESSED_FORMATS):
        return name, ""
    return stem, suffix


def strip_compression(name: str) -> str:
    """Return a file's name without the suffix of its compression."""
    return name[: -len(_find_compression_suffix(name)) or None]


def _find_compression_suffix(name: str) -> str:
    return next((name[-len(suffix) :] for suffix in COMPRESSION_BY_SUFFIX if name.lower().endswith(suffix)), "")


def is_database(name: str) -> bool:
    """Return whether a file name is a database's."""
    return name.lower().endswith(DATABASE_SUFFIXES)


def find_database_format(path: Path) -> TableFormat | None:
    """Return the kind of database by a file's first bytes; None if it is no database."""
    with path.open("rb") as file:
        head = file.read(16)
    if head == b"SQLite format 3\0":
        return "sqlite"
    return "duckdb" if head[8:12] == b"DUCK" else None


def is_marker(name: str) -> bool:
    """Return whether a file only accompanies data: a marker of Spark, Databricks, Hadoop, Dask or macOS.

    >>> [is_marker(name) for name in ("_SUCCESS", ".part-0.parquet.crc", "_committed_73", "a.crc", "_committed_x.csv")]
    [True, True, True, False, False]
    """
    return (
        name in MARKER_NAMES
        or _NUMBERED_MARKER.fullmatch(name) is not None
        or (name.startswith(".") and name.endswith(".crc"))
    )  # fmt: skip


def is_part(name: str) -> bool:
    """Return whether a file name is that of a part of its folder's table.

    >>> [is_part(name) for name in ("part-0.parquet", "0001.csv", "data_3.parquet", "part.7.parquet", "parties.csv")]
    [True, True, True, True, False]
    """
    return _PART_PATTERN.fullmatch(strip_suffix(name)) is not None
