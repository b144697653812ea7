"""Finds the line of a text file that keeps a declared tolerance from acting."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.table_functions import find_delimiter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.model import TableFiles

_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d{1,3})?")
_TIME = re.compile(r"(?:\d{4}-\d\d-\d\d)?[ T]?(?:\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d(?::?\d\d)?)?)?")


def _open_text(path: Path) -> io.TextIOWrapper:
    """Open a text file, decompressed; the caller closes it."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import

    stream = pa.input_stream(str(path), compression="detect")
    return io.TextIOWrapper(stream, "utf-8-sig", errors="replace", newline="")


def describe_offending_line(table: TableFiles, column: str, *, numeric: bool) -> str | None:
    """Return the first line whose value is no number (or no time) as ``line 3 of value.csv``; None if there is none.

    Args:
        table: A table of CSV or JSON.
        column: The column's name.
        numeric: Whether numbers are expected, else dates or times.
    """
    if table.csv is not None:  # its values are written otherwise
        return None
    pattern = _NUMBER if numeric else _TIME
    for path in table.paths:
        for line, value in _read_values(path, table, column):
            if not pattern.fullmatch(value):
                return f"line {line:,} of {path.name}"
    return None


def _read_values(path: Path, table: TableFiles, column: str) -> Iterator[tuple[int, str]]:
    """Yield the lines and texts of a column's values."""
    with _open_text(path) as text:
        if table.format == "csv":
            reader = csv.DictReader(text, delimiter=find_delimiter(path))
            yield from ((reader.line_num, row[column]) for row in reader if row.get(column))
        elif table.format == "jsonl":
            documents = ((line, json.loads(row)) for line, row in enumerate(text, 1) if row.strip())
            values = ((line, document.get(column)) for line, document in documents)
            yield from (
                (line, value if isinstance(value, str) else json.dumps(value))
                for line, value in values
                if value is not None
            )
