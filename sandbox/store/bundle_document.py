"""``bundle.json``: the last file of a bundle, which names all others by their digests."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from sandbox.manifest.document import Document, DocumentPart

DIGEST_PATTERN = r"^[0-9a-f]{64}$"


class BundledFile(DocumentPart):
    """A file of the home or of the project: its path there, its SHA-256 (hex) and its size."""

    path: str
    sha256: str = Field(pattern=DIGEST_PATTERN)
    bytes: int = Field(ge=0)


class BundledImage(DocumentPart):
    """An image of the container engine: its name, and the SHA-256 (hex) of its configuration and of each layer."""

    reference: str
    config: str = Field(pattern=DIGEST_PATTERN)
    layers: list[str]


class BundleDocument(Document):
    """The contents of a bundle.

    ``request`` is the hash of the sample's specification, ``sample`` its fingerprint, ``platform`` that of the images and
    wheels. Files lie at ``samples/…``, ``wheels/…``, ``packages/…`` and ``locks/<hash of the lock's inputs>.json``; the
    project's own lock is ``sandbox.lock``.
    """

    NAME: ClassVar[str] = "the bundle"

    project: str
    request: str = Field(pattern=DIGEST_PATTERN)
    sample: str = Field(pattern=DIGEST_PATTERN)
    platform: str
    files: list[BundledFile]
    images: list[BundledImage]
