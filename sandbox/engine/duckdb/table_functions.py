"""Files as table functions in SQL."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import escape_glob, quote_literal
from sandbox.model import COMPRESSION_BY_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from sandbox.model import TableFiles

DELIMITERS = ",\t;|"
TAB_SUFFIXES = (".tsv", ".tab")
MAX_LINE_BYTES = 1 << 20


def format_file_list(paths: Iterable[Path | str]) -> str:
    """Return the SQL list of files for a reading function, with glob characters escaped.

    >>> from pathlib import Path
    >>> format_file_list([Path("/a[1]/it's.csv")])
    "['/a[[]1]/it''s.csv']"
    """
    return "[" + ", ".join(quote_literal(escape_glob(str(path))) for path in paths) + "]"


def build_parquet_reader(paths: Iterable[Path | str]) -> str:
    """Return the SQL of a table function that reads Parquet files of the same columns; folders' names are no columns.

    >>> build_parquet_reader(["a.parquet"])
    "read_parquet(['a.parquet'], hive_partitioning = false)"
    """
    return f"read_parquet({format_file_list(paths)}, hive_partitioning = false)"


def build_table_function(table: TableFiles, option: str = "") -> str:
    """Return the SQL of a table function that reads a table's files: ``read_parquet([...])`` and so on.

    CSV and JSON types come from all rows of every file. The CSV dialect is fixed, except for the delimiter: a dialect that
    fits most lines would skip the others. Columns of several files are matched by name.

    Args:
        table: A table of Parquet, CSV or JSON.
        option: A further option of the function, with a comma before it.
    """
    files = format_file_list(table.paths)
    shared = f"union_by_name = {'true' if len(table.paths) > 1 else 'false'}, hive_partitioning = false{option}"
    match table.format:
        case "parquet":
            return f"read_parquet({files}, {shared})"
        case "csv":
            dialect = (
                f"delim = {quote_literal(find_delimiter(table.paths[0]))}, quote = '\"', escape = '\"', comment = ''"
            )
            strict = "header = true, skip = 0, strict_mode = true, null_padding = false, sample_size = -1"
            return f"read_csv({files}, {dialect}, {strict}, {_build_compression_option(table.paths)}, {shared})"
        case "jsonl" | "json":
            form = "newline_delimited" if table.format == "jsonl" else "array"
            whole = f"sample_size = -1, maximum_sample_files = {len(table.paths)}, map_inference_threshold = -1"
            return f"read_json({files}, format = '{form}', {whole}, {_build_compression_option(table.paths)}, {shared})"
        case _:
            raise AssertionError(f"no function reads {table.format}")


def build_objects_function(table: TableFiles) -> str:
    """Return the SQL of a table function that reads the values of JSON files unparsed, as the column ``json``."""
    form = "newline_delimited" if table.format == "jsonl" else "array"
    packed = _build_compression_option(table.paths)
    return f"read_json_objects({format_file_list(table.paths)}, format = '{form}', {packed}, hive_partitioning = false)"


def _build_compression_option(paths: Sequence[Path]) -> str:
    """Return the option for compressed files; the engine's own guess fails on a ? in a path and on capitals."""
    kinds = {COMPRESSION_BY_SUFFIX.get(path.suffix.lower(), "none") for path in paths}
    return f"compression = '{kinds.pop() if len(kinds) == 1 else 'auto_detect'}'"


def find_delimiter(path: Path) -> str:
    """Return the delimiter of a CSV file: a tab by its name, else by its first line."""
    name = path.name.lower().removesuffix(path.suffix.lower() if path.suffix.lower() in COMPRESSION_BY_SUFFIX else "")
    return "\t" if name.endswith(TAB_SUFFIXES) else detect_delimiter(_read_first_line(path) or "")


def build_parquet_copy(query: str, path: Path, *, group_rows: int | None = None) -> str:
    """Return the statement that writes the rows of a query to a Parquet file of a sample."""
    size = "" if group_rows is None else f", row_group_size {group_rows}"
    return f"copy ({query}) to {quote_literal(str(path))} (format parquet, compression zstd{size})"


def build_compression_option(compressions: Sequence[str | None]) -> str:
    """Return the option for files of these compressions; DuckDB's detection fails on a ? in a path."""
    kinds = set(compressions)
    return f"compression = '{'auto_detect' if len(kinds) > 1 else kinds.pop() or 'none'}'"


def detect_delimiter(header: str) -> str:
    """Return the most frequent delimiter of a CSV header outside quotes; ties go to the more common delimiter.

    >>> detect_delimiter('a;"b,c,d";e')
    ';'
    """
    bare = "".join(header.split('"')[::2])
    return max(DELIMITERS, key=bare.count)


def read_heading(path: Path) -> tuple[str, str] | None:
    """Return the delimiter and the first line of a CSV file; None if the line may end within quotes, or is unreadable."""
    line = _read_first_line(path)
    return None if line is None or line.count('"') % 2 else (find_delimiter(path), line)


def is_empty_text(path: Path) -> bool:
    """Return whether a text file has no character; one that cannot be read has some."""
    return _read_first_line(path) == ""


def _read_first_line(path: Path) -> str | None:
    """Return the first line of a file; None if unreadable, which the query engine will report itself."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import, and most tables are not of text

    kind = COMPRESSION_BY_SUFFIX.get(path.suffix.lower())
    try:
        with contextlib.ExitStack() as stack:
            raw = stack.enter_context(path.open("rb"))
            stream = stack.enter_context(pa.CompressedInputStream(raw, kind)) if kind else raw
            line, newline, _ = stream.read(MAX_LINE_BYTES).partition(b"\n")
    except (OSError, pa.ArrowException):
        return None
    return (line + newline).decode("utf-8-sig", errors="replace")
