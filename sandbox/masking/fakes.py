"""Texts that look like what they stand for: digests, addresses that cannot be delivered, names from a list."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from sandbox.masking import texts
from sandbox.masking.names import FAMILY, GIVEN
from sandbox.masking.prf import subkey

if TYPE_CHECKING:
    from collections.abc import Sequence

DOMAINS = ("example.com", "example.net", "example.org")  # RFC 2606: nobody can have them
DOMAIN = re.compile(r"@[^\s,;<>\"'()@]+")
WORD = re.compile(r"[^\W\d_]+(?:['’`][^\W\d_]+)*")
# Parts of family names that say nothing about a person.
PARTICLES = {"al", "bin", "da", "de", "del", "della", "den", "der", "di", "dos", "du", "el", "ibn", "la", "le", "ten", "ter",
             "van", "von", "zu"}  # fmt: skip
Names = tuple[tuple[str, str], ...]  # each with its own small letters
GIVENS: Names = tuple((name, name.casefold()) for name in GIVEN)
FAMILIES: Names = tuple((name, name.casefold()) for name in FAMILY)
EITHER = GIVENS + FAMILIES


def hashed(key: bytes, values: Sequence[str]) -> list[str]:
    """Give 32 hex digits for each text."""
    return [digest.hex() for digest in hashed_bytes(key, [value.encode() for value in values])]


def hashed_bytes(key: bytes, values: Sequence[bytes]) -> list[bytes]:
    """Give 16 bytes for each value."""
    base = hashlib.blake2b(key=key, digest_size=16)
    return [_digest(base, value) for value in values]


def emails(key: bytes, values: Sequence[str]) -> list[str]:
    """Give an address for each: its letters and digits changed, at one of the domains that nobody can have.

    Addresses that differ in case alone still do, and no more. What is no address stays none.
    """
    base = hashlib.blake2b(key=subkey(key, "domain"), digest_size=1)
    changed = texts.masked(subkey(key, "address"), values)
    return [_elsewhere(base, value, text) for value, text in zip(values, changed, strict=True)]


def _elsewhere(base: hashlib.blake2b, value: str, changed: str) -> str:
    """Replace every domain of a changed text, which has its marks where the original has them."""
    parts, end = [], 0
    for domain in DOMAIN.finditer(value):
        drawn = _digest(base, domain[0].lower().encode())[0]
        parts += [changed[end : domain.start()], "@", DOMAINS[drawn % len(DOMAINS)]]
        end = domain.end()
    return "".join([*parts, changed[end:]])


def names(key: bytes, values: Sequence[str]) -> list[str]:
    """Give a person's name for each: as many words, in their case, with the same punctuation.

    Initials become others, and ``de``, ``van`` and the like stay.
    """
    base = hashlib.blake2b(key=key, digest_size=64)
    return [_name(base, value) for value in values]


def _name(base: hashlib.blake2b, value: str) -> str:
    words = [word for word in WORD.finditer(value) if word[0] not in PARTICLES]
    drawn = _digest(base, value.casefold().encode())
    parts, end = [], 0
    for number, word in enumerate(words):
        at = number * 2 % 64
        draw = int.from_bytes(drawn[at : at + 2]) + number // 32
        chosen = _other(_list(number, len(words), turned="," in value), draw, word[0])
        parts += [value[end : word.start()], _in_case(chosen[0] if len(word[0]) == 1 else chosen, word[0])]
        end = word.end()
    return "".join([*parts, value[end:]])


def _list(number: int, count: int, *, turned: bool) -> Names:
    """Give the names that fit a word's place: the last is the family's, or the first where a comma turns them round."""
    if count == 1:
        return EITHER
    return FAMILIES if number == (0 if turned else count - 1) else GIVENS


def _other(names: Names, draw: int, word: str) -> str:
    """Give the drawn name, or a later one where it would begin as the word does."""
    plain = word.casefold()
    for step in range(len(names)):
        name, own = names[(draw + step) % len(names)]
        if not own.startswith(plain) and not plain.startswith(own):
            return name
    raise AssertionError("no word begins all names")


def _in_case(name: str, word: str) -> str:
    if word.isupper() and len(word) > 1:
        return name.upper()
    return name.lower() if word.islower() else name


def _digest(base: hashlib.blake2b, value: bytes) -> bytes:
    hashed = base.copy()
    hashed.update(value)
    return hashed.digest()
