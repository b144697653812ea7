"""Parsing of sizes, durations and shares."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, JsonValue, WithJsonSchema

BYTES_PER_UNIT = {
    "B": 1,
    "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40,
}  # fmt: skip
SECONDS_PER_UNIT = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_size(value: Any) -> int:
    """Return a size in bytes; GB is 10⁹ bytes, GiB 2³⁰, a bare number bytes.

    Raises:
        ValueError: It is not a positive size.

    >>> parse_size("4GB"), parse_size("1.5 GiB"), parse_size(1024)
    (4000000000, 1610612736, 1024)
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", str(value))
    unit = BYTES_PER_UNIT.get((match[2] or "B").upper()) if match else None
    if match is None or unit is None or isinstance(value, bool):
        raise ValueError(f'expected a size such as "4GB" or "512MiB", not {value!r}')
    size = int(float(match[1]) * unit)
    if size <= 0:
        raise ValueError(f"expected a size above zero, not {value!r}")
    return size


def parse_duration(value: Any) -> float:
    """Return a duration in seconds; a bare number is seconds.

    Raises:
        ValueError: It is not a positive duration.

    >>> parse_duration("30m"), parse_duration("1h30m"), parse_duration(5)
    (1800.0, 5400.0, 5.0)
    """
    text = str(value).strip()
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*", text)
    whole = re.fullmatch(r"(?:\d+(?:\.\d+)?\s*(?:ms|s|m|h|d)\s*)+|\d+(?:\.\d+)?", text)
    if whole is None or isinstance(value, bool):
        raise ValueError(f'expected a duration such as "30m" or "90s", not {value!r}')
    seconds = sum(float(number) * SECONDS_PER_UNIT[unit or "s"] for number, unit in parts)
    if seconds <= 0:
        raise ValueError(f"expected a duration above zero, not {value!r}")
    return seconds


def parse_share(value: Any) -> float:
    """Return a share in [0, 1] from ``"1%"`` or ``0.01``.

    Raises:
        ValueError: It is not a share.

    >>> parse_share("0.5%"), parse_share(1), parse_share(1e-06)
    (0.005, 1.0, 1e-06)
    """
    if isinstance(value, int | float):
        share = float(value)
    else:
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(%?)\s*", str(value))
        share = float(match[1]) / (100 if match[2] else 1) if match else -1.0
    if not 0 <= share <= 1 or isinstance(value, bool):
        raise ValueError(f'expected a share such as "1%" or 0.01, not {value!r}')
    return share


def parse_memory(value: Any) -> int | str:
    """Return a size in bytes, or ``auto``.

    >>> parse_memory("auto"), parse_memory("1KB")
    ('auto', 1000)
    """
    return "auto" if value == "auto" else parse_size(value)


def _allow_text(kind: str, pattern: str, *others: str) -> WithJsonSchema:
    """Return the JSON Schema of a number that may also be written with its unit, or as one of some words."""
    forms: list[JsonValue] = [{"type": kind, "minimum": 0}, {"type": "string", "pattern": pattern}]
    return WithJsonSchema({"anyOf": [*forms, *({"const": word} for word in others)]})


SIZE_PATTERN = r"^\s*\d+(\.\d+)?\s*([KMGTkmgt][Ii]?)?[Bb]?\s*$"
Size = Annotated[int, BeforeValidator(parse_size), _allow_text("integer", SIZE_PATTERN)]
MemoryLimit = Annotated[
    int | Literal["auto"], BeforeValidator(parse_memory), _allow_text("integer", SIZE_PATTERN, "auto")
]
Duration = Annotated[
    float, BeforeValidator(parse_duration), _allow_text("number", r"^\s*(\d+(\.\d+)?\s*(ms|s|m|h|d)?\s*)+$")
]
Share = Annotated[float, BeforeValidator(parse_share), _allow_text("number", r"^\s*\d+(\.\d+)?\s*%?\s*$")]
