"""The engine's names of nested types, taken apart."""

from __future__ import annotations

import re

NUMBER_TYPE = re.compile(r"U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL\(\d+,\d+\)")
TEMPORAL_TYPE = re.compile(r"DATE|TIMESTAMP(_S|_MS|_NS| WITH TIME ZONE)?")


def are_comparable(one: str, other: str) -> bool:
    """Say whether values of two types can be equal: of one type, or both numbers, moments, or one a text.

    >>> are_comparable("INTEGER", "DECIMAL(10,2)"), are_comparable("DATE", "BIGINT"), are_comparable("UUID", "VARCHAR")
    (True, False, True)
    """
    both = (
        all(NUMBER_TYPE.fullmatch(kind) for kind in (one, other)),
        all(TEMPORAL_TYPE.fullmatch(kind) for kind in (one, other)),
    )
    return one == other or "VARCHAR" in (one, other) or any(both)


def parse_item_type(engine_type: str) -> str | None:
    """Give the type of a list's or array's items; None for anything else.

    >>> parse_item_type("STRUCT(a INTEGER)[]"), parse_item_type("DOUBLE[3]"), parse_item_type("DATE")
    ('STRUCT(a INTEGER)', 'DOUBLE', None)
    """
    match = re.fullmatch(r"(.+)\[\d*\]", engine_type, flags=re.DOTALL)
    return match[1] if match else None


def parse_field_types(engine_type: str) -> dict[str, str] | None:
    """Give the fields of a struct, or ``key`` and ``value`` of a map; None for anything else.

    >>> parse_field_types('STRUCT(a DECIMAL(3,1), "b ""c"", d" VARCHAR[])')
    {'a': 'DECIMAL(3,1)', 'b "c", d': 'VARCHAR[]'}
    """
    match = re.fullmatch(r"(STRUCT|MAP)\((.*)\)", engine_type, flags=re.DOTALL)
    if match is None:
        return None
    parts = _split_fields(match[2])
    if match[1] == "MAP":
        return {"key": parts[0], "value": parts[1]}
    named = [re.fullmatch(r'("(?:[^"]|"")*"|\S+) (.*)', part, flags=re.DOTALL) for part in parts]
    assert all(named), f"a struct's fields have names: {engine_type}"
    return {_unquote_name(one[1]): one[2] for one in named if one}


def _unquote_name(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _split_fields(text: str) -> list[str]:
    """Split at the commas that are neither within parentheses nor within quotes."""
    parts, depth, quoted, start = [], 0, False, 0
    for index, letter in enumerate(text):
        if letter == '"':
            quoted = not quoted
        elif not quoted and letter == "(":
            depth += 1
        elif not quoted and letter == ")":
            depth -= 1
        elif letter == "," and not quoted and depth == 0:
            parts.append(text[start:index].strip())
            start = index + 1
    return [*parts, text[start:].strip()]
