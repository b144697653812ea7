"""Files in buckets, for the engine: it asks for the parts of a file that it needs, and pyarrow fetches them."""

from __future__ import annotations

import datetime as dt
import re
import threading
from typing import TYPE_CHECKING, Any

from fsspec import AbstractFileSystem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyarrow import fs

    from sandbox.engine.duckdb.session import Session


class RemoteFile:
    """An opened file that several threads may read at once: each has a place of its own.

    The engine goes to a place and reads there in two calls, and another thread may come between them.
    """

    def __init__(self, file: Any, path: str) -> None:
        self._file, self._path = file, path
        self._thread_state = threading.local()

    def tell(self) -> int:
        """Give this thread's place."""
        place: int = getattr(self._thread_state, "place", 0)
        return place

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place, as files do."""
        self._thread_state.place = (0, self.tell(), self._file.size())[whence] + offset
        return self.tell()

    def read(self, count: int) -> bytes:
        """Give some bytes from this thread's place on; less where the file ends."""
        try:
            found: bytes = self._file.read_at(count, self.tell())
        except OSError as error:
            raise OSError(f"{self._path}: {' '.join(str(error).split())}") from None
        self._thread_state.place = self.tell() + len(found)
        return found

    def close(self) -> None:
        """End reading."""
        self._file.close()


class RemoteFileSystem(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """The files of a bucket that a session may read: those that it was told of, and no others.

    Args:
        system: pyarrow's file system.
        scheme: What their addresses begin with.
    """

    cachable = False

    def __init__(self, system: fs.FileSystem, scheme: str) -> None:
        super().__init__()
        self.protocol = scheme
        self.system = system
        self.listed_files: dict[str, tuple[int, int]] = {}

    def open(self, path: str, mode: str = "rb", **_: Any) -> RemoteFile:
        """Open a file for reading."""
        if path not in self.listed_files or mode != "rb":
            raise FileNotFoundError(path)
        return RemoteFile(self.system.open_input_file(path.partition("://")[2]), path)

    def glob(self, path: str, **_: Any) -> list[str]:
        """Give the file that a pattern names: patterns here match one path only (see `sandbox.engine.duckdb.table_functions.format_file_list`)."""
        exact = re.sub(r"\[([*?\[])\]", r"\1", path)
        return [exact] if exact in self.listed_files else []

    def exists(self, path: str, **_: Any) -> bool:
        """Say whether a file is known."""
        return path in self.listed_files

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Give a file's size, as it was listed."""
        return {"name": path, "size": self.listed_files[path][0], "type": "file"}

    def modified(self, path: str) -> dt.datetime:
        """Give when a file was written, as it was listed."""
        return dt.datetime.fromtimestamp(self.listed_files[path][1] / 1e9, dt.UTC)


def register_remote_files(session: Session, system: fs.FileSystem, files: Mapping[str, tuple[int, int]]) -> None:
    """Let a session read files of a bucket.

    Args:
        session: The engine.
        system: pyarrow's file system.
        files: By address the size, and the time of writing in nanoseconds since 1970 UTC.
    """
    for address, about in files.items():
        scheme = address.partition("://")[0]
        if scheme not in session.remote_file_systems:
            session.remote_file_systems[scheme] = RemoteFileSystem(system, scheme)
            session.connection.register_filesystem(session.remote_file_systems[scheme])
        session.remote_file_systems[scheme].listed_files[address] = about
