"""Translate DuckDB's errors about files into the file, the line and a hint."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import find_engine_error
from sandbox.error_text import describe_csv_error, describe_foreign_error
from sandbox.errors import SandboxError, SourceError
from sandbox.sources.files.csv_layout import find_odd_line_end
from sandbox.sources.unreadable_file import DAMAGED_HINT, build_failure, build_file_error, find_missing_files
from sandbox.storage_errors import MISSING, classify_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sandbox.sources.listing import SourceFile

CSV_HINT = (
    "correct the line; sandbox reads CSV as RFC 4180 describes it: UTF-8, the same number of fields in every line, "
    'fields with line ends or delimiters in "…", a quote within them doubled'
)

INVALID_STATE = "state machine reached an invalid state"
OUT_OF_MEMORY_PREFIX = "Out of Memory Error"  # never a file's fault
JSON_HINT = "JSON is read as one object a line, or as one array of objects, in UTF-8"


@contextlib.contextmanager
def translate_engine_errors(
    explain_error: Callable[[Exception, Sequence[SourceFile]], SourceError], files: Sequence[SourceFile]
) -> Iterator[None]:
    """Translate DuckDB's errors about some files to name the broken file and line."""
    try:
        yield
    except SandboxError as error:
        cause = find_engine_error(error)
        if cause is None or str(cause).startswith(OUT_OF_MEMORY_PREFIX):
            raise
        failure = classify_failure(describe_foreign_error(cause))
        if failure is not None and failure is not MISSING:
            raise explain_read_error(cause, files) from error
        raise explain_error(cause, files) from error


@dataclass(frozen=True, kw_only=True)
class BrokenLine:
    """A line of a text file that cannot be read, and why."""

    file: SourceFile
    line: int
    reason: str


def find_csv_line(cause: Exception, files: Sequence[SourceFile]) -> BrokenLine | None:
    """Return the line in DuckDB's message about CSV; None if it names none."""
    found = describe_csv_error(str(cause))
    if found is None:
        return None
    named = [file for file in files if f"\n  file = {file.address}\n" in str(cause)] or [files[0]]
    return BrokenLine(file=named[0], line=found[0], reason=found[1])


def explain_csv_error(cause: Exception, files: Sequence[SourceFile]) -> SourceError:
    """Build an error for the line in DuckDB's message about CSV."""
    broken = find_csv_line(cause, files)
    if broken is not None:
        return SourceError(f"{broken.file.path}: line {broken.line} {broken.reason}", hint=CSV_HINT)
    if INVALID_STATE in str(cause):
        for file in files:
            if (odd := find_odd_line_end(file)) is not None:
                return SourceError(f"{file.path}: line {odd[0]} {odd[1]}", hint=CSV_HINT)
    return explain_read_error(cause, files, hint=CSV_HINT)


def explain_jsonl_error(cause: Exception, files: Sequence[SourceFile]) -> SourceError:
    """Build an error for the first line of JSON Lines without an object."""
    return find_jsonl_error(files) or explain_read_error(cause, files)


def find_jsonl_error(files: Sequence[SourceFile]) -> SourceError | None:
    """Return the error for the first line of JSON Lines without an object; None if there is none."""
    for file in files:
        try:
            broken = None if _holds_array(file) else _find_broken_line(file)
        except (OSError, EOFError) as error:
            return build_file_error(file.path, "cannot be read", error)
        if broken is not None:
            line, what = broken
            return SourceError(f"{file.path}: line {line} {what}", hint=JSON_HINT)
    return None


def _holds_array(file: SourceFile) -> bool:
    with file.open_decompressed() as stream:
        return stream.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[{")


def _find_broken_line(file: SourceFile) -> tuple[int, str] | None:
    with file.open_decompressed() as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except ValueError as error:
                return number, f"is not JSON: {describe_foreign_error(error)}"
            if not isinstance(value, dict):
                return number, "is JSON, but not an object"
    return None


def explain_read_error(cause: Exception, files: Sequence[SourceFile], hint: str = "") -> SourceError:
    """Build an error for the file in DuckDB's message, or for all files."""
    named = [file for file in files if file.address in str(cause)] or [
        file for file in files if file.path in str(cause)
    ]
    reason = describe_foreign_error(cause)
    reason = reason.removeprefix(f"{named[0].address}: ").removeprefix(f"{named[0].path}: ") if named else reason
    shown = named[0].path if named else ", ".join(file.path for file in files[:3])
    more = "" if named or len(files) <= 3 else f" or {len(files) - 3} more"
    failure = classify_failure(reason)
    if failure is None and find_missing_files(named[:1]):
        failure, reason = MISSING, ""
    if failure is not None:
        return build_failure(f"{shown}{more}", failure, reason)
    return SourceError(f"{shown}{more} cannot be read: {reason}", hint=hint or DAMAGED_HINT)
