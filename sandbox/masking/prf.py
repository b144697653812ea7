"""Keyed pseudorandom functions: SipHash-2-4 over arrays, and a Feistel network as a permutation.

Pure functions of a key and values: reproducible on every machine and for every split into batches. (SipHash: Aumasson &
Bernstein 2012. Feistel networks as permutations of any range, by cycle walking: Black & Rogaway 2002, "Ciphers with
arbitrary finite domains".)
"""

from __future__ import annotations

import functools
import hashlib
import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    UInt64Array = NDArray[np.uint64]

FEISTEL_ROUNDS = 10  # as in NIST's FF1
MAX_TABLE_SIZE = 2**16  # up to this size the permutation is a table
SIPHASH_INITIAL_STATE = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)


def derive_key(key: bytes, purpose: str) -> bytes:
    """Return the key (32 bytes) for one purpose, independent of other purposes' keys."""
    return hashlib.blake2b(purpose.encode(), key=key, digest_size=32).digest()


def siphash(key: bytes, words: Sequence[UInt64Array]) -> UInt64Array:
    """Return the SipHash-2-4 of each row of words, with the first 16 bytes of the key.

    ``words`` are the columns; at least one, all of one shape.
    """
    halves = [int.from_bytes(key[at : at + 8], "little") for at in (0, 8)]
    state = [np.full(words[0].shape, halves[i % 2] ^ SIPHASH_INITIAL_STATE[i], np.uint64) for i in range(4)]
    spare = np.empty_like(state[0])
    end = np.full_like(spare, (len(words) * 8 & 0xFF) << 56)
    for word in (*words, end):
        state[3] ^= word
        _apply_sip_rounds(state, spare, 2)
        state[0] ^= word
    state[2] ^= np.uint64(0xFF)
    _apply_sip_rounds(state, spare, 4)
    state[0] ^= state[1]
    state[0] ^= state[2]
    state[0] ^= state[3]
    return state[0]


def _apply_sip_rounds(state: list[UInt64Array], spare: UInt64Array, times: int) -> None:
    v0, v1, v2, v3 = state
    for _ in range(times):
        v0 += v1
        _rotate_left(v1, 13, spare)
        v1 ^= v0
        _rotate_left(v0, 32, spare)
        v2 += v3
        _rotate_left(v3, 16, spare)
        v3 ^= v2
        v0 += v3
        _rotate_left(v3, 21, spare)
        v3 ^= v0
        v2 += v1
        _rotate_left(v1, 17, spare)
        v1 ^= v2
        _rotate_left(v2, 32, spare)


def _rotate_left(values: UInt64Array, bits: int, spare: UInt64Array) -> None:
    np.left_shift(values, np.uint64(bits), out=spare)
    values >>= np.uint64(64 - bits)
    values |= spare


def expand_seeds(seeds: UInt64Array, columns: int) -> UInt64Array:
    """Return ``columns`` numbers for each seed, of shape (n, columns); the finalizer of SplitMix64."""
    z: UInt64Array = seeds[:, None] + GOLDEN_GAMMA * np.arange(1, columns + 1, dtype=np.uint64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return z


def permute_values(key: bytes, values: UInt64Array, size: int) -> UInt64Array:
    """Return each value's image in a keyed permutation of 0 .. size − 1, for size < 2⁶⁴."""
    if size <= MAX_TABLE_SIZE:
        permuted: UInt64Array = _build_permutation_table(key, size)[values]
        return permuted
    placed = _apply_feistel(key, values, *choose_factors(size))
    while (outside := placed >= np.uint64(size)).any():
        placed[outside] = _apply_feistel(key, placed[outside], *choose_factors(size))
    return placed


def choose_factors(size: int) -> tuple[int, int]:
    """Return two similar factors with a product barely above the size, so that few values leave the range.

    >>> choose_factors(100), choose_factors(101)
    ((10, 10), (11, 10))
    """
    factor = math.isqrt(size - 1) + 1
    return factor, -(-size // factor)


@functools.lru_cache(maxsize=64)
def _build_permutation_table(key: bytes, size: int) -> UInt64Array:
    """Return a permutation as a table: a single cycle in the order of hashes, so no value maps to itself."""
    values = np.arange(size, dtype=np.uint64)
    order = np.argsort(siphash(key, [values, np.full_like(values, size)]), kind="stable").astype(np.uint64)
    table = np.empty_like(order)
    table[order] = np.roll(order, -1)
    return table


def _apply_feistel(key: bytes, values: UInt64Array, first: int, second: int) -> UInt64Array:
    """Permute 0 .. first · second − 1: two halves are added to in turn, each modulo its own size."""
    sizes = np.uint64(first), np.uint64(second)
    halves = list(np.divmod(values, sizes[1]))
    for turn in range(FEISTEL_ROUNDS):
        changed = turn % 2
        stream = siphash(key, [halves[1 - changed] << np.uint64(8) | np.uint64(turn)])
        halves[changed] = (halves[changed] + stream % sizes[changed]) % sizes[changed]
    placed: UInt64Array = halves[0] * sizes[1] + halves[1]
    return placed
