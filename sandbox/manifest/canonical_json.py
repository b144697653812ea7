"""Canonical JSON (RFC 8785 for the values used here) and its hashes."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def encode_canonical_json(value: Any) -> bytes:
    r"""Return the canonical bytes of a JSON value: sorted keys, no spaces, UTF-8.

    Raises:
        ValueError: The value contains NaN or an infinity.

    >>> encode_canonical_json({"b": 1, "a": ["ü", None]})
    b'{"a":["\xc3\xbc",null],"b":1}'
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "surrogatepass")


def hash_json(value: Any) -> str:
    """Return the SHA-256 (hex) of a value's canonical JSON.

    >>> hash_json({})[:16]
    '44136fa355b3678a'
    """
    return hashlib.sha256(encode_canonical_json(value)).hexdigest()


def hash_file(path: Path) -> str:
    """Return the SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
