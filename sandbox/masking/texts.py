"""A keyed permutation of texts that keeps their shape: letters become letters, digits digits, the rest stays.

Each character becomes another of its alphabet, so length, case, spaces and punctuation survive. Two halves of a text's
letters and digits change each other in turn, a Feistel network over characters (as in NIST's FF1), so different texts
stay different. What is not a letter or digit plays no part: ``030-12`` and ``03012`` differ by the hyphen alone, and
upper and lower case letters of ASCII change alike.
"""

from __future__ import annotations

import functools
import hashlib
import unicodedata
from typing import TYPE_CHECKING

import numpy as np

from sandbox.masking.prf import FEISTEL_ROUNDS, expand_seeds, siphash

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sandbox.masking.prf import UInt64Array

BASIC_PLANE_SIZE = 0x10000
GROUP_WIDTHS = (8, 16, 32, 64, 128, 256, 512, 1024, 2048)
MAX_SIPHASH_WIDTH = 64  # letters and digits up to which rows are hashed together
MAX_GROUP_CELLS = 2**18  # characters that are changed together
LETTER_CATEGORIES = {"Lu", "Ll", "Lt", "Lm", "Lo", "Nd"}


def mask_texts(key: bytes, values: Sequence[str]) -> list[str]:
    """Mask texts (see above); equal texts give equal ones."""
    if not values:
        return []
    codes = np.frombuffer("".join(values).encode("utf-32-le"), np.uint32).copy()
    rows = np.repeat(np.arange(len(values)), [len(value) for value in values])
    alphabet, place, sizes, members = _build_alphabets()
    inside = np.minimum(codes, BASIC_PLANE_SIZE - 1)
    kinds = np.where(codes < BASIC_PLANE_SIZE, alphabet[inside], 0)
    at = np.flatnonzero(sizes[kinds] > 1)
    counts = np.bincount(rows[at], minlength=len(values))
    starts = np.cumsum(counts) - counts
    places, radices = place[codes[at]].astype(np.uint64), sizes[kinds[at]]
    for width, group in _group_rows(counts):
        _mask_group(key, places, radices, starts[group], counts[group], width)
    codes[at] = members[_compute_offsets(sizes)[kinds[at]] + places.astype(np.int64)]
    text = codes.tobytes().decode("utf-32-le")
    ends = np.cumsum([len(value) for value in values]).tolist()
    return [text[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def _group_rows(counts: NDArray[np.int64]) -> list[tuple[int, NDArray[np.int64]]]:
    """Give the rows that are changed together, and how many characters they are filled up to; the longest alone.

    What a row is filled up to depends on its own length, never on the rows beside it.
    """
    groups = []
    least = 0
    for width in GROUP_WIDTHS:
        rows = np.flatnonzero((counts > least) & (counts <= width))
        groups += [
            (width, rows[at : at + MAX_GROUP_CELLS // width]) for at in range(0, len(rows), MAX_GROUP_CELLS // width)
        ]
        least = width
    return groups + [(int(counts[row]), np.array([row])) for row in np.flatnonzero(counts > least)]


def _mask_group(
    key: bytes,
    places: UInt64Array,
    radices: UInt64Array,
    starts: NDArray[np.int64],
    counts: NDArray[np.int64],
    width: int,
) -> None:
    """Change the characters of some rows in place; what a row lacks to the width is an alphabet of one letter."""
    columns = np.arange(width)
    there = columns < counts[:, None]
    index = np.where(there, starts[:, None] + columns, 0)
    cells = np.where(there, places[index], np.uint64(0))
    ranges = np.where(there, radices[index], np.uint64(1))
    halves, limits = [cells[:, 0::2], cells[:, 1::2]], [ranges[:, 0::2], ranges[:, 1::2]]
    lengths = counts.astype(np.uint64) << np.uint64(8)
    for turn in range(FEISTEL_ROUNDS):
        changed = turn % 2
        stream = expand_seeds(
            _compute_seeds(key, halves[1 - changed], lengths | np.uint64(turn)), halves[changed].shape[1]
        )
        halves[changed] = (halves[changed] + stream % limits[changed]) % limits[changed]
    cells[:, 0::2], cells[:, 1::2] = halves
    places[index[there]] = cells[there]


def _compute_seeds(key: bytes, cells: UInt64Array, tweak: UInt64Array) -> UInt64Array:
    """Give a keyed number of each row of characters."""
    if cells.shape[1] > MAX_SIPHASH_WIDTH // 2:
        base = hashlib.blake2b(key=key, digest_size=8)
        rows = cells.astype("<u2")
        return np.array(
            [_compute_digest(base, row, one) for row, one in zip(rows, tweak.tolist(), strict=True)],
            np.uint64,
        )
    shifts = np.array([0, 16, 32, 48], np.uint64)
    words = np.bitwise_or.reduce(cells.reshape(len(cells), -1, 4) << shifts, axis=2)
    return siphash(key, [tweak, *(np.ascontiguousarray(words[:, i]) for i in range(words.shape[1]))])


def _compute_digest(base: hashlib.blake2b, row: NDArray[np.uint16], tweak: int) -> int:
    hashed = base.copy()
    hashed.update(tweak.to_bytes(8))
    hashed.update(row.tobytes())
    return int.from_bytes(hashed.digest())


def _compute_offsets(sizes: UInt64Array) -> NDArray[np.int64]:
    """Give where the letters of each alphabet begin in the list of all of them."""
    return np.concatenate([[0], np.cumsum(sizes[:-1])]).astype(np.int64)


@functools.cache
def _build_alphabets() -> tuple[NDArray[np.int64], NDArray[np.uint16], UInt64Array, NDArray[np.uint32]]:
    """Give each code point's alphabet and place in it, the alphabets' sizes, and their letters one after another.

    By Unicode 3.2, which every version of Python has: masks do not depend on it. Alphabet 0 is what stays.
    """
    members: dict[tuple[str, int], list[int]] = {}
    for code in range(BASIC_PLANE_SIZE):
        kind = unicodedata.ucd_3_2_0.category(chr(code))
        if kind in LETTER_CATEGORIES:
            members.setdefault((kind, _find_unicode_block(code)), []).append(code)
    alphabet, place = np.zeros(BASIC_PLANE_SIZE, np.int64), np.zeros(BASIC_PLANE_SIZE, np.uint16)
    for number, letters in enumerate(members.values(), start=1):
        alphabet[letters] = number
        place[letters] = np.arange(len(letters))
    sizes = np.array([1, *(len(letters) for letters in members.values())], np.uint64)
    return (
        alphabet,
        place,
        sizes,
        np.array([0, *(c for letters in members.values() for c in letters)], np.uint32),
    )


def _find_unicode_block(code: int) -> int:
    """Give the script of a letter, roughly: ASCII for itself, then 256 code points, or 4,096 from the Chinese on."""
    if code < 0x80:
        return 0
    return (code >> 8) + 1 if code < 0x3400 else (code >> 12) + 0x1000
