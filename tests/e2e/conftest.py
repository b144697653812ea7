"""What holds for every end-to-end test."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from jsonschema import validate

from sandbox.manifest.diff_schema import SCHEMA_FILENAME
from sandbox.store.paths import find_packaged_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _every_diff_keeps_to_the_shipped_schema(tmp_path: Path) -> Iterator[None]:
    yield
    shipped = json.loads((find_packaged_folder("templates") / SCHEMA_FILENAME).read_text("utf-8"))
    for file in tmp_path.glob("**/.sandbox/diffs/*/diff.json"):
        text = file.read_text("utf-8")
        if text.endswith("}\n"):  # else a test has damaged it
            validate(json.loads(text), shipped)
