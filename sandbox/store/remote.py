"""Access a folder or bucket shared by a team through pyarrow's file systems, translating their exceptions."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
import uuid
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote, unquote, urlsplit

import pyarrow as pa
from pyarrow import fs

from sandbox.error_text import describe_foreign_error
from sandbox.errors import StoreError
from sandbox.formatting import format_count
from sandbox.model import BUCKET_SCHEMES
from sandbox.scratch import STAGED_PREFIX
from sandbox.storage_errors import MISSING, classify_failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from urllib.parse import SplitResult

CHUNK_BYTES = 4 * 2**20
LEFTOVER_AGE = dt.timedelta(days=1)
GCS_RETRY_SECONDS = 30  # without it the client tries for 15 minutes

_SECRET_VARIABLES = re.compile(r"^(AWS|AZURE|GOOGLE|GCS|GCP)_.*(KEY|SECRET|TOKEN|PASSWORD|CONNECTION|SAS)")


class ReadableStore(Protocol):
    """What a pull of a sample reads: a `RemoteStore`, or a bundle. See the methods of `RemoteStore`."""

    @property
    def name(self) -> str: ...

    def list_sizes(self, folder: str) -> dict[str, int | None]: ...

    def list_folders(self, folder: str) -> list[str]: ...

    def check_exists(self) -> None: ...

    def read_text(self, path: str, *, most: int) -> str | None: ...

    def read_chunks(self, path: str, *, most: int) -> Iterator[bytes]: ...

    def format_address(self, path: str) -> str: ...


@dataclass(frozen=True, kw_only=True)
class RemoteStore:
    """An open store. Paths are relative to it, with forward slashes.

    Files are written atomically. A refused, missing or unreachable file is a StoreError.

    Attributes:
        name: Its name in messages.
        root: Its path for the file system.
        system: pyarrow's file system.
        address: The address for `open_store`, valid on any machine with access.
    """

    name: str
    root: str
    system: fs.FileSystem
    address: str

    @property
    def is_local(self) -> bool:
        """Whether it is a folder."""
        return isinstance(self.system, fs.LocalFileSystem)

    def list_sizes(self, folder: str) -> dict[str, int | None]:
        """Return every file below a folder with its bytes; None if it is no plain file. Empty if there is no folder."""
        infos = self._list_file_infos(folder, recursive=True)
        prefix = f"{self._resolve_path(folder)}/"
        return {
            info.path.removeprefix(prefix): info.size if info.type == fs.FileType.File else None
            for info in infos
            if info.type != fs.FileType.Directory and not _is_staged(info)
        }

    def list_entries(self, folder: str = "") -> list[tuple[str, int | None, int]]:
        """Return all entries of a folder: path, bytes (None for a folder), and time in ns since 1970 UTC."""
        prefix = f"{self._resolve_path(folder).rstrip('/')}/"
        return [
            (
                info.path.removeprefix(prefix),
                info.size if info.type == fs.FileType.File else None,
                info.mtime_ns or 0,
            )
            for info in self._list_file_infos(folder, recursive=True)
        ]

    def list_folders(self, folder: str) -> list[str]:
        """Return the names of the folders in a folder."""
        infos = self._list_file_infos(folder, recursive=False)
        return sorted(info.base_name for info in infos if info.type == fs.FileType.Directory)

    def check_exists(self) -> None:
        """Check that the bucket, or the folder's parent, exists: an empty listing is not enough."""
        top = str(Path(self.root).parent) if self.is_local else self.root.partition("/")[0]
        with self._translate_errors("read"):
            missing = self.system.get_file_info(top).type == fs.FileType.NotFound
        if missing:
            what = f"there is no folder {top}" if self.is_local else f"there is no bucket {top}"
            raise StoreError(f"{self.name} cannot be used: {what}", hint="make it, or correct the name")

    def read_text(self, path: str, *, most: int) -> str | None:
        """Return a small text file; None if it does not exist.

        Raises:
            StoreError: The file has more than ``most`` bytes, or is no text.
        """
        with self._translate_errors("read"):
            info = self.system.get_file_info(self._resolve_path(path))
        if info.type == fs.FileType.NotFound:
            return None
        if info.type != fs.FileType.File or info.size > most:
            raise StoreError(f"{path} in {self.name} is not what it should be: {info.size} bytes")
        try:
            return b"".join(self.read_chunks(path, most=most)).decode()
        except UnicodeDecodeError as error:
            raise StoreError(f"{path} in {self.name} is damaged: {error}") from error

    def read_chunks(self, path: str, *, most: int) -> Iterator[bytes]:
        """Yield a file's bytes in chunks.

        Raises:
            StoreError: The file cannot be read, or has more than ``most`` bytes.
        """
        with contextlib.ExitStack() as stack:
            with self._translate_errors("read"):
                stream = stack.enter_context(self.system.open_input_stream(self._resolve_path(path), compression=None))
            left = most
            while True:
                with self._translate_errors("read"):
                    chunk = stream.read(CHUNK_BYTES)
                if not chunk:
                    return
                left -= len(chunk)
                if left < 0:
                    raise StoreError(f"{path} in {self.name} has more than its {format_count(most, 'byte')}")
                yield chunk

    def write(self, path: str, chunks: Iterable[bytes]) -> None:
        """Write a file, replacing an existing one.

        A started upload to a bucket cannot be aborted: pyarrow has no way to do it. Closing the stream, or releasing
        it, makes a file of the bytes sent so far. So ``chunks`` must be readable to the end.
        """
        target = self._resolve_path(path)
        parent = PurePosixPath(target).parent
        written = str(parent / f"{STAGED_PREFIX}{uuid.uuid4().hex}") if self.is_local else target
        try:
            with self._translate_errors("written"):
                if self.is_local:
                    self.system.create_dir(str(parent), recursive=True)
                stream = self.system.open_output_stream(written, compression=None)
            try:
                for chunk in chunks:
                    with self._translate_errors("written"):
                        stream.write(chunk)
            finally:
                with self._translate_errors("written"):
                    stream.close()
            if self.is_local:
                with self._translate_errors("written"):
                    _sync_file(Path(written))
                    self.system.move(written, target)
        except BaseException:
            if self.is_local:
                with contextlib.suppress(OSError):  # the error is already being raised
                    Path(written).unlink(missing_ok=True)
            raise

    def remove(self, path: str) -> None:
        """Remove a file."""
        with self._translate_errors("written"):
            self.system.delete_file(self._resolve_path(path))

    def move(self, path: str, target: str) -> None:
        """Rename a file, replacing an existing target; a bucket copies it on the server and then removes it."""
        with self._translate_errors("written"):
            if self.is_local:
                self.system.create_dir(str(PurePosixPath(self._resolve_path(target)).parent), recursive=True)
            self.system.move(self._resolve_path(path), self._resolve_path(target))

    def remove_folder(self, folder: str) -> None:
        """Remove a folder with its contents, if it exists."""
        with self._translate_errors("written"):
            if self.system.get_file_info(self._resolve_path(folder)).type == fs.FileType.Directory:
                self.system.delete_dir(self._resolve_path(folder))

    def remove_leftovers(self, folder: str) -> None:
        """Remove incomplete files of killed writers in a folder, older than a day: no upload takes longer."""
        oldest = dt.datetime.now(dt.UTC) - LEFTOVER_AGE
        for info in self._list_file_infos(folder, recursive=True) if self.is_local else []:
            if _is_staged(info) and info.mtime is not None and info.mtime < oldest:
                Path(info.path).unlink(missing_ok=True)

    def format_address(self, path: str) -> str:
        """Return the address of a file or folder, for messages."""
        return f"{self.name.rstrip('/')}/{path}"

    def _resolve_path(self, path: str) -> str:
        return f"{self.root.rstrip('/')}/{path}"

    def _list_file_infos(self, folder: str, *, recursive: bool) -> list[fs.FileInfo]:
        selector = fs.FileSelector(self._resolve_path(folder), recursive=recursive, allow_not_found=True)
        with self._translate_errors("read"):
            infos: list[fs.FileInfo] = self.system.get_file_info(selector)
        return infos

    def _translate_errors(self, doing: str) -> contextlib.AbstractContextManager[None]:
        return _translate_errors(self.name, doing)


def open_store(address: str, *, base: Path) -> RemoteStore:
    """Open a store; its availability is checked at the first use.

    Args:
        address: A path, or a URI: ``file://``, ``s3://``, ``gs://`` or ``abfss://``. Spaces and letters beyond ASCII are
            allowed unescaped. Options are pyarrow's, such as ``?endpoint_override=…&region=…``. Credentials are taken
            from the environment only.
        base: The base of a relative path.

    Raises:
        StoreError: The path or URI is invalid, or contains credentials.
    """
    if "://" not in address:
        return _open_folder(base / Path(address).expanduser())
    parts = urlsplit(address)
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    if parts.password is not None or (parts.username and parts.scheme in {"s3", "gs", "gcs"}):
        hint = "take them out of it and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in"
        raise StoreError(f"{shown}: credentials belong in the environment, not in the address", hint=hint)
    if parts.fragment:
        raise StoreError(f"{shown}: the address goes on with #", hint="write # as %23")
    if parts.scheme == "file" and parts.netloc in {"", "localhost"}:
        return _open_folder(Path(unquote(parts.path)))
    if parts.scheme not in BUCKET_SCHEMES:
        known = ", ".join(f"{scheme}://" for scheme in BUCKET_SCHEMES)
        raise StoreError(f"{shown}: a store is a folder or one of {known}")
    with _translate_errors(shown, "opened"):
        system, root = fs.FileSystem.from_uri(_quote_uri(parts))
    return RemoteStore(name=shown, root=root, system=system, address=_quote_uri(parts))


def _open_folder(path: Path) -> RemoteStore:
    folder = Path(os.path.normpath(path))
    return RemoteStore(name=str(folder), root=str(folder), system=fs.LocalFileSystem(), address=str(folder))


def _quote_uri(parts: SplitResult) -> str:
    """Return a URI for pyarrow: without spaces, ASCII only, with a limit on retries."""
    query = parts.query
    if parts.scheme in {"gs", "gcs"} and "retry_limit_seconds=" not in query:
        query = "&".join(filter(None, [query, f"retry_limit_seconds={GCS_RETRY_SECONDS}"]))
    return parts._replace(path=quote(parts.path, safe="/%"), query=query).geturl()


@contextlib.contextmanager
def _translate_errors(name: str, doing: str) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        text = _redact_secrets(describe_foreign_error(error))
        if failure := classify_failure(text):
            hint = failure.hint if failure is not MISSING else ""
            raise StoreError(f"{name} cannot be {doing}: {failure.reason} ({text})", hint=hint) from error
        raise StoreError(f"{name} cannot be {doing}: {text}") from error


def _redact_secrets(text: str) -> str:
    for variable, value in os.environ.items():
        if _SECRET_VARIABLES.match(variable) and value.strip():
            text = text.replace(value, "…")
    return text


def _is_staged(info: fs.FileInfo) -> bool:
    return str(info.base_name).startswith(STAGED_PREFIX)


def _sync_file(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
