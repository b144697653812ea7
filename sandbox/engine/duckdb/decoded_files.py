"""Text files that Python decodes for DuckDB: bzip2 and xz, other encodings than UTF-8, mixed line ends.

DuckDB reads gzip, zstd and UTF-8 itself. Everything else arrives through a file system of Python, as a stream of UTF-8.
"""

from __future__ import annotations

import bz2
import codecs
import contextlib
import functools
import gzip
import io
import lzma
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import pyarrow as pa

from sandbox.engine.duckdb.remote_files import ListedFileSystem, RemoteFile
from sandbox.error_text import describe_foreign_error

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from sandbox.engine.duckdb.session import Session

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".xz": "xz"}
"""The compression of a text file by its suffix."""

DECODED_COMPRESSIONS = ("bz2", "xz")  # unknown to DuckDB
SCHEME = "sandbox-decoded"
BLOCK_BYTES = 1 << 20
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """What has to be done to a file's bytes.

    Attributes:
        compression: The compression to undo; None leaves it to DuckDB.
        encoding: The encoding of the text; None for UTF-8.
        quote: The quote of a CSV file with mixed line ends; None if the ends agree.
    """

    compression: str | None = None
    encoding: str | None = None
    quote: str | None = None

    @property
    def is_plain(self) -> bool:
        """Whether DuckDB reads the file itself."""
        return self == PLAIN_DECODING

    def build_address(self, path: str) -> str:
        """Return the address of a file for DuckDB; the path itself if nothing has to be done.

        >>> Decoding(compression="xz").build_address("/a.csv.xz"), Decoding().build_address("/a.csv")
        ('sandbox-decoded://xz--/a.csv.xz', '/a.csv')
        """
        if self.is_plain:
            return path
        ends = "" if self.quote is None else "ends"
        return f"{SCHEME}://{self.compression or ''}-{self.encoding or ''}-{ends}{path}"


PLAIN_DECODING = Decoding()


def find_compression(path: str) -> str | None:
    """Return the compression of a text file by its name.

    >>> find_compression("a.csv.XZ"), find_compression("a.csv")
    ('xz', None)
    """
    return next((kind for suffix, kind in COMPRESSIONS.items() if path.lower().endswith(suffix)), None)


def find_marked_encoding(head: bytes) -> str | None:
    """Return the encoding by the byte order mark at a file's start; None without one.

    >>> find_marked_encoding(codecs.BOM_UTF16_LE + b"a"), find_marked_encoding(b"a")
    ('utf-16', None)
    """
    return next((encoding for mark, encoding in BYTE_ORDER_MARKS if head.startswith(mark)), None)


@contextlib.contextmanager
def open_decompressed(stream: BinaryIO, compression: str | None) -> Iterator[BinaryIO]:
    """Open a stream decompressed; it stays open."""
    if compression is None:
        yield stream
        return
    with contextlib.ExitStack() as stack:
        inner: Any
        if compression == "gzip":
            inner = stack.enter_context(gzip.open(stream))
        elif compression == "bz2":
            inner = stack.enter_context(bz2.open(stream))
        elif compression == "xz":
            inner = stack.enter_context(lzma.open(stream))
        else:
            inner = _open_zstd(stack, stream)
        yield cast("BinaryIO", inner)


def _open_zstd(stack: contextlib.ExitStack, stream: BinaryIO) -> io.BufferedReader:
    source = stack.enter_context(pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd"))
    return stack.enter_context(io.BufferedReader(_ArrowReader(source)))


class _ArrowReader(io.RawIOBase):
    """A stream of Arrow as one of Python, without its own end."""

    def __init__(self, source: Any) -> None:
        super().__init__()
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._source.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def decode_blocks(stream: BinaryIO, decoding: Decoding) -> Iterator[bytes]:
    """Yield a file's text in UTF-8.

    Raises:
        UnicodeDecodeError: Its bytes are not of the encoding.
        OSError: It cannot be read or decompressed.
        EOFError: It ends early.
    """
    decoder = None if decoding.encoding is None else codecs.getincrementaldecoder(decoding.encoding)()
    ends = None if decoding.quote is None else LineEndNormalizer(decoding.quote.encode())
    try:
        with open_decompressed(stream, decoding.compression) as inner:
            last = False
            while not last:
                block = inner.read(BLOCK_BYTES)
                last = not block
                if decoder is not None:
                    block = decoder.decode(block, final=last).encode()
                if ends is not None:
                    block = ends.normalize(block, last=last)
                if block:
                    yield block
    except lzma.LZMAError as error:
        raise OSError(describe_foreign_error(error)) from error


class LineEndNormalizer:
    r"""Replaces CR LF by LF outside of quotes, block by block.

    >>> LineEndNormalizer(b'"').normalize(b'a\r\n"b\r\n"\n', last=True)
    b'a\n"b\r\n"\n'
    """

    def __init__(self, quote: bytes) -> None:
        self._quote = quote
        self._is_quoted = False
        self._held = b""

    def normalize(self, block: bytes, *, last: bool) -> bytes:
        """Return the next block; a CR at its end waits for the next one."""
        block = self._held + block
        self._held = b"\r" if block.endswith(b"\r") and not last else b""
        block = block[: len(block) - len(self._held)]
        if not self._quote:
            return block.replace(b"\r\n", b"\n")
        parts = block.split(self._quote)
        first = int(self._is_quoted)
        for index in range(first, len(parts), 2):
            parts[index] = parts[index].replace(b"\r\n", b"\n")
        self._is_quoted ^= len(parts) % 2 == 0
        return self._quote.join(parts)


class DecodedStream:
    """A decoded file, readable at any position; going back begins again."""

    def __init__(self, open_file: Callable[[], BinaryIO], decoding: Decoding) -> None:
        self._open_file, self._decoding = open_file, decoding
        self._lock = threading.Lock()
        self._blocks = self._decode_blocks()
        self._start, self._block = 0, b""

    def __del__(self) -> None:
        self.close()  # DuckDB does not close every file that it opens

    def _decode_blocks(self) -> Generator[bytes]:
        with self._open_file() as source:
            yield from decode_blocks(source, self._decoding)

    def _restart(self) -> None:
        self.close()
        self._blocks = self._decode_blocks()
        self._start, self._block = 0, b""

    def read_at(self, count: int, position: int) -> bytes:
        """Return up to ``count`` bytes from a position.

        Raises:
            OSError: The file cannot be decoded.
        """
        with self._lock:
            if position < self._start:
                self._restart()
            parts = []
            while count > 0:
                offset = position - self._start
                if offset < len(self._block):
                    parts.append(self._block[offset : offset + count])
                    position += len(parts[-1])
                    count -= len(parts[-1])
                elif not self._read_block():
                    break
            return b"".join(parts)

    def _read_block(self) -> bool:
        self._start += len(self._block)
        try:
            self._block = next(self._blocks, b"")
        except (UnicodeDecodeError, EOFError) as error:
            raise OSError(describe_decoding_error(error)) from None
        except OSError:
            self._restart()  # the next read begins again: after an error the blocks would seem to end
            raise
        return bool(self._block)

    def size(self) -> int:
        """Return the decoded size."""
        return measure_decoded_bytes(self._open_file, self._decoding)

    def close(self) -> None:
        self._blocks.close()


def describe_decoding_error(error: Exception) -> str:
    """Return what is wrong with a file's bytes, without them."""
    if isinstance(error, UnicodeDecodeError):
        return f"is not written in {error.encoding}"
    return "ends early"


def measure_decoded_bytes(open_file: Callable[[], BinaryIO], decoding: Decoding) -> int:
    """Return the size of a file's text in UTF-8, by decoding all of it.

    Raises:
        OSError: It cannot be decoded.
    """
    try:
        with open_file() as stream:
            return sum(map(len, decode_blocks(stream, decoding)))
    except (UnicodeDecodeError, EOFError) as error:
        raise OSError(describe_decoding_error(error)) from None


class DecodedFileSystem(ListedFileSystem):
    """Decoded files that a session may read: only the registered ones."""

    def __init__(self) -> None:
        super().__init__(SCHEME)
        self._readers: dict[str, tuple[Callable[[], BinaryIO], Decoding]] = {}

    def add_file(self, address: str, open_file: Callable[[], BinaryIO], decoding: Decoding, modified: int) -> None:
        """Allow a file; its size is measured once it is asked for."""
        self._readers[address] = (open_file, decoding)
        size = functools.cache(functools.partial(measure_decoded_bytes, open_file, decoding))
        self.list_file(address, size, modified)

    def open_listed(self, path: str) -> RemoteFile:
        open_file, decoding = self._readers[path]
        return RemoteFile(DecodedStream(open_file, decoding), path)


def register_decoded_file(
    session: Session, address: str, open_file: Callable[[], BinaryIO], decoding: Decoding, modified: int
) -> None:
    """Allow a session to read a file under an address; ``modified`` is in nanoseconds since 1970 UTC."""
    system = session.remote_file_systems.get(SCHEME)
    if system is None:
        system = DecodedFileSystem()
        session.register_file_system(SCHEME, system)
    if not system.exists(address):
        system.add_file(address, open_file, decoding, modified)
