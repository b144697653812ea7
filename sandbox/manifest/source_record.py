"""``sources/<request>.json``: the source that a project's sample was drawn from."""

from __future__ import annotations

from typing import ClassVar

from sandbox.manifest.document import Document


class SourceRecord(Document):
    """The source of a drawn sample; ``tables`` maps each table to its columns and DuckDB's names of their types."""

    NAME: ClassVar[str] = "the record of the sample's source"

    fingerprint: str
    uri: str
    tables: dict[str, dict[str, str]]
