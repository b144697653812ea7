"""The JSON Schema of ``diff.json``, made from the classes that write it."""

from __future__ import annotations

import json
from typing import Any

from sandbox.manifest.diff import DiffDocument

SCHEMA_FILENAME = "diff.schema.json"
"""Its name in ``templates/``, where it is shipped."""


def build_diff_schema() -> dict[str, Any]:
    """Give the schema (draft 2020-12) of what this version of sandbox writes.

    >>> build_diff_schema()["title"]
    'diff.json'
    """
    made = DiffDocument.model_json_schema(mode="serialization", by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:sandbox:diff:{DiffDocument.FORMAT_VERSION}",
        **made,
        "title": "diff.json",
        "properties": {
            **made["properties"],
            "format_version": {"const": DiffDocument.FORMAT_VERSION, "title": "Format Version"},
        },
    }


def render_diff_schema() -> str:
    """Give the schema as the text of its file."""
    return json.dumps(build_diff_schema(), indent=1, ensure_ascii=False) + "\n"
