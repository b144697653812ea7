"""Archives of content-addressed files: a tar of ``blobs/sha256/<digest>``, ended by one document that names them.

The document is written last, so an archive with a document is complete.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import hashlib
import os
import re
import tarfile
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.errors import StoreError
from sandbox.store.folder import translate_os_errors
from sandbox.tar_files import CHUNK_BYTES, END_OF_TAR, format_tar_member, round_to_blocks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import IO

DOCUMENT_FILE = "bundle.json"
MAX_DOCUMENT_BYTES = 2**28
_BLOB_NAME = re.compile(r"blobs/sha256/(?P<digest>[0-9a-f]{64})")


class BlobWriter:
    """Writes blobs to the end of an unfinished archive; each is complete, or removed by the next writer."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        """Keep the complete blobs of a file open for reading and writing, and drop what follows them."""
        self.path = path
        self._file = file
        self._digests: set[str] = set()
        self._keep_complete_blobs()

    def __contains__(self, digest: object) -> bool:
        """Return whether the archive has a blob."""
        return digest in self._digests

    def add_blob(self, digest: str, size: int, chunks: Iterable[bytes]) -> None:
        """Add a blob unless it is there.

        Args:
            digest: Its SHA-256 (hex).
            size: Its bytes.
            chunks: Its content.

        Raises:
            StoreError: The content is not that of the digest, or the disk is full.
        """
        if digest in self._digests:
            return
        self._write_member(f"blobs/sha256/{digest}", size, _check_chunks(chunks, digest, origin="what is bundled"))
        self._digests.add(digest)

    def write_document(self, text: str) -> None:
        """Write the document and the end of the archive, and sync it to the disk."""
        content = text.encode()
        self._write_member(DOCUMENT_FILE, len(content), [content])
        self._file.write(END_OF_TAR)
        self._file.flush()
        os.fsync(self._file.fileno())

    def _write_member(self, name: str, size: int, chunks: Iterable[bytes]) -> None:
        for chunk in format_tar_member(name, size, chunks):
            self._file.write(chunk)
        self._file.flush()

    def _keep_complete_blobs(self) -> None:
        end = 0
        self._file.seek(0)
        with (
            contextlib.suppress(tarfile.TarError, StoreError),
            tarfile.open(fileobj=self._file, mode="r:") as tar,
        ):
            for member in tar:
                digest = _parse_digest(member)
                if digest is None:
                    break
                content = _read_range(self._file, member.offset_data, member.size)
                deque(_check_chunks(content, digest, origin=""), maxlen=0)
                self._digests.add(digest)
                end = member.offset_data + round_to_blocks(member.size)
        self._file.truncate(end)
        self._file.seek(end)


@contextlib.contextmanager
def open_blob_writer(target: Path, plan: str) -> Iterator[BlobWriter]:
    """Yield the writer of an archive, which is renamed to ``target`` at the end of the block.

    After an error or a kill the blobs stay in ``.<name>.<plan>.part`` beside it, and the next writer of the same plan goes
    on there.

    Args:
        target: The archive; an existing one is replaced.
        plan: A digest (hex) of what is going to be in it.

    Raises:
        StoreError: It cannot be written, or another command writes it.
    """
    partial = target.parent / f".{target.name}.{plan[:16]}.part"
    with contextlib.ExitStack() as stack:
        with translate_os_errors(target):
            for other in target.parent.glob(f".{glob.escape(target.name)}.*.part"):
                if other != partial:
                    other.unlink()
            file = stack.enter_context(partial.open("r+b" if partial.exists() else "w+b"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StoreError(f"another command writes {target}", hint="wait for it") from error
            partial.chmod(0o600)
            writer = BlobWriter(partial, file)
        yield writer
        with translate_os_errors(target):
            partial.replace(target)


@dataclass(frozen=True, kw_only=True)
class BlobArchive:
    """A complete archive.

    Attributes:
        path: The file.
        document: The text of its document.
        blobs: The offset and size of each blob by digest.
    """

    path: Path
    document: str
    blobs: Mapping[str, tuple[int, int]]

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the document, which names every blob by its own digest."""
        return hashlib.sha256(self.document.encode()).hexdigest()

    def read_blob(self, digest: str) -> Iterator[bytes]:
        """Yield a blob in chunks, the last one only if the whole is that of the digest.

        Raises:
            StoreError: It is missing or damaged.
        """
        if digest not in self.blobs:
            raise StoreError(f"{self.path} is damaged: it has no {digest[:16]}…, which it names")
        offset, size = self.blobs[digest]
        with self.path.open("rb") as file:
            yield from _check_chunks(_read_range(file, offset, size), digest, origin=str(self.path))


def open_archive(path: Path) -> BlobArchive:
    """Read the document and the index of an archive.

    Raises:
        StoreError: It cannot be read, is not complete, or holds anything else.
    """
    blobs: dict[str, tuple[int, int]] = {}
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                if (
                    member.name == DOCUMENT_FILE
                    and member.type == tarfile.REGTYPE
                    and member.size <= MAX_DOCUMENT_BYTES
                ):
                    file = tar.extractfile(member)
                    assert file is not None, "it is a regular file"
                    return BlobArchive(path=path, document=file.read().decode(), blobs=blobs)
                digest = _parse_digest(member)
                if digest is None:
                    raise StoreError(f"{path} is no bundle: it holds {member.name[:100]!r}")
                blobs[digest] = (member.offset_data, member.size)
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}") from error
    except (tarfile.TarError, UnicodeDecodeError, EOFError) as error:
        raise StoreError(f"{path} is no bundle, or is damaged", hint="copy it again") from error
    raise StoreError(f"{path} is not complete: its end is missing", hint="copy it again")


def _check_chunks(chunks: Iterable[bytes], digest: str, *, origin: str) -> Iterator[bytes]:
    """Yield chunks one behind, and the last only if the whole has a digest."""
    computed, previous = hashlib.sha256(), b""
    for chunk in chunks:
        computed.update(chunk)
        if previous:
            yield previous
        previous = chunk
    if computed.hexdigest() != digest:
        raise StoreError(
            f"{origin} is damaged: the bytes of {digest[:16]}… have SHA-256 {computed.hexdigest()[:16]}…",
            hint="copy it again",
        )
    yield previous


def _read_range(file: IO[bytes], offset: int, size: int) -> Iterator[bytes]:
    file.seek(offset)
    while size > 0 and (chunk := file.read(min(size, CHUNK_BYTES))):
        size -= len(chunk)
        yield chunk


def _parse_digest(member: tarfile.TarInfo) -> str | None:
    match = _BLOB_NAME.fullmatch(member.name)
    return match["digest"] if match and member.type == tarfile.REGTYPE and not member.pax_headers else None
