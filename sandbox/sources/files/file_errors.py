"""Translate DuckDB's errors about files into the file, the line and a hint."""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import find_engine_message, summarize_error
from sandbox.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sandbox.sources.listing import SourceFile, SourceFormat

CSV_HINT = (
    "correct the line; sandbox reads CSV as RFC 4180 describes it: UTF-8, the same number of fields in every line, "
    'fields with line ends or delimiters in "…", a quote within them doubled'
)

OUT_OF_MEMORY_PREFIX = "Out of Memory Error"  # never a file's fault
JSON_HINT = "JSON Lines is one JSON object a line, in UTF-8"


@contextlib.contextmanager
def translate_file_errors(form: SourceFormat, files: Sequence[SourceFile]) -> Iterator[None]:
    """Translate DuckDB's errors about a table's files to name the broken file and line."""
    try:
        yield
    except SourceError as error:
        reason = find_engine_message(error)
        if reason is None or reason.startswith(OUT_OF_MEMORY_PREFIX):
            raise
        match form:
            case "csv":
                raise _explain_csv_error(reason, files) from error
            case "jsonl":
                raise _explain_jsonl_error(reason, files) from error
            case _:
                raise _explain_read_error(reason, files) from error


def _explain_csv_error(reason: str, files: Sequence[SourceFile]) -> SourceError:
    where = re.search(r"CSV Error on Line: (\d+)", reason)
    if where is None:
        return _explain_read_error(reason, files, hint=CSV_HINT)
    named = re.search(r"^\s*file = (.*)$", reason, flags=re.MULTILINE)
    file = named[1] if named else files[0].name
    counts = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", reason)
    original = re.search(r"Original Line: (.*)", reason)
    if counts:
        what = f"has {counts[2]} fields where the header has {counts[1]}"
    elif "unterminated quote" in reason:
        what = "has a quote that does not end"
    elif "not utf-8" in reason:
        what = "is not UTF-8"
    else:
        what = "cannot be read"
    text = f": {original[1][:120]}" if original and "not utf-8" not in reason else ""
    return SourceError(f"{file}: line {where[1]} {what}{text}", hint=CSV_HINT)


def _explain_jsonl_error(reason: str, files: Sequence[SourceFile]) -> SourceError:
    return find_jsonl_error(files) or _explain_read_error(reason, files)


def find_jsonl_error(files: Sequence[SourceFile]) -> SourceError | None:
    """Return the error for the first line of JSON Lines without an object; None if there is none."""
    for file in files:
        try:
            broken = _find_broken_line(file)
        except (OSError, EOFError) as error:
            return SourceError(f"{file.path} cannot be read: {error}")
        if broken is not None:
            line, what = broken
            return SourceError(f"{file.path}: line {line} {what}", hint=JSON_HINT)
    return None


def _find_broken_line(file: SourceFile) -> tuple[int, str] | None:
    with file.open_decompressed() as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except ValueError as error:
                return number, f"is not JSON: {error}"
            if not isinstance(value, dict):
                return number, f"is not an object but {line[:60].decode(errors='replace').strip()}"
    return None


def _explain_read_error(reason: str, files: Sequence[SourceFile], hint: str = "") -> SourceError:
    """Build an error for the file in DuckDB's message, or for all files."""
    named = [file for file in files if file.path in reason]
    first = summarize_error(reason)
    first = first.removeprefix(f"{named[0].path}: ") if named else first
    shown = named[0].path if named else ", ".join(file.path for file in files[:3])
    more = "" if named or len(files) <= 3 else f" or {len(files) - 3} more"
    return SourceError(
        f"{shown}{more} cannot be read: {first}",
        hint=hint or "write the file again, or take it out of the source",
    )
