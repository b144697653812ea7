"""The JSON Schema of ``sandbox.toml``, for editors."""

from __future__ import annotations

import json
from typing import Any

from sandbox.config.sections.sample import MaskEntry
from sandbox.config.settings import Settings


def build_settings_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12) of the file before validation.

    >>> build_settings_schema()["title"]
    'sandbox.toml'
    """
    schema = Settings.model_json_schema(by_alias=True)
    sections = schema["$defs"]
    # In these two places a text is short for a table with one key.
    mask = sections["TableSection"]["properties"]["mask"]
    kinds = sections[MaskEntry.__name__]["properties"]["kind"]["enum"]
    mask["additionalProperties"] = {"anyOf": [{"enum": kinds}, mask["additionalProperties"]]}
    for section in ("DrawSection", "SampleSection"):
        strata = sections[section]["properties"]["strata"]
        strata["items"] = {"anyOf": [{"type": "string"}, strata["items"]]}
    for section in sections.values():
        section.pop("description", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:sandbox:settings:1",
        **schema,
        "title": "sandbox.toml",
        "description": "Settings of a sandbox project.",
    }


def render_settings_schema() -> str:
    """Return the schema as the text of its file."""
    return json.dumps(build_settings_schema(), indent=1, ensure_ascii=False) + "\n"
