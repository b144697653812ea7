"""A keyed permutation of texts that preserves their shape: letters stay letters, and digits digits.

Each character is replaced within its alphabet, so length, case, spaces and punctuation survive. Two halves of a text's
letters and digits change each other in turn, a Feistel network over characters (as in NIST's FF1), so different texts
stay different. Other characters have no effect: ``030-12`` and ``03012`` differ by the hyphen alone. Upper and lower
case letters of ASCII change alike.
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
MAX_SIPHASH_WIDTH = 64  # letters and digits; longer rows are hashed one by one
MAX_GROUP_CELLS = 2**18  # characters per group
LETTER_CATEGORIES = {"Lu", "Ll", "Lt", "Lm", "Lo", "Nd"}


def mask_texts(key: bytes, values: Sequence[str]) -> list[str]:
    if not values:
        return []
    codes = np.frombuffer("".join(values).encode("utf-32-le"), np.uint32).copy()
    rows = np.repeat(np.arange(len(values)), [len(value) for value in values])
    alphabet, position_in_alphabet, sizes, members = _build_alphabets()
    inside = np.minimum(codes, BASIC_PLANE_SIZE - 1)
    kinds = np.where(codes < BASIC_PLANE_SIZE, alphabet[inside], 0)
    at = np.flatnonzero(sizes[kinds] > 1)
    counts = np.bincount(rows[at], minlength=len(values))
    starts = np.cumsum(counts) - counts
    positions, radices = position_in_alphabet[codes[at]].astype(np.uint64), sizes[kinds[at]]
    for width, group in _group_rows(counts):
        _mask_group(key, positions, radices, starts[group], counts[group], width)
    codes[at] = members[_compute_offsets(sizes)[kinds[at]] + positions.astype(np.int64)]
    text = codes.tobytes().decode("utf-32-le")
    ends = np.cumsum([len(value) for value in values]).tolist()
    return [text[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def _group_rows(counts: NDArray[np.int64]) -> list[tuple[int, NDArray[np.int64]]]:
    """Return groups of rows to change together, with their padded width; the longest rows are separate.

    A row's width depends on its own length, never on other rows.
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
    positions: UInt64Array,
    radices: UInt64Array,
    starts: NDArray[np.int64],
    counts: NDArray[np.int64],
    width: int,
) -> None:
    """Change the characters of some rows in place; padding is an alphabet of one letter."""
    columns = np.arange(width)
    is_letter = columns < counts[:, None]
    index = np.where(is_letter, starts[:, None] + columns, 0)
    cells = np.where(is_letter, positions[index], np.uint64(0))
    ranges = np.where(is_letter, radices[index], np.uint64(1))
    halves, limits = [cells[:, 0::2], cells[:, 1::2]], [ranges[:, 0::2], ranges[:, 1::2]]
    lengths = counts.astype(np.uint64) << np.uint64(8)
    for turn in range(FEISTEL_ROUNDS):
        changed = turn % 2
        stream = expand_seeds(
            _compute_seeds(key, halves[1 - changed], lengths | np.uint64(turn)), halves[changed].shape[1]
        )
        halves[changed] = (halves[changed] + stream % limits[changed]) % limits[changed]
    cells[:, 0::2], cells[:, 1::2] = halves
    positions[index[is_letter]] = cells[is_letter]


def _compute_seeds(key: bytes, cells: UInt64Array, tweak: UInt64Array) -> UInt64Array:
    """Return a keyed number for each row of characters."""
    if cells.shape[1] > MAX_SIPHASH_WIDTH // 2:
        base = hashlib.blake2b(key=key, digest_size=8)
        rows = cells.astype("<u2")
        return np.array(
            [_compute_digest(base, row, row_tweak) for row, row_tweak in zip(rows, tweak.tolist(), strict=True)],
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
    """Return the offset of each alphabet in the list of all letters."""
    return np.concatenate([[0], np.cumsum(sizes[:-1])]).astype(np.int64)


@functools.cache
def _build_alphabets() -> tuple[NDArray[np.int64], NDArray[np.uint16], UInt64Array, NDArray[np.uint32]]:
    """Return each code point's alphabet and position in it, the alphabets' sizes, and their concatenated letters.

    They follow Unicode 3.2, available in every version of Python, so masks do not depend on the version. Alphabet 0 is
    for characters to keep.
    """
    members: dict[tuple[str, int], list[int]] = {}
    for code in range(BASIC_PLANE_SIZE):
        kind = unicodedata.ucd_3_2_0.category(chr(code))
        if kind in LETTER_CATEGORIES:
            members.setdefault((kind, _find_unicode_block(code)), []).append(code)
    alphabet, position = np.zeros(BASIC_PLANE_SIZE, np.int64), np.zeros(BASIC_PLANE_SIZE, np.uint16)
    for number, letters in enumerate(members.values(), start=1):
        alphabet[letters] = number
        position[letters] = np.arange(len(letters))
    sizes = np.array([1, *(len(letters) for letters in members.values())], np.uint64)
    return (
        alphabet,
        position,
        sizes,
        np.array([0, *(c for letters in members.values() for c in letters)], np.uint32),
    )


def _find_unicode_block(code: int) -> int:
    """Return the approximate script of a letter: ASCII, blocks of 256 code points, or of 4,096 from CJK on."""
    if code < 0x80:
        return 0
    return (code >> 8) + 1 if code < 0x3400 else (code >> 12) + 0x1000
