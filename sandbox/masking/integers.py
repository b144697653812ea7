"""A keyed permutation of integers that preserves sign and number of digits, at any width.

Numbers are permuted within classes. Classes end at powers of ten and at the limits of DuckDB's integer types. A masked
value therefore fits every type that the original fits, and references between columns of different widths, decimals or
text still match.
"""

from __future__ import annotations

import bisect
import hashlib
from typing import TYPE_CHECKING

import numpy as np

from sandbox.masking.prf import FEISTEL_ROUNDS, choose_factors, derive_key, permute_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MAX_DIGITS = 40
UINT64_SIZE = 2**64


def _compute_class_edges(least: int, limits: Sequence[int]) -> tuple[int, ...]:
    """Return the lower edges of the classes of magnitudes, in order."""
    return tuple(sorted({least, *(10**n for n in range(1, MAX_DIGITS)), *limits}))


# Non-negative numbers, and magnitudes of negative ones: a type of b bits ends with 2^(b-1) - 1 and -2^(b-1).
NONNEGATIVE_EDGES = _compute_class_edges(0, [2**b for b in (7, 8, 15, 16, 31, 32, 63, 64)])
NEGATIVE_EDGES = _compute_class_edges(1, [2**b + 1 for b in (7, 15, 31, 63)])


def mask_signed(key: bytes, values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Mask signed integers of up to 64 bits."""
    below = values < 0
    magnitudes = values.view(np.uint64).copy()
    np.negative(magnitudes, out=magnitudes, where=below)
    changed = np.empty_like(magnitudes)
    for negative, chosen in ((False, ~below), (True, below)):
        changed[chosen] = mask_magnitudes(key, magnitudes[chosen], negative=negative)
    np.negative(changed, out=changed, where=below)
    return changed.view(np.int64)


def mask_magnitudes(key: bytes, magnitudes: NDArray[np.uint64], *, negative: bool = False) -> NDArray[np.uint64]:
    """Mask numbers of one sign by their magnitudes."""
    edges = [edge for edge in (NEGATIVE_EDGES if negative else NONNEGATIVE_EDGES) if edge < UINT64_SIZE]
    classes = np.searchsorted(np.array(edges, np.uint64), magnitudes, side="right") - 1
    changed = np.empty_like(magnitudes)
    for index in np.unique(classes):
        first, last = edges[index], ([*edges, UINT64_SIZE])[index + 1]
        chosen = classes == index
        permuted = permute_values(
            _derive_class_key(key, first, negative=negative),
            magnitudes[chosen] - np.uint64(first),
            last - first,
        )
        changed[chosen] = permuted + np.uint64(first)
    return changed


def mask_integers(key: bytes, values: Sequence[int]) -> list[int]:
    """Mask integers of up to 39 digits; those of 64 bits as `mask_signed` does."""
    small = [value for value in values if -(2**63) <= value < 2**63]
    changed = mask_signed(key, np.array(small, np.int64)).tolist()
    known = dict(zip(small, changed, strict=True))
    return [known[value] if value in known else _mask_large_integer(key, value) for value in values]


def _mask_large_integer(key: bytes, value: int) -> int:
    negative, magnitude = value < 0, abs(value)
    if magnitude < UINT64_SIZE:
        [changed] = mask_magnitudes(key, np.array([magnitude], np.uint64), negative=negative).tolist()
        return -int(changed) if negative else int(changed)
    edges = NEGATIVE_EDGES if negative else NONNEGATIVE_EDGES
    index = bisect.bisect_right(edges, magnitude) - 1
    first, last = max(edges[index], UINT64_SIZE), edges[index + 1]  # smaller numbers form their own class
    changed = first + _permute_large(_derive_class_key(key, first, negative=negative), magnitude - first, last - first)
    return -changed if negative else changed


def _derive_class_key(key: bytes, first: int, *, negative: bool) -> bytes:
    return derive_key(key, f"{'-' if negative else ''}{first}")


def _permute_large(key: bytes, value: int, size: int) -> int:
    """Permute 0 .. size − 1 for sizes beyond 64 bits."""
    sizes = choose_factors(size)
    while True:
        halves = list(divmod(value, sizes[1]))
        for turn in range(FEISTEL_ROUNDS):
            changed = turn % 2
            stream = hashlib.blake2b(f"{turn}/{halves[1 - changed]}".encode(), key=key, digest_size=32).digest()
            halves[changed] = (halves[changed] + int.from_bytes(stream)) % sizes[changed]
        value = halves[0] * sizes[1] + halves[1]
        if value < size:
            return value
