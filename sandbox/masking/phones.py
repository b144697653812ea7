"""Fictional telephone numbers, for countries with reserved ranges.

Sources: the ITU's list of country codes (E.164); the North American Numbering Plan, without an area code 555; ranges
reserved for fiction: Ofcom (United Kingdom), Arcep (France), ACMA (Australia), Bundesnetzagentur (Germany, "drama
numbers").
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERNATIONAL_PREFIX = re.compile(r"\s*(?:\+|00)[\s(]*(?=[1-9])")
NORTH_AMERICAN_NUMBER = re.compile(r"\s*(?:\+?1[\s.-]*)?\(?[2-9]\d\d\)?[\s.-]*\d{3}[\s.-]+\d{4}\b", re.ASCII)
DIGIT_PATTERN = re.compile(r"\d", re.ASCII)
# Calling codes of one and two digits; all others have three.
SHORT_CALLING_CODES = {"1", "7"} | set(
    """
    20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84
    86 90 91 92 93 94 95 98
    """.split()  # noqa: SIM905 - a list of words is read as such
)
MIN_HASH_DIGITS = 64  # minimum digits of a hash
# Reserved prefixes of national numbers by calling code; the digits after them are free.
FICTIONAL_PREFIXES = {
    "1": ("5552", "5553", "5554", "5555", "5556", "5557", "5558", "5559"),
    "33": ("19900", "26191", "35301", "46571", "53649", "63998"),
    "44": ("7700900", "1632960", "2079460", "1134960", "1154960", "1314960", "1414960", "1614960", "1914980"),
    "49": ("3023125", "6990009", "4066969", "2214710", "8999998"),
    "61": ("25550", "27010", "35550", "37010", "75550", "77010", "85550", "87010"),
}


def mask_phones(key: bytes, values: Sequence[str]) -> list[str]:
    """Return a telephone number for each, in the same notation: country code kept, other digits changed.

    It is from a reserved range if the country has one. Letters (``ext. 12``) are kept.
    """
    base = hashlib.blake2b(key=key, digest_size=32)
    return [_mask_phone(base, value) for value in values]


def _mask_phone(base: hashlib.blake2b, value: str) -> str:
    digits = "".join(DIGIT_PATTERN.findall(value))
    kept, country = _parse_country_code(value, digits)
    kept += len(digits[kept:]) - len(digits[kept:].lstrip("0"))  # the trunk prefix
    hashed = base.copy()
    hashed.update(digits.encode())
    drawn = int.from_bytes(hashed.digest())
    beginnings = FICTIONAL_PREFIXES.get(country, ("",))
    stream = beginnings[drawn % len(beginnings)] + str(drawn)[::-1] * (1 + len(digits) // MIN_HASH_DIGITS)
    fresh = (digits[:kept] + stream)[: len(digits)]
    if fresh == digits and kept < len(digits):
        fresh = fresh[:-1] + str((int(fresh[-1]) + 1) % 10)
    supply = iter(fresh)
    return DIGIT_PATTERN.sub(lambda _: next(supply), value)


def _parse_country_code(value: str, digits: str) -> tuple[int, str]:
    """Return the number of digits of the country code, and the calling code; (0, "") without a country code."""
    prefix = INTERNATIONAL_PREFIX.match(value)
    if prefix is None:
        return (
            (len(digits) - 10 if len(digits) in (10, 11) else 0, "1")
            if NORTH_AMERICAN_NUMBER.fullmatch(value)
            else (0, "")
        )
    begin = 2 if value.lstrip().startswith("00") else 0
    code = next((digits[begin : begin + n] for n in (1, 2) if digits[begin : begin + n] in SHORT_CALLING_CODES), None)
    code = code or digits[begin : begin + 3]
    return begin + len(code), code
