"""The mask ``key`` for texts: one-to-one, and the same for a number or UUID in a text as for the value itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sandbox.masking import integers, texts, uuids
from sandbox.masking.prf import subkey

if TYPE_CHECKING:
    from collections.abc import Sequence

NUMBER = re.compile(r"(-?)(0*)(\d{1,38})", re.ASCII)


def masked(key: bytes, values: Sequence[str]) -> list[str]:
    """Mask texts one-to-one: numbers keep their digits and leading zeros, UUIDs stay such, others keep their shape."""
    numbers: list[str] = []
    named: list[str] = []
    others: list[str] = []
    for value in values:
        (
            numbers if NUMBER.fullmatch(value) else named if uuids.CANONICAL.fullmatch(value) else others
        ).append(value)
    changed = {
        **dict(zip(numbers, _numbers(key, numbers), strict=True)),
        **dict(zip(named, uuids.masked(of_uuids(key), named), strict=True)),
        **dict(zip(others, _others(key, others), strict=True)),
    }
    return [changed[value] for value in values]


def of_integers(key: bytes) -> bytes:
    """Give the key for integers, in whatever type they stand."""
    return subkey(key, "integer")


def of_uuids(key: bytes) -> bytes:
    """Give the key for UUIDs, in whatever type they stand."""
    return subkey(key, "uuid")


def _numbers(key: bytes, values: Sequence[str]) -> list[str]:
    parts = [NUMBER.fullmatch(value) for value in values]
    cut = [(match[1], match[2], int(match[1] + match[3])) for match in parts if match]
    changed = integers.masked(of_integers(key), [number for _, _, number in cut])
    # -0 is no number but 0, and stays.
    return [
        f"{sign}{zeros}{abs(number) if original or not sign else 0}"
        for (sign, zeros, original), number in zip(cut, changed, strict=True)
    ]


def _others(key: bytes, values: Sequence[str]) -> list[str]:
    """Mask texts that are neither; as often as it takes to become one that is neither, so that they stay apart."""
    own = subkey(key, "text")
    changed = texts.masked(own, values)
    while again := [
        i for i, text in enumerate(changed) if NUMBER.fullmatch(text) or uuids.CANONICAL.fullmatch(text)
    ]:
        for index, text in zip(again, texts.masked(own, [changed[i] for i in again]), strict=True):
            changed[index] = text
    return changed
