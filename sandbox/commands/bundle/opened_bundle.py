"""An open bundle, read as a store of files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.errors import StoreError
from sandbox.formatting import format_count
from sandbox.store.blob_archive import open_archive
from sandbox.store.bundle_document import BundleDocument

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.store.blob_archive import BlobArchive
    from sandbox.store.bundle_document import BundledFile


@dataclass(frozen=True, kw_only=True)
class OpenBundle:
    """A bundle as a store of files (see `sandbox.store.remote.ReadableStore`)."""

    name: str
    archive: BlobArchive
    document: BundleDocument

    @property
    def files(self) -> dict[str, BundledFile]:
        return {file.path: file for file in self.document.files}

    def list_sizes(self, folder: str) -> dict[str, int | None]:
        prefix = f"{folder}/"
        return {
            file.path.removeprefix(prefix): file.bytes for file in self.document.files if file.path.startswith(prefix)
        }

    def list_folders(self, folder: str) -> list[str]:
        return sorted({name.partition("/")[0] for name in self.list_sizes(folder)})

    def check_exists(self) -> None:
        """The archive was opened."""

    def read_text(self, path: str, *, most: int) -> str | None:
        if path not in self.files:
            return None
        try:
            return b"".join(self.read_chunks(path, most=most)).decode()
        except UnicodeDecodeError as error:
            raise StoreError(f"{self.format_address(path)} is damaged: {error}") from error

    def read_chunks(self, path: str, *, most: int) -> Iterator[bytes]:
        file = self.files[path]
        if file.bytes > most:
            raise StoreError(f"{self.format_address(path)} has more than its {format_count(most, 'byte')}")
        return self.archive.read_blob(file.sha256)

    def format_address(self, path: str) -> str:
        return f"{path} in {self.name}"


def open_bundle(path: Path) -> OpenBundle:
    """Open a bundle and check that it has everything its document names.

    Raises:
        StoreError: It is no bundle, or is not complete.
    """
    archive = open_archive(path)
    document = BundleDocument.parse(archive.document, origin=str(path))
    bundle = OpenBundle(name=str(path), archive=archive, document=document)
    for file in document.files:
        if archive.blobs.get(file.sha256, (0, -1))[1] != file.bytes:
            raise StoreError(f"{path} is damaged: {file.path} is not in it", hint="copy it again")
    for image in document.images:
        for name in (image.config, *image.layers):
            if name not in archive.blobs:
                raise StoreError(f"{path} is damaged: a part of {image.reference} is not in it", hint="copy it again")
    return bundle
