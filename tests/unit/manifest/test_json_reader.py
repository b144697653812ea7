"""Documents that are damaged in any way are errors of the store, never bugs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.errors import StoreError
from sandbox.manifest.comparison import ComparisonRecord
from sandbox.manifest.diff import DiffDocument
from sandbox.manifest.json_reader import MAX_BYTES, MAX_DEPTH, parse_json
from sandbox.manifest.lock import LockDocument
from sandbox.manifest.run import RunRecord
from sandbox.manifest.sample import SampleManifest
from sandbox.manifest.sandbox_record import SandboxRecord

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.manifest.document import Document

DOCUMENTS = [ComparisonRecord, DiffDocument, LockDocument, RunRecord, SampleManifest, SandboxRecord]
DEPTHS = [MAX_DEPTH + 1, 900, 100_000]


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_deep_documents_are_refused(document: type[Document], depth: int, opening: str, closing: str) -> None:
    nested = opening * depth + "1" + closing * depth
    for text in (nested, f'{{"format_version": {document.FORMAT_VERSION}, "seal": "", "id": {nested}}}'):
        with pytest.raises(StoreError, match="nested more than 200 deep"):
            document.parse(text, origin="here")


@pytest.mark.parametrize("text", ["", "[", "null", "[1]", '"text"', "NaN", '{"format_version": Infinity}', "1" * 5000])
def test_what_is_no_document_is_refused(text: str) -> None:
    with pytest.raises(StoreError):
        RunRecord.parse(text, origin="here")


def test_huge_documents_are_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(StoreError, match=r"damaged: it has 536\.9 MB, the limit is 536\.9 MB"):
        RunRecord.read(path)


def test_depth_of_values_is_allowed() -> None:
    nested = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert parse_json(nested, name="it") is not None
