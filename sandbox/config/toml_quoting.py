"""Names and texts as TOML writes them."""

from __future__ import annotations

import json
import re


def quote_key(name: str) -> str:
    r"""Give a name as a key: bare where TOML allows that.

    >>> print(quote_key("customer_id"), quote_key('the "größte" name'))
    customer_id "the \"größte\" name"
    """
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else quote_text(name)


def quote_text(value: str) -> str:
    """Give a text in quotes; like JSON, but for one character that TOML wants escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
