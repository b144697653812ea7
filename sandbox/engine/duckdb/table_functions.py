"""Files as SQL that can stand after ``from``."""

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
    """Give the SQL list of files for a reading function; what a pattern would match is not what is named.

    >>> from pathlib import Path
    >>> format_file_list([Path("/a[1]/it's.csv")])
    "['/a[[]1]/it''s.csv']"
    """
    return "[" + ", ".join(quote_literal(re.sub(r"([*?\[])", r"[\1]", str(path))) for path in paths) + "]"


def build_table_function(table: TableFiles) -> str:
    """Give the SQL of a table function that reads a table's files: ``read_parquet([...])`` and so on.

    CSV and JSON types come from the whole of every file, so that they never depend on the first rows. How a CSV file
    is written is not guessed, beyond its delimiter: a guess that fits most lines would leave out the others.
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
    """Give the delimiter that a CSV header has most of outside quotes, in case of a tie the more usual.

    >>> detect_delimiter('a;"b,c,d";e')
    ';'
    """
    bare = "".join(header.split('"')[::2])
    return max(DELIMITERS, key=bare.count)


def _read_first_line(path: Path) -> str:
    """Give the beginning of a file; nothing where it cannot be read, which the engine will report itself."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            return file.readline(1 << 20)
    except OSError:
        return ""
