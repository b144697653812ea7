"""Represent the tables of a source and their files."""

from __future__ import annotations

import contextlib
import difflib
import functools
import io
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast

from sandbox.engine.duckdb import decoded_files, remote_files
from sandbox.engine.duckdb.decoded_files import PLAIN_DECODING, Decoding, find_compression, open_decompressed
from sandbox.errors import ConfigError, SourceError
from sandbox.storage_errors import retry_passing_failures

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.store.remote import RemoteStore

MAX_CONCURRENT_REQUESTS = 16  # concurrent requests to a bucket
MIN_SMALL_FILES = 32  # from which on each costs more than its bytes
MAX_MEAN_BYTES = 256 * 2**10  # of such files
MAX_CONTENT_BYTES = 64 * 2**20  # of the small files of a table, kept in memory
MAX_CLOCK_DIFFERENCE = 3600  # seconds between the clocks of a bucket and of this machine
FileContent = bytes  # in `SourceFile` the name `bytes` is a field
SourceFormat = str  # see `sandbox.sources.registry`


class Closeable(Protocol):
    """A resource to close."""

    def close(self) -> None:
        """Release the resource."""
        ...


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """A file of the source.

    Attributes:
        path: Absolute path, or address in a bucket.
        name: Relative to the source's folder, with forward slashes.
        bytes: Its size.
        modified: Nanoseconds since 1970 UTC.
        table_path: Schema and name of a table in a database; for a server also its snapshot.
        handle: What its adapter reads it with.
        system: pyarrow's file system, for a file in a bucket.
        etag: The bucket's ETag; empty if unknown.
        constants: (column, text) for the partition columns in its path; None for NULL.
        decoding: What Python does to its bytes before the query engine reads them.
        content: Its bytes, if they have been fetched from a bucket; else empty.
    """

    path: str
    name: str
    bytes: int
    modified: int
    table_path: tuple[str, ...] = ()
    handle: Any = field(default=None, compare=False, repr=False)
    system: Any = field(default=None, compare=False, repr=False)
    etag: str = ""
    constants: tuple[tuple[str, str | None], ...] = field(default=(), compare=False)  # implied by the name
    decoding: Decoding = field(default=PLAIN_DECODING, compare=False)
    content: FileContent = field(default=b"", compare=False, repr=False)

    @property
    def compression(self) -> str | None:
        """The compression of the whole file, by its name: ``gzip``, ``zstd``, ``bz2`` or ``xz``; None without one."""
        return find_compression(self.path)

    @property
    def address(self) -> str:
        """Its path for the query engine."""
        return self.decoding.build_address(self.path)

    def open(self) -> BinaryIO:
        """Open it for reading."""
        if self.content:
            return io.BytesIO(self.content)
        if self.system is not None:
            return cast("BinaryIO", remote_files.open_remote_stream(self.system, self.key))
        return Path(self.path).open("rb")

    @property
    def key(self) -> str:
        """Its path in the bucket's file system."""
        return self.path.partition("://")[2]

    def read_size(self) -> int | None:
        """Return its present size in bytes; None if it is missing."""
        if self.system is not None:
            return cast("int | None", retry_passing_failures(lambda: self.system.get_file_info(self.key)).size)
        try:
            return Path(self.path).stat().st_size
        except FileNotFoundError:
            return None

    @contextlib.contextmanager
    def open_decompressed(self) -> Iterator[BinaryIO]:
        """Open it for reading, decompressed."""
        with self.open() as stream, open_decompressed(stream, self.compression) as inner:
            yield inner


@dataclass(frozen=True, kw_only=True)
class SourceListing:
    """Tables and files of a source.

    Attributes:
        uri: As in ``sandbox.toml``.
        base: The folder for a relative uri.
        display_name: The address for messages.
        files: Table -> format and files, sorted by name.
        problems: Table -> the reason it cannot be read.
        views: Tables that are views: `sandbox init` leaves them out.
        left_out: File or folder that is no table and no part of one -> the reason.
        is_folder: Whether its tables are files and folders.
        remote: The bucket, if it is one.
        handle: The adapter's reader of the whole source, such as a catalogue.
        connection: The database snapshot held until `close`.
        listed: When it was listed, in seconds since 1970 UTC.
    """

    uri: str
    base: Path
    display_name: str
    files: Mapping[str, tuple[SourceFormat, tuple[SourceFile, ...]]] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    views: frozenset[str] = frozenset()
    left_out: Mapping[str, str] = field(default_factory=dict)
    is_folder: bool = False
    remote: RemoteStore | None = None
    handle: Any = field(default=None, compare=False, repr=False)
    connection: Closeable | None = field(default=None, compare=False, repr=False)
    listed: float = field(default_factory=time.time, compare=False)

    def close(self) -> None:
        """Release the connection."""
        if self.connection is not None:
            self.connection.close()

    def find_table(self, table: str) -> tuple[SourceFormat, tuple[SourceFile, ...]]:
        """Return a table's format and files.

        Raises:
            SourceError: It exists but cannot be read as a table.
            ConfigError: It does not exist.
        """
        if table in self.problems:
            raise SourceError(self.problems[table])
        if table in self.files:
            return self.files[table]
        where = f": no file in {self.display_name} has that name and a suffix of a table, and no folder has that name"
        raise ConfigError(
            f"the source has no table {table}{where if self.is_folder else f' ({self.display_name})'}",
            hint=suggest_name(table, [*self.files, *self.problems], "tables there"),
        )


def are_many_small_files(files: Sequence[SourceFile]) -> bool:
    """Check whether there are so many files, and so small, that opening them costs more than their bytes."""
    return len(files) >= MIN_SMALL_FILES and sum(file.bytes for file in files) <= MAX_MEAN_BYTES * len(files)


def fetch_etags(files: Sequence[SourceFile], *, with_content: bool = False) -> tuple[SourceFile, ...]:
    """Return files with their etags in a bucket; sizes and whole seconds do not reveal every change.

    Files that have an etag keep it. ``with_content`` also fetches the bytes of many small files.

    Raises:
        OSError: A file is missing or unreachable.
    """
    if not any(file.system is not None for file in files):
        return tuple(files)
    small = are_many_small_files(files) and sum(file.bytes for file in files) <= MAX_CONTENT_BYTES
    fetch = functools.partial(_fetch_etag, with_content=with_content and small)
    with ThreadPoolExecutor(MAX_CONCURRENT_REQUESTS) as pool:
        return tuple(pool.map(fetch, files))


def _fetch_etag(file: SourceFile, *, with_content: bool) -> SourceFile:
    if file.etag and not with_content:
        return file

    def fetch() -> tuple[Any, bytes]:
        with file.system.open_input_file(file.key) as stream:
            return stream.metadata() or {}, stream.read() if with_content else b""

    metadata, content = retry_passing_failures(fetch)
    return replace(file, etag=metadata.get(b"ETag", metadata.get("ETag", b"")).decode(), content=content)


def keep_etags(before: Sequence[SourceFile], listed: float, now: Sequence[SourceFile]) -> tuple[SourceFile, ...]:
    """Return files with the etags of those that cannot have changed since they were listed before.

    A file changed since then has a later time, which shows in whole seconds unless the file was written just before it was
    listed.

    Args:
        before: The files as they were opened.
        listed: When they had been listed, in seconds since 1970 UTC.
        now: The files as listed now, without etags.
    """
    etags = {
        (file.path, file.bytes, file.modified): file.etag
        for file in before
        if file.modified / 1e9 < listed - MAX_CLOCK_DIFFERENCE
    }
    return tuple(replace(file, etag=etags.get((file.path, file.bytes, file.modified), file.etag)) for file in now)


def register_files(session: Session, files: Iterable[SourceFile]) -> None:
    """Make files readable in a session: those of a bucket, and those that Python decodes."""
    for file in files:
        if not file.decoding.is_plain:
            decoded_files.register_decoded_file(session, file.address, file.open, file.decoding, file.modified)
        elif file.system is not None:
            sizes = {file.path: (file.bytes, file.modified)}
            remote_files.register_remote_files(session, file.system, sizes, {file.path: file.content})


def suggest_name(name: str, valid: Iterable[str], what: str) -> str:
    """Return a hint with the closest valid name, or with all of them.

    >>> suggest_name("custmers", ["customers", "orders"], "tables there")
    'did you mean "customers"?'
    """
    names = sorted(valid)
    close = difflib.get_close_matches(name.lower(), [valid_name.lower() for valid_name in names], n=1, cutoff=0.6)
    if close:
        return f'did you mean "{next(valid_name for valid_name in names if valid_name.lower() == close[0])}"?'
    shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    return f"{what}: {shown or 'none'}"
