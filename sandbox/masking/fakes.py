"""Texts that look like what they stand for: digests, addresses that cannot be delivered, names from a list."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from sandbox.masking import texts
from sandbox.masking.names import FAMILY_NAMES, GIVEN_NAMES
from sandbox.masking.prf import derive_key

if TYPE_CHECKING:
    from collections.abc import Sequence

FAKE_DOMAINS = ("example.com", "example.net", "example.org")  # RFC 2606: nobody can have them
DOMAIN_PATTERN = re.compile(r"@[^\s,;<>\"'()@]+")
WORD_PATTERN = re.compile(r"[^\W\d_]+(?:['’`][^\W\d_]+)*")
# Parts of family names that say nothing about a person.
NAME_PARTICLES = {"al", "bin", "da", "de", "del", "della", "den", "der", "di", "dos", "du", "el", "ibn", "la", "le", "ten", "ter",
             "van", "von", "zu"}  # fmt: skip
NameList = tuple[tuple[str, str], ...]  # each with its own small letters
FAKE_GIVEN_NAMES: NameList = tuple((name, name.casefold()) for name in GIVEN_NAMES)
FAKE_FAMILY_NAMES: NameList = tuple((name, name.casefold()) for name in FAMILY_NAMES)
ALL_FAKE_NAMES = FAKE_GIVEN_NAMES + FAKE_FAMILY_NAMES


def hash_texts(key: bytes, values: Sequence[str]) -> list[str]:
    """Give 32 hex digits for each text."""
    return [digest.hex() for digest in hash_bytes(key, [value.encode() for value in values])]


def hash_bytes(key: bytes, values: Sequence[bytes]) -> list[bytes]:
    """Give 16 bytes for each value."""
    base = hashlib.blake2b(key=key, digest_size=16)
    return [_compute_digest(base, value) for value in values]


def mask_emails(key: bytes, values: Sequence[str]) -> list[str]:
    """Give an address for each: its letters and digits changed, at one of the domains that nobody can have.

    Addresses that differ in case alone still do, and no more. What is no address stays none.
    """
    base = hashlib.blake2b(key=derive_key(key, "domain"), digest_size=1)
    changed = texts.mask_texts(derive_key(key, "address"), values)
    return [_replace_domains(base, value, text) for value, text in zip(values, changed, strict=True)]


def _replace_domains(base: hashlib.blake2b, value: str, changed: str) -> str:
    """Replace every domain of a changed text, which has its marks where the original has them."""
    parts, end = [], 0
    for domain in DOMAIN_PATTERN.finditer(value):
        drawn = _compute_digest(base, domain[0].lower().encode())[0]
        parts += [changed[end : domain.start()], "@", FAKE_DOMAINS[drawn % len(FAKE_DOMAINS)]]
        end = domain.end()
    return "".join([*parts, changed[end:]])


def mask_names(key: bytes, values: Sequence[str]) -> list[str]:
    """Give a person's name for each: as many words, in their case, with the same punctuation.

    Initials become others, and ``de``, ``van`` and the like stay.
    """
    base = hashlib.blake2b(key=key, digest_size=64)
    return [_mask_name(base, value) for value in values]


def _mask_name(base: hashlib.blake2b, value: str) -> str:
    words = [word for word in WORD_PATTERN.finditer(value) if word[0] not in NAME_PARTICLES]
    drawn = _compute_digest(base, value.casefold().encode())
    parts, end = [], 0
    for number, word in enumerate(words):
        at = number * 2 % 64
        draw = int.from_bytes(drawn[at : at + 2]) + number // 32
        chosen = _choose_name(_choose_name_list(number, len(words), turned="," in value), draw, word[0])
        parts += [value[end : word.start()], _match_case(chosen[0] if len(word[0]) == 1 else chosen, word[0])]
        end = word.end()
    return "".join([*parts, value[end:]])


def _choose_name_list(number: int, count: int, *, turned: bool) -> NameList:
    """Give the names that fit a word's place: the last is the family's, or the first where a comma turns them round."""
    if count == 1:
        return ALL_FAKE_NAMES
    return FAKE_FAMILY_NAMES if number == (0 if turned else count - 1) else FAKE_GIVEN_NAMES


def _choose_name(names: NameList, draw: int, word: str) -> str:
    """Give the drawn name, or a later one where it would begin as the word does."""
    plain = word.casefold()
    for step in range(len(names)):
        name, own = names[(draw + step) % len(names)]
        if not own.startswith(plain) and not plain.startswith(own):
            return name
    raise AssertionError("no word begins all names")


def _match_case(name: str, word: str) -> str:
    if word.isupper() and len(word) > 1:
        return name.upper()
    return name.lower() if word.islower() else name


def _compute_digest(base: hashlib.blake2b, value: bytes) -> bytes:
    hashed = base.copy()
    hashed.update(value)
    return hashed.digest()
