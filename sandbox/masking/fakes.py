"""Realistic masked texts: digests, undeliverable e-mail addresses, names from a list."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from sandbox.masking import texts
from sandbox.masking.names import FAMILY_NAMES, GIVEN_NAMES
from sandbox.masking.prf import derive_key

if TYPE_CHECKING:
    from collections.abc import Sequence

FAKE_DOMAINS = ("example.com", "example.net", "example.org")  # RFC 2606: reserved
DOMAIN_PATTERN = re.compile(r"@[^\s,;<>\"'()@]+")
WORD_PATTERN = re.compile(r"[^\W\d_]+(?:['’`][^\W\d_]+)*")
# Parts of family names that do not identify a person.
NAME_PARTICLES = {"al", "bin", "da", "de", "del", "della", "den", "der", "di", "dos", "du", "el", "ibn", "la", "le", "ten", "ter",
             "van", "von", "zu"}  # fmt: skip
NameList = tuple[tuple[str, str], ...]  # each with its lower-case form
FAKE_GIVEN_NAMES: NameList = tuple((name, name.casefold()) for name in GIVEN_NAMES)
FAKE_FAMILY_NAMES: NameList = tuple((name, name.casefold()) for name in FAMILY_NAMES)
ALL_FAKE_NAMES = FAKE_GIVEN_NAMES + FAKE_FAMILY_NAMES


def hash_texts(key: bytes, values: Sequence[str]) -> list[str]:
    """Return 32 hex digits for each text."""
    return [digest.hex() for digest in hash_bytes(key, [value.encode() for value in values])]


def hash_bytes(key: bytes, values: Sequence[bytes]) -> list[bytes]:
    """Return 16 bytes for each value."""
    base = hashlib.blake2b(key=key, digest_size=16)
    return [_compute_digest(base, value) for value in values]


def mask_emails(key: bytes, values: Sequence[str]) -> list[str]:
    """Return an e-mail address for each: letters and digits changed, at a reserved domain.

    Addresses that differ only in case still differ only in case. Text that is not an address does not become one.
    """
    base = hashlib.blake2b(key=derive_key(key, "domain"), digest_size=1)
    changed = texts.mask_texts(derive_key(key, "address"), values)
    return [_replace_domains(base, value, text) for value, text in zip(values, changed, strict=True)]


def _replace_domains(base: hashlib.blake2b, value: str, changed: str) -> str:
    """Replace every domain of a masked text, which has its separators in the same positions as the original."""
    parts, end = [], 0
    for domain in DOMAIN_PATTERN.finditer(value):
        drawn = _compute_digest(base, domain[0].lower().encode())[0]
        parts += [changed[end : domain.start()], "@", FAKE_DOMAINS[drawn % len(FAKE_DOMAINS)]]
        end = domain.end()
    return "".join([*parts, changed[end:]])


def mask_names(key: bytes, values: Sequence[str]) -> list[str]:
    """Return a person's name for each: same number of words, case and punctuation.

    Initials are replaced by others; ``de``, ``van`` and the like are kept.
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
    """Return the names for a word's position: family names for the last word, or for the first one before a comma."""
    if count == 1:
        return ALL_FAKE_NAMES
    return FAKE_FAMILY_NAMES if number == (0 if turned else count - 1) else FAKE_GIVEN_NAMES


def _choose_name(names: NameList, draw: int, word: str) -> str:
    """Return the drawn name, or the next one with a different beginning than the word."""
    plain = word.casefold()
    for step in range(len(names)):
        name, lower = names[(draw + step) % len(names)]
        if not lower.startswith(plain) and not plain.startswith(lower):
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
