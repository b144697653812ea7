"""Columns of an output by whether the change of the code leads to them, and ``.sandbox/expected-columns/<digest>.json``."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from sandbox.manifest.document import Document, DocumentPart


class ExpectedColumns(DocumentPart):
    """The columns of an output, as the lineage of the changed SQL predicts them and as they were observed.

    ``changed`` and ``unchanged`` are columns to which the change leads. ``unexpected`` ones changed although nothing leads
    there, and so did ``unexpected_rows`` added or removed rows. ``unknown`` ones depend on unresolved code, for
    the ``reason``. The change leads to no other column. Ignored and nondeterministic columns are in no list.
    """

    changed: list[str] = Field(default_factory=list)
    unchanged: list[str] = Field(default_factory=list)
    unexpected: list[str] = Field(default_factory=list)
    unexpected_rows: int = 0
    unknown: list[str] = Field(default_factory=list)
    reason: str | None = None


class ExpectedColumnsRecord(Document):
    """The expected columns of each output of a diff; ``identity`` is a digest of its runs and of their comparison."""

    NAME: ClassVar[str] = "the record of expected columns"
    HAS_SEAL: ClassVar[bool] = True

    identity: str
    outputs: dict[str, ExpectedColumns]
