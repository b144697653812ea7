"""``checked/<folder>.json``: the files of a sample or half-sample, as they were when they were last compared with it."""

from __future__ import annotations

from typing import ClassVar

from sandbox.manifest.document import Document, DocumentPart


class CheckedFile(DocumentPart):
    """A file: its SHA-256, and size, times of modification and change (ns) and inode at the time."""

    sha256: str
    stats: tuple[int, int, int, int]


class CheckedFiles(Document):
    """Every file of a folder, by its path relative to the folder with forward slashes."""

    NAME: ClassVar[str] = "the record of checked files"
    HAS_SEAL: ClassVar[bool] = True

    folder: str
    files: dict[str, CheckedFile]
