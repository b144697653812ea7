"""Build the error for a file that cannot be read: its storage failed, or its content is damaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.error_text import describe_foreign_error
from sandbox.errors import SourceError
from sandbox.storage_errors import MISSING, classify_failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sandbox.sources.listing import SourceFile
    from sandbox.storage_errors import StorageFailure

DAMAGED_HINT = "if a program is still writing it, draw again when that has ended; else write it again, or take it out of the source"
MAX_SHOWN_FILES = 3


def build_file_error(path: str, problem: str, error: Exception, *, hint: str = DAMAGED_HINT) -> SourceError:
    """Build the error for a file.

    Args:
        path: The file.
        problem: The problem if its storage did not fail, as the middle of a sentence: ``cannot be read``.
        error: The error of the library that read it.
        hint: The remedy if its storage did not fail.
    """
    text = describe_foreign_error(error)
    failure = classify_failure(text)
    return (
        SourceError(f"{path} {problem}: {text}", hint=hint) if failure is None else build_failure(path, failure, text)
    )


def build_failure(path: str, failure: StorageFailure, text: str = "") -> SourceError:
    """Build the error for a file whose storage failed; ``text`` is the library's message."""
    said = f" ({text})" if text else ""
    return SourceError(f"{path} cannot be read: {failure.reason}{said}", hint=failure.hint, lost=failure.keeps_data)


def find_missing_files(files: Iterable[SourceFile]) -> list[SourceFile]:
    """Return the files that are gone; none of storage without an answer."""
    missing = []
    for file in files:
        try:
            size = file.read_size()
        except OSError as error:
            failure = classify_failure(str(error))
            size = None if failure is MISSING else -1
        missing += [file] if size is None else []
    return missing


def format_names(names: Sequence[str]) -> str:
    """Return names of files, the first few of many."""
    more = f" and {len(names) - MAX_SHOWN_FILES} more" if len(names) > MAX_SHOWN_FILES else ""
    return ", ".join(names[:MAX_SHOWN_FILES]) + more
