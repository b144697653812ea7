"""Find lines of text files that are not UTF-8."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.sources.listing import SourceFile

TEXT_BLOCK_BYTES = 1 << 22  # read per block


def is_utf8(value: bytes) -> bool:
    """Check whether bytes are valid UTF-8."""
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def find_undecodable_lines(file: SourceFile) -> tuple[int, int] | None:
    """Return the first invalid UTF-8 line and the number of such lines; None if there is none."""
    first, count = 0, 0
    try:
        for number, line in _read_undecodable_blocks(file):
            if not is_utf8(line):
                first, count = first or number, count + 1
    except (OSError, EOFError):
        return None
    return (first, count) if count else None


def _read_undecodable_blocks(file: SourceFile) -> Iterator[tuple[int, bytes]]:
    """Yield the numbered lines of blocks with invalid UTF-8."""
    number = 1
    with file.open_decompressed() as source:
        while block := source.readlines(TEXT_BLOCK_BYTES):
            if not is_utf8(b"".join(block)):
                yield from enumerate(block, start=number)
            number += len(block)
