"""The JSON Schema of ``diff.json``, generated from its classes."""

from __future__ import annotations

import json
from typing import Any

from sandbox.manifest.diff import DiffDocument

SCHEMA_FILENAME = "diff.schema.json"
"""Its file name in ``templates/``."""


def build_diff_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12) of this version's documents.

    >>> build_diff_schema()["title"]
    'diff.json'
    """
    schema = DiffDocument.model_json_schema(mode="serialization", by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:sandbox:diff:{DiffDocument.FORMAT_VERSION}",
        **schema,
        "title": "diff.json",
        "properties": {
            **schema["properties"],
            "format_version": {"const": DiffDocument.FORMAT_VERSION, "title": "Format Version"},
        },
    }


def render_diff_schema() -> str:
    """Return the schema as the text of its file."""
    return json.dumps(build_diff_schema(), indent=1, ensure_ascii=False) + "\n"
