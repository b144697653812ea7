"""Quoting of names and texts for TOML."""

from __future__ import annotations

import json
import re


def quote_key(name: str) -> str:
    r"""Return a name as a key, bare if TOML allows it.

    >>> print(quote_key("customer_id"), quote_key('the "größte" name'))
    customer_id "the \"größte\" name"
    """
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else quote_text(name)


def quote_text(value: str) -> str:
    """Return a quoted text; as in JSON, except for one character that TOML requires to be escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
