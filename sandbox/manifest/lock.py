"""``sandbox.lock``: what a stack was resolved to, so that it is the same tomorrow and on another machine."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from sandbox.manifest.document import Document, DocumentPart


class LockInputs(DocumentPart):
    """What was resolved. A lock answers a request exactly if these are equal.

    ``requirements`` names the project's file; ``libraries`` are what it asks for, normalised and sorted; ``hashes`` is
    a digest of the hashes that it has itself, if any. ``pins`` is the SHA-256 of the image's own ``requirements.in``
    and ``requirements.lock``.
    """

    image: str
    python: str
    requirements: str | None
    libraries: list[str]
    hashes: str | None = None
    pins: str


class LockedImage(DocumentPart):
    """An image by content.

    ``digest`` is the registry's digest of the index, or, for an image that was made on this machine and imported, the
    digest of its one layer: unlike the image's id it is the same in every storage backend.
    """

    reference: str
    digest: str


class LockedLibrary(DocumentPart):
    """A library at one version; ``hashes`` are the SHA-256 (``sha256:…``) of all files that may be installed."""

    name: str
    version: str
    hashes: list[str]


class LockedPackage(DocumentPart):
    """A package of Debian's at one version; ``hash`` is the SHA-256 (``sha256:…``) of its file."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.+-]+$")
    version: str = Field(pattern=r"^[0-9][A-Za-z0-9.+:~-]*$")
    hash: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")


class PlatformLock(DocumentPart):
    """What was resolved for one platform.

    ``packages`` maps an image of ours to what it has of Debian beside its base, sorted by name: an image to run in, or a
    service's. An image that needs none, or that nobody has made on this platform yet, is not in it.
    ``base`` and ``environment`` are None until the stack was made once; ``layers`` (diff ids) stay None where the
    image was not built by whoever wrote the lock, and are a record, not a condition: file times are in them.
    """

    python: str
    libraries: list[LockedLibrary]
    packages: dict[str, list[LockedPackage]] = Field(default_factory=dict)
    base: LockedImage | None = None
    environment: str | None = None
    layers: list[str] | None = None


class LockDocument(Document):
    """The lock. ``platforms`` maps ``linux/amd64``, ``linux/arm64`` and, for runs without containers, other hosts.

    A host whose Python is not the stack's has an entry of its own, as in ``linux/amd64-python3.11``.
    ``services`` maps a service to its image where that comes from a registry, ``sample`` is a fingerprint.
    """

    NAME: ClassVar[str] = "the lock"

    inputs: LockInputs
    platforms: dict[str, PlatformLock]
    services: dict[str, LockedImage] = Field(default_factory=dict)
    sample: str | None = None
