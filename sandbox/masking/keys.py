"""The mask ``key`` for texts: one-to-one, and equal for a number or UUID as text and as a value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sandbox.masking import integers, texts, uuids
from sandbox.masking.prf import derive_key

if TYPE_CHECKING:
    from collections.abc import Sequence

NUMBER_PATTERN = re.compile(r"(-?)(0*)(\d{1,38})", re.ASCII)


def mask_keys(key: bytes, values: Sequence[str]) -> list[str]:
    """Mask texts one-to-one: numbers keep their digits and leading zeros, UUIDs stay UUIDs, others keep their shape."""
    numbers: list[str] = []
    named: list[str] = []
    others: list[str] = []
    for value in values:
        (
            numbers if NUMBER_PATTERN.fullmatch(value) else named if uuids.UUID_PATTERN.fullmatch(value) else others
        ).append(value)
    changed = {
        **dict(zip(numbers, _mask_numbers(key, numbers), strict=True)),
        **dict(zip(named, uuids.mask_uuids(derive_uuid_key(key), named), strict=True)),
        **dict(zip(others, _mask_other_texts(key, others), strict=True)),
    }
    return [changed[value] for value in values]


def derive_integer_key(key: bytes) -> bytes:
    """Return the key for integers of any type."""
    return derive_key(key, "integer")


def derive_uuid_key(key: bytes) -> bytes:
    """Return the key for UUIDs of any type."""
    return derive_key(key, "uuid")


def _mask_numbers(key: bytes, values: Sequence[str]) -> list[str]:
    parts = [NUMBER_PATTERN.fullmatch(value) for value in values]
    cut = [(match[1], match[2], int(match[1] + match[3])) for match in parts if match]
    changed = integers.mask_integers(derive_integer_key(key), [number for _, _, number in cut])
    # -0 equals 0, and is kept.
    return [
        f"{sign}{zeros}{abs(number) if original or not sign else 0}"
        for (sign, zeros, original), number in zip(cut, changed, strict=True)
    ]


def _mask_other_texts(key: bytes, values: Sequence[str]) -> list[str]:
    """Mask texts other than numbers and UUIDs; repeat while the result is one of those, so that they stay distinct."""
    text_key = derive_key(key, "text")
    changed = texts.mask_texts(text_key, values)
    while again := [
        i for i, text in enumerate(changed) if NUMBER_PATTERN.fullmatch(text) or uuids.UUID_PATTERN.fullmatch(text)
    ]:
        for index, text in zip(again, texts.mask_texts(text_key, [changed[i] for i in again]), strict=True):
            changed[index] = text
    return changed
