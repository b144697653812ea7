"""Documents that are damaged in any way are errors of the store, never bugs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from sandbox.errors import StoreError
from sandbox.manifest.comparison import ComparisonRecord
from sandbox.manifest.diff import DiffDocument
from sandbox.manifest.json_reader import MAX_BYTES, MAX_DEPTH, find_line, parse_json
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


LIBRARY = {"name": "duckdb", "version": "2.0.0", "hashes": ["sha256:" + "0" * 64]}
EDITS = [
    ("name", "duckdb @ file:///tmp/duckdb.whl", "libraries.0.name"),
    ("name", "duckdb\n--index-url=http://example.org", "libraries.0.name"),
    ("version", "2.0.0 --pre", "libraries.0.version"),
    ("hashes", ["sha256:0 --pre"], "libraries.0.hashes.0"),
    ("extra", 1, "libraries.0.extra"),
]


@pytest.mark.parametrize(("field", "value", "where"), EDITS)
def test_locks_edited_by_hand_are_refused_by_line(field: str, value: object, where: str) -> None:
    inputs: dict[str, object] = {"image": "x", "python": "3.13", "requirements": None, "libraries": [], "pins": "0"}
    platform = {"python": "3.13.5", "libraries": [LIBRARY | {field: value}]}
    fields = {"format_version": 1, "inputs": inputs, "platforms": {"linux/amd64": platform}}
    text = json.dumps(fields, indent=1)
    line = next(
        number for number, content in enumerate(text.splitlines(), 1) if f'"{field}": ' in content and number > 9
    )
    with pytest.raises(StoreError, match=rf"damaged: line (\d+): platforms\.linux/amd64\.{where}: ") as caught:
        LockDocument.parse(text, origin="here")
    assert f"line {line + (field == 'hashes')}: " in str(caught.value)


@pytest.mark.parametrize("indent", [None, 1, 4])
def test_lines_of_missing_fields_are_those_of_their_object(indent: int | None) -> None:
    text = json.dumps({"a": {}, "b": [1, {"c\n": ["}", '"']}]}, indent=indent)
    before = text[: text.index('{"' if indent is None else "{\n", 3)]
    assert find_line(text, ["b", 1, "gone", "x"]) == before.count("\n") + 1
