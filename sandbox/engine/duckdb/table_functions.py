"""Files as table functions in SQL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_literal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sandbox.model import TableFiles

DELIMITERS = ",\t;|"


def format_file_list(paths: Iterable[Path | str]) -> str:
    """Return the SQL list of files for a reading function, with glob characters escaped.

    >>> from pathlib import Path
    >>> format_file_list([Path("/a[1]/it's.csv")])
    "['/a[[]1]/it''s.csv']"
    """
    return "[" + ", ".join(quote_literal(re.sub(r"([*?\[])", r"[\1]", str(path))) for path in paths) + "]"


def build_table_function(table: TableFiles) -> str:
    """Return the table function that reads a table's files: ``read_parquet([...])`` and so on.

    CSV and JSON types are inferred from all rows of every file. The CSV dialect is fixed, except for the delimiter: a
    dialect inferred from most lines would skip the others.
    """
    files = format_file_list(table.paths)
    match table.format:
        case "parquet":
            return f"read_parquet({files}, hive_partitioning = false)"
        case "csv":
            dialect = f"delim = {quote_literal(detect_delimiter(_read_first_line(table.paths[0])))}, quote = '\"', escape = '\"', comment = ''"
            strict = "header = true, skip = 0, strict_mode = true, null_padding = false, sample_size = -1"
            return f"read_csv({files}, {dialect}, {strict}, hive_partitioning = false)"
        case "jsonl":
            return f"read_json({files}, format = 'newline_delimited', sample_size = -1, hive_partitioning = false)"
        case "duckdb":
            raise AssertionError("attach the database and name the table in it")


def detect_delimiter(header: str) -> str:
    """Return the most frequent delimiter of a CSV header outside quotes; ties go to the more common delimiter.

    >>> detect_delimiter('a;"b,c,d";e')
    ';'
    """
    bare = "".join(header.split('"')[::2])
    return max(DELIMITERS, key=bare.count)


def _read_first_line(path: Path) -> str:
    """Return the first line of a file; empty if unreadable, which DuckDB will report itself."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            return file.readline(1 << 20)
    except OSError:
        return ""
