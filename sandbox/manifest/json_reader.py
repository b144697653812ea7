"""Read JSON of the store that somebody may have damaged: bounded in size and depth."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from sandbox.error_text import describe_foreign_error
from sandbox.errors import StoreError
from sandbox.formatting import format_size

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MAX_BYTES = 2**29
MAX_DEPTH = 200
DECODER = json.JSONDecoder()


def read_document_text(path: Path, *, name: str) -> str:
    """Read a document's text.

    Args:
        path: The file.
        name: What it is called in errors.

    Raises:
        StoreError: The file is missing, too large, or no UTF-8 text.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise StoreError(
                f"{name} {path} is damaged: it has {format_size(size)}, the limit is {format_size(MAX_BYTES)}"
            )
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise StoreError(f"{name} {path} is not there") from None
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{name} {path} cannot be read: {describe_foreign_error(error)}") from error


def parse_json(text: str, *, name: str) -> Any:
    """Parse a document's JSON.

    Args:
        text: The text.
        name: What the document is called in errors.

    Raises:
        StoreError: It is no JSON, holds NaN or an infinity, or is nested too deeply.
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except ValueError as error:
        raise StoreError(f"{name} is damaged: {describe_foreign_error(error)}") from error
    except RecursionError:
        raise _build_depth_error(name) from None
    level, depth = [value], 0
    while level:
        if depth >= MAX_DEPTH:
            raise _build_depth_error(name)
        level = [child for one in level for child in _list_children(one) if isinstance(child, dict | list)]
        depth += 1
    return value


def find_line(text: str, path: Iterable[str | int]) -> int:
    r"""Return the line, from 1, of the value at a path of keys and positions in valid JSON.

    Where the path leads nowhere, as for a missing field, it is the line of the last value that is there.

    >>> find_line('{"a": 1,\n "b": [1,\n 2]}', ["b", 1])
    3
    """
    start = _skip_blanks(text, 0)
    for step in path:
        found = [at for key, at in _list_members(text, start) if key == step]
        if not found:
            break
        start = found[-1]  # of repeated keys, the last one counts
    return text.count("\n", 0, start) + 1


def _list_members(text: str, start: int) -> list[tuple[str | int, int]]:
    """Return the keys or positions of an object's or array's values, and where each value begins; none for others."""
    members: list[tuple[str | int, int]] = []
    at = _skip_blanks(text, start + 1)
    while text[start] in "{[" and text[at] not in "}]":
        key: str | int = len(members)
        if text[start] == "{":
            key, at = DECODER.raw_decode(text, at)
            at = _skip_blanks(text, _skip_blanks(text, at) + 1)  # the colon
        members.append((key, at))
        at = _skip_blanks(text, DECODER.raw_decode(text, at)[1])
        if text[at] == ",":
            at = _skip_blanks(text, at + 1)
    return members


def _skip_blanks(text: str, start: int) -> int:
    while start < len(text) and text[start] in " \t\r\n":
        start += 1
    return start


def _list_children(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


def _build_depth_error(name: str) -> StoreError:
    return StoreError(f"{name} is damaged: it is nested more than {MAX_DEPTH} deep")
