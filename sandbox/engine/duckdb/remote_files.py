"""Remote files for DuckDB: it requests byte ranges, and pyarrow fetches them."""

from __future__ import annotations

import datetime as dt
import re
import threading
from typing import TYPE_CHECKING, Any

from fsspec import AbstractFileSystem

from sandbox.error_text import describe_foreign_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyarrow import fs

    from sandbox.engine.duckdb.session import Session


class RemoteFile:
    """An open file that several threads may read at once, each at its own position.

    DuckDB seeks and reads in two calls, and another thread may come between them.
    """

    def __init__(self, file: Any, path: str) -> None:
        self._file, self._path = file, path
        self._thread_state = threading.local()

    def tell(self) -> int:
        position: int = getattr(self._thread_state, "position", 0)
        return position

    def seek(self, offset: int, whence: int = 0) -> int:
        self._thread_state.position = (0, self.tell(), self._file.size())[whence] + offset
        return self.tell()

    def read(self, count: int) -> bytes:
        """Return up to ``count`` bytes from this thread's position."""
        try:
            data: bytes = self._file.read_at(count, self.tell())
        except OSError as error:
            raise OSError(f"{self._path}: {describe_foreign_error(error)}") from None
        self._thread_state.position = self.tell() + len(data)
        return data

    def close(self) -> None:
        self._file.close()


class RemoteFileSystem(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Files of a bucket that a session may read: only the registered ones."""

    cachable = False

    def __init__(self, system: fs.FileSystem, scheme: str) -> None:
        super().__init__()
        self.protocol = scheme
        self.system = system
        self.listed_files: dict[str, tuple[int, int]] = {}

    def open(self, path: str, mode: str = "rb", **_: Any) -> RemoteFile:
        if path not in self.listed_files or mode != "rb":
            raise FileNotFoundError(path)
        return RemoteFile(self.system.open_input_file(path.partition("://")[2]), path)

    def glob(self, path: str, **_: Any) -> list[str]:
        """Return the file that a pattern matches.

        Patterns match one path only (see `sandbox.engine.duckdb.table_functions.format_file_list`).
        """
        exact = re.sub(r"\[([*?\[])\]", r"\1", path)
        return [exact] if exact in self.listed_files else []

    def exists(self, path: str, **_: Any) -> bool:
        """Return whether a file is registered."""
        return path in self.listed_files

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Return a file's size, as listed."""
        return {"name": path, "size": self.listed_files[path][0], "type": "file"}

    def modified(self, path: str) -> dt.datetime:
        """Return a file's modification time, as listed."""
        return dt.datetime.fromtimestamp(self.listed_files[path][1] / 1e9, dt.UTC)


def register_remote_files(session: Session, system: fs.FileSystem, files: Mapping[str, tuple[int, int]]) -> None:
    """Allow a session to read files of a bucket.

    ``files`` are sizes, and modification times in nanoseconds since 1970 UTC, by address.
    """
    for address, size_and_time in files.items():
        scheme = address.partition("://")[0]
        if scheme not in session.remote_file_systems:
            session.remote_file_systems[scheme] = RemoteFileSystem(system, scheme)
            session.connection.register_filesystem(session.remote_file_systems[scheme])
        session.remote_file_systems[scheme].listed_files[address] = size_and_time
