"""Parsing of DuckDB's type names."""

from __future__ import annotations

import re

NUMBER_TYPE = re.compile(r"U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL\(\d+,\d+\)")
FLOAT_TYPES = ("FLOAT", "DOUBLE")
TEMPORAL_TYPE = re.compile(r"DATE|TIMESTAMP(_S|_MS|_NS| WITH TIME ZONE)?")


def are_comparable(first: str, other: str) -> bool:
    """Return whether values of two types can be equal: same type, both numeric, both temporal, or one is text.

    >>> are_comparable("INTEGER", "DECIMAL(10,2)"), are_comparable("DATE", "BIGINT"), are_comparable("UUID", "VARCHAR")
    (True, False, True)
    """
    both = (
        all(NUMBER_TYPE.fullmatch(kind) for kind in (first, other)),
        all(TEMPORAL_TYPE.fullmatch(kind) for kind in (first, other)),
    )
    return first == other or "VARCHAR" in (first, other) or any(both)


def parse_item_type(engine_type: str) -> str | None:
    """Return the item type of a list or array; None for other types.

    >>> parse_item_type("STRUCT(a INTEGER)[]"), parse_item_type("DOUBLE[3]"), parse_item_type("DATE")
    ('STRUCT(a INTEGER)', 'DOUBLE', None)
    """
    match = re.fullmatch(r"(.+)\[\d*\]", engine_type, flags=re.DOTALL)
    return match[1] if match else None


def parse_field_types(engine_type: str) -> dict[str, str] | None:
    """Return the fields of a struct, or ``key`` and ``value`` of a map; None for other types.

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
    return {_unquote_name(field[1]): field[2] for field in named if field}


def _unquote_name(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _split_fields(text: str) -> list[str]:
    """Split at the commas outside parentheses and quotes."""
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
