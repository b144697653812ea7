"""Find the first line of a CSV file that is not as RFC 4180 says, after a reader failed without naming it."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from sandbox.sources.files.text_lines import is_utf8

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_RECORD_BYTES = 1 << 24  # after which a quote counts as one that does not end
LINE_END_NAMES = {b"\r\n": "CRLF", b"\n": "LF"}


def find_csv_problem(lines: Iterable[bytes], delimiter: str) -> tuple[int, str] | None:
    r"""Return the number of the first broken line and what is wrong with it; None if there is none.

    >>> find_csv_problem([b"id,v\n", b"1,a\n", b"2,b,c\n"], ",")
    (3, 'has 3 fields where the header has 2')
    >>> find_csv_problem([b"id,v\r\n", b"1,a\n"], ","), find_csv_problem([b"id,v\n", b'1,"a\n'], ",")
    ((2, 'ends in LF, the others in CRLF'), (2, 'has a quote that does not end'))
    >>> find_csv_problem([], ",")
    (1, 'is empty; the first line must name the columns')
    """
    fields: int | None = None
    end = b""
    for number, record, is_complete in _read_records(lines):
        if not is_utf8(record):
            return number, "is not UTF-8"
        if not is_complete:
            return number, "has a quote that does not end"
        ended = _find_line_end(record)
        if end and ended and ended != end:
            return number, f"ends in {LINE_END_NAMES[ended]}, the others in {LINE_END_NAMES[end]}"
        end = end or ended
        count = _count_fields(record, delimiter)
        if count is None:
            return number, "has a quote within a field without quotes around it"
        if fields is not None and count != fields:
            return number, f"has {count} fields where the header has {fields}"
        fields = count
    return (1, "is empty; the first line must name the columns") if fields is None else None


def _read_records(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes, bool]]:
    """Yield the number of each record's first line, its bytes, and whether its quotes end."""
    held, first = b"", 1
    for number, line in enumerate(lines, start=1):
        first = first if held else number
        held += line
        if held.count(b'"') % 2 == 0:
            yield first, held, True
            held = b""
        elif len(held) > MAX_RECORD_BYTES:
            break
    if held:
        yield first, held, False


def _find_line_end(record: bytes) -> bytes:
    return next((end for end in LINE_END_NAMES if record.endswith(end)), b"")


def _count_fields(record: bytes, delimiter: str) -> int | None:
    """Return the number of a record's fields; None if its quotes are misplaced."""
    try:
        rows = list(csv.reader([record.decode("utf-8-sig")], delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return len(rows[0]) if rows and rows[0] else 1
