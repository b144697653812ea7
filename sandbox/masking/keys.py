"""The mask ``key`` for texts: one-to-one, and the same for a number or UUID in a text as for the value itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sandbox.masking import integers, texts, uuids
from sandbox.masking.prf import derive_key

if TYPE_CHECKING:
    from collections.abc import Sequence

NUMBER_PATTERN = re.compile(r"(-?)(0*)(\d{1,38})", re.ASCII)


def mask_keys(key: bytes, values: Sequence[str]) -> list[str]:
    """Mask texts one-to-one: numbers keep their digits and leading zeros, UUIDs stay such, others keep their shape."""
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
    """Give the key for integers, in whatever type they stand."""
    return derive_key(key, "integer")


def derive_uuid_key(key: bytes) -> bytes:
    """Give the key for UUIDs, in whatever type they stand."""
    return derive_key(key, "uuid")


def _mask_numbers(key: bytes, values: Sequence[str]) -> list[str]:
    parts = [NUMBER_PATTERN.fullmatch(value) for value in values]
    cut = [(match[1], match[2], int(match[1] + match[3])) for match in parts if match]
    changed = integers.mask_integers(derive_integer_key(key), [number for _, _, number in cut])
    # -0 is no number but 0, and stays.
    return [
        f"{sign}{zeros}{abs(number) if original or not sign else 0}"
        for (sign, zeros, original), number in zip(cut, changed, strict=True)
    ]


def _mask_other_texts(key: bytes, values: Sequence[str]) -> list[str]:
    """Mask texts that are neither; as often as it takes to become one that is neither, so that they stay apart."""
    own = derive_key(key, "text")
    changed = texts.mask_texts(own, values)
    while again := [
        i for i, text in enumerate(changed) if NUMBER_PATTERN.fullmatch(text) or uuids.UUID_PATTERN.fullmatch(text)
    ]:
        for index, text in zip(again, texts.mask_texts(own, [changed[i] for i in again]), strict=True):
            changed[index] = text
    return changed
