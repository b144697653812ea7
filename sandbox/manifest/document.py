"""Base classes of stored documents, with a format version, seal and signature checked on reading."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from sandbox.errors import StoreError
from sandbox.manifest.canonical_json import hash_json
from sandbox.manifest.json_reader import find_line, parse_json, read_document_text

if TYPE_CHECKING:
    from pathlib import Path


class DocumentPart(BaseModel):
    """A frozen part of a document."""

    # Built on first use: commands import more documents than they read.
    model_config = ConfigDict(
        frozen=True, extra="forbid", serialize_by_alias=True, validate_by_name=True, defer_build=True
    )


class Document(DocumentPart):
    """A stored document: a JSON object with a ``format_version``.

    Reading refuses unknown versions, and documents that do not match their version's schema. Earlier versions among
    ``READABLE_VERSIONS`` are upgraded. A seal is a digest of the
    other fields and detects damage. A signature is a keyed digest of the seal and detects forgery.
    """

    FORMAT_VERSION: ClassVar[int] = 1
    READABLE_VERSIONS: ClassVar[tuple[int, ...]] = ()
    NAME: ClassVar[str] = "document"
    HAS_SEAL: ClassVar[bool] = False

    format_version: int = 1

    @classmethod
    def read(cls, path: Path, *, key: bytes | None = None) -> Self:
        """Read a document from a file; with ``key`` it must be signed.

        Raises:
            StoreError: The file is missing, invalid, not signed, or has an unknown format version.
        """
        return cls.parse(read_document_text(path, name=cls.NAME), origin=str(path), key=key)

    @classmethod
    def parse(cls, text: str, *, origin: str, key: bytes | None = None) -> Self:
        """Parse a document from text; ``origin`` names it in errors (see `read`)."""
        fields = parse_json(text, name=f"{cls.NAME} {origin}")
        version = fields.get("format_version") if isinstance(fields, dict) else None
        if version not in (readable := cls.READABLE_VERSIONS or (cls.FORMAT_VERSION,)) or isinstance(version, bool):
            raise StoreError(
                f"{cls.NAME} {origin} has format version {version!r}; this sandbox reads {' and '.join(map(str, readable))}",
                hint="use the version of sandbox that wrote it, or make it again",
            )
        if cls.HAS_SEAL:
            cls._check_seal(fields, origin, key)
        if version != cls.FORMAT_VERSION:
            fields = cls.upgrade(fields) | {"format_version": cls.FORMAT_VERSION}
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(step) for step in first["loc"])
            line = find_line(text, first["loc"])
            raise StoreError(f"{cls.NAME} {origin} is damaged: line {line}: {where}: {first['msg']}") from error

    @classmethod
    def upgrade(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """Return the fields of an earlier readable version as those of this one; unchanged unless overridden."""
        return fields

    @classmethod
    def _check_seal(cls, fields: dict[str, Any], origin: str, key: bytes | None) -> None:
        """Remove seal and signature from a document's fields, and check them."""
        seal, signature = fields.pop("seal", None), fields.pop("signature", None)
        if seal != hash_json(fields):
            raise StoreError(f"{cls.NAME} {origin} was changed: it is not what its seal says")
        if key is not None and not hmac.compare_digest(str(signature), cls._compute_signature(seal, key)):
            raise StoreError(f"{cls.NAME} {origin} was not written by this installation of sandbox")

    @classmethod
    def _compute_signature(cls, seal: str, key: bytes) -> str:
        return hmac.digest(key, f"{cls.__name__} {seal}".encode(), hashlib.sha256).hex()

    def to_dict(self) -> dict[str, Any]:
        """Return the document as JSON values, with the names in `docs/formats.md`."""
        return self.model_dump(mode="json")

    def to_json_text(self, *, key: bytes | None = None) -> str:
        """Return the document as indented JSON text with a final newline, signed if there is a ``key``."""
        fields = self.to_dict()
        if self.HAS_SEAL:
            seal = hash_json(fields)
            fields |= {"seal": seal} | ({"signature": self._compute_signature(seal, key)} if key else {})
        return json.dumps(fields, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
