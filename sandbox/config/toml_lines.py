"""Line numbers of keys in a TOML file, for messages; an approximation without a parser of its own."""

from __future__ import annotations

import re
import tomllib
from collections import Counter

KeyPath = tuple[str | int, ...]

_TABLE_HEADER = re.compile(r"^\s*(\[\[?)\s*(.+?)\s*\]\]?\s*(#.*)?$")
_KEY_ASSIGNMENT = re.compile(r"""^\s*((?:"[^"]*"|'[^']*'|[\w.\-\s])+?)\s*=""")


def find_key_lines(text: str) -> dict[KeyPath, int]:
    r"""Return the line of each key path in the text, counted from 1.

    >>> find_key_lines('version = 1\n[tables.a]\nkey = ["x"]\n')[("tables", "a", "key")]
    3
    """
    lines: dict[KeyPath, int] = {}
    seen: Counter[KeyPath] = Counter()
    section: KeyPath = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _TABLE_HEADER.match(line):
            section = _split_key(header[2])
            if header[1] == "[[":
                seen[section] += 1
                section = (*section, seen[section] - 1)
            lines.setdefault(section, number)
        elif key := _KEY_ASSIGNMENT.match(line):
            lines.setdefault((*section, *_split_key(key[1])), number)
    return lines


def find_line(path: KeyPath, lines: dict[KeyPath, int]) -> int | None:
    """Return the line of a key, or of the nearest enclosing key with one."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None


def _split_key(key: str) -> KeyPath:
    try:
        value = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    steps: list[str | int] = []
    while isinstance(value, dict):
        step, value = next(iter(value.items()))
        steps.append(step)
    return tuple(steps)
