"""Remote files for DuckDB: it requests byte ranges, and pyarrow fetches them."""

from __future__ import annotations

import datetime as dt
import functools
import io
import re
import threading
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from fsspec import AbstractFileSystem

from sandbox.error_text import describe_foreign_error
from sandbox.storage_errors import retry_passing_failures

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyarrow import fs

    from sandbox.engine.duckdb.session import Session

MIN_RETRIED_BYTES = 4096  # a server's error is shown only if the requested range is at least as long as it
BUFFER_BYTES = 64 * 2**10


def read_range(file: Any, count: int, position: int) -> bytes:
    """Return up to ``count`` bytes of one of pyarrow's files; try again what passes.

    Raises:
        OSError: The file cannot be read.
    """
    asked = [count]

    def read() -> bytes:
        try:
            data: bytes = file.read_at(asked[0], position)
        except OSError:
            asked[0] = max(count, MIN_RETRIED_BYTES)
            raise
        return data[:count]

    return retry_passing_failures(read)


class RemoteStream(io.RawIOBase):
    """One of pyarrow's files as a stream, whose reads are tried again."""

    def __init__(self, system: fs.FileSystem, path: str) -> None:
        super().__init__()
        self._file = retry_passing_failures(lambda: system.open_input_file(path))
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = (0, self._position, self._file.size())[whence] + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        data = read_range(self._file, len(buffer), self._position)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def open_remote_stream(system: fs.FileSystem, path: str) -> io.BufferedReader:
    """Open a file of a bucket for reading; reads are tried again.

    Raises:
        OSError: It is missing or unreachable.
    """
    return io.BufferedReader(RemoteStream(system, path), BUFFER_BYTES)


class RemoteFile:
    """An open file that several threads may read at once.

    DuckDB reads at a position by a seek and a read of one thread, and another thread may come between them: such a seek
    counts for the next read of its own thread. It also reads in sequence, by one seek and reads of any thread, one after
    the other: a read of a thread that has not sought goes on at the common position, and ends what others have sought.
    Python forgets thread-local values of DuckDB's threads between two calls, so seeks are kept by the thread's number.
    """

    def __init__(self, file: Any, path: str) -> None:
        self._file, self._path = file, path
        self._position = 0
        self._seeks: dict[int, int] = {}

    def tell(self) -> int:
        return self._seeks.get(threading.get_ident(), self._position)

    def seek(self, offset: int, whence: int = 0) -> int:
        position: int = (0, self.tell(), self._file.size())[whence] + offset
        self._seeks[threading.get_ident()] = self._position = position
        return position

    def read(self, count: int) -> bytes:
        """Return up to ``count`` bytes from where this thread has sought, else from the common position."""
        position = self._seeks.pop(threading.get_ident(), None)
        if position is None:
            position = self._position
            self._seeks.clear()
        try:
            data = read_range(self._file, count, position)
        except OSError as error:
            raise OSError(f"{self._path}: {describe_foreign_error(error)}") from None
        self._position = position + len(data)
        return data

    def close(self) -> None:
        self._file.close()


class ListedFileSystem(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Files that a session may read: only the registered ones."""

    cachable = False

    def __init__(self, scheme: str) -> None:
        super().__init__()
        self.protocol = scheme
        self._files: dict[str, tuple[Callable[[], int], int]] = {}

    def list_file(self, path: str, size: Callable[[], int], modified: int) -> None:
        """Allow a file of a size in bytes, changed at a time in nanoseconds since 1970 UTC."""
        self._files[path] = (size, modified)

    def open_listed(self, path: str) -> RemoteFile:
        """Open a registered file."""
        raise NotImplementedError

    def open(self, path: str, mode: str = "rb", **_: Any) -> RemoteFile:
        if path not in self._files or mode != "rb":
            raise FileNotFoundError(path)
        return self.open_listed(path)

    def glob(self, path: str, **_: Any) -> list[str]:
        """Return the file that a pattern matches.

        Patterns match one path only (see `sandbox.engine.duckdb.table_functions.format_file_list`).
        """
        exact = re.sub(r"\[([*?\[])\]", r"\1", path)
        return [exact] if exact in self._files else []

    def exists(self, path: str, **_: Any) -> bool:
        """Return whether a file is registered."""
        return path in self._files

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Return a file's size, as listed."""
        return {"name": path, "size": self._files[path][0](), "type": "file"}

    def modified(self, path: str) -> dt.datetime:
        """Return a file's modification time, as listed."""
        return dt.datetime.fromtimestamp(self._files[path][1] / 1e9, dt.UTC)


class RemoteFileSystem(ListedFileSystem):
    """Files of a bucket that a session may read."""

    def __init__(self, system: fs.FileSystem, scheme: str) -> None:
        super().__init__(scheme)
        self.system = system
        self.contents: dict[str, bytes] = {}  # of files that are in memory

    def open_listed(self, path: str) -> RemoteFile:
        if content := self.contents.get(path):
            return RemoteFile(pa.BufferReader(content), path)
        key = path.partition("://")[2]
        try:
            return RemoteFile(retry_passing_failures(lambda: self.system.open_input_file(key)), path)
        except OSError as error:
            raise OSError(f"{path}: {describe_foreign_error(error)}") from None


def register_remote_files(
    session: Session,
    system: fs.FileSystem,
    files: Mapping[str, tuple[int, int]],
    contents: Mapping[str, bytes] | None = None,
) -> None:
    """Allow a session to read files of a bucket.

    ``files`` are sizes, and modification times in nanoseconds since 1970 UTC, by address; ``contents`` the bytes of files that
    are in memory.
    """
    for address, size_and_time in files.items():
        scheme = address.partition("://")[0]
        if scheme not in session.remote_file_systems:
            session.register_file_system(scheme, RemoteFileSystem(system, scheme))
        size, modified = size_and_time
        session.remote_file_systems[scheme].list_file(address, functools.partial(int, size), modified)
        session.remote_file_systems[scheme].contents[address] = (contents or {}).get(address, b"")
