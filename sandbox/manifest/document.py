"""Base classes of stored documents, with a format version checked on reading."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from sandbox.errors import StoreError
from sandbox.manifest.canonical_json import hash_json
from sandbox.manifest.json_reader import parse_json, read_document_text

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

    Reading refuses unknown versions, and documents that do not match their version's schema.
    """

    FORMAT_VERSION: ClassVar[int] = 1
    NAME: ClassVar[str] = "document"
    HAS_SEAL: ClassVar[bool] = False  # whether its file ends with a digest of the other fields

    format_version: int = 1

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a document from a file.

        Raises:
            StoreError: The file is missing, invalid, or has an unknown format version.
        """
        return cls.parse(read_document_text(path, name=cls.NAME), origin=str(path))

    @classmethod
    def parse(cls, text: str, *, origin: str) -> Self:
        """Parse a document from text; ``origin`` names it in errors (see `read`)."""
        fields = parse_json(text, name=f"{cls.NAME} {origin}")
        version = fields.get("format_version") if isinstance(fields, dict) else None
        if version != cls.FORMAT_VERSION:
            raise StoreError(
                f"{cls.NAME} {origin} has format version {version!r}; this sandbox reads {cls.FORMAT_VERSION}",
                hint="use the version of sandbox that wrote it, or make it again",
            )
        seal = fields.pop("seal", None) if cls.HAS_SEAL else None
        if cls.HAS_SEAL and seal != hash_json(fields):
            raise StoreError(f"{cls.NAME} {origin} was changed: it is not what its seal says")
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(step) for step in first["loc"])
            raise StoreError(f"{cls.NAME} {origin} is damaged: {where}: {first['msg']}") from error

    def to_dict(self) -> dict[str, Any]:
        """Return the document as JSON values, with the names in `docs/formats.md`."""
        return self.model_dump(mode="json")

    def to_json_text(self) -> str:
        """Return the document as indented JSON text with a final newline."""
        fields = self.to_dict()
        sealed = fields | {"seal": hash_json(fields)} if self.HAS_SEAL else fields
        return json.dumps(sealed, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
