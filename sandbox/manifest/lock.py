"""``sandbox.lock``: the resolved stack, reproducible over time and across machines."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from sandbox.manifest.document import Document, DocumentPart


class LockInputs(DocumentPart):
    """The inputs of a resolution. A lock applies to a request if these are equal.

    ``requirements`` names the project's file; ``libraries`` are its requirements, normalised and sorted; ``hashes`` is
    a digest of the hashes in it, ``constraints`` the limits of the files that it names with ``-c``, each if any. ``pins`` is the SHA-256 of the image's own ``requirements.in`` and
    ``requirements.lock``.
    """

    image: str
    python: str
    requirements: str | None
    libraries: list[str]
    hashes: str | None = None
    constraints: list[str] | None = Field(default=None, exclude_if=lambda value: value is None)
    pins: str


class LockedImage(DocumentPart):
    """An image identified by content.

    ``digest`` is the registry's digest of the index or, for an image built here and imported, of its only layer: unlike
    the image's id it is the same in every storage backend.
    """

    reference: str
    digest: str


class LockedLibrary(DocumentPart):
    """A library at one version; ``hashes`` are the SHA-256 (``sha256:…``) of all installable files."""

    # Written into the resolver's and downloader's files: nothing that they take as an option or address.
    name: str = Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")
    version: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.!+_*-]*$")
    hashes: list[Annotated[str, Field(pattern=r"^[a-z0-9]+:[0-9a-fA-F]+$")]]


class LockedPackage(DocumentPart):
    """A Debian package at one version; ``hash`` is the SHA-256 (``sha256:…``) of its file."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.+-]+$")
    version: str = Field(pattern=r"^[0-9][A-Za-z0-9.+:~-]*$")
    hash: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")


class PlatformLock(DocumentPart):
    """The resolution for one platform.

    ``packages`` maps a stack or service image to its Debian packages, sorted by name, without those of the base. Images
    without packages, or not yet built on this platform, are missing. ``base`` and ``environment`` are None until the
    stack is first built. ``layers`` (diff ids) are None if the lock's author did not build the image. They are
    informative only, because they include file times.
    """

    python: str
    libraries: list[LockedLibrary]
    packages: dict[str, list[LockedPackage]] = Field(default_factory=dict)
    base: LockedImage | None = None
    environment: str | None = None
    layers: list[str] | None = None


class LockDocument(Document):
    """The lock. ``platforms`` has ``linux/amd64``, ``linux/arm64`` and, for runs without containers, other hosts.

    A host with another Python than the stack's has its own entry, as in ``linux/amd64-python3.11``. ``services`` maps a
    service to its image from a registry, ``sample`` is a fingerprint.
    """

    NAME: ClassVar[str] = "the lock"

    inputs: LockInputs
    platforms: dict[str, PlatformLock]
    services: dict[str, LockedImage] = Field(default_factory=dict)
    sample: str | None = None


class StoredLock(Document):
    """The lock of a version without one of its own, kept in ``.sandbox/locks`` and signed by the installation that resolved it."""

    NAME: ClassVar[str] = "the stored lock"
    HAS_SEAL: ClassVar[bool] = True

    lock: LockDocument
