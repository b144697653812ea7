"""Write tar files as streams of bytes, reproducibly."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

CHUNK_BYTES = 4 * 2**20
END_OF_TAR = bytes(2 * tarfile.BLOCKSIZE)


def format_tar_member(name: str, size: int, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield one file of a tar: header, content and padding; equal for equal arguments."""
    header = tarfile.TarInfo(name)
    header.size, header.mode = size, 0o644
    yield header.tobuf(tarfile.GNU_FORMAT)
    yield from chunks
    yield bytes(round_to_blocks(size) - size)


def round_to_blocks(size: int) -> int:
    """Return the bytes that a content takes in a tar.

    >>> [round_to_blocks(size) for size in (0, 1, 512, 513)]
    [0, 512, 512, 1024]
    """
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def read_stream(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """Yield in chunks what a stream's ``read`` returns."""
    while chunk := read(CHUNK_BYTES):
        yield chunk
