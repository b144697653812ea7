"""A keyed permutation of UUIDs that preserves their version and variant."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from sandbox.masking.prf import FEISTEL_ROUNDS, siphash

if TYPE_CHECKING:
    from collections.abc import Sequence

UUID_PATTERN = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
UPPER_HALF_MASK = np.uint64(0xFFFFFFFFFFFF0FFF)  # all but the version
LOWER_HALF_MASK = np.uint64(0x3FFFFFFFFFFFFFFF)  # all but the variant


def mask_uuids(key: bytes, values: Sequence[str]) -> list[str]:
    """Mask UUIDs in canonical lower-case text."""
    if not values:
        return []
    numbers = [value.replace("-", "") for value in values]
    halves = [np.array([int(number[at : at + 16], 16) for number in numbers], np.uint64) for at in (0, 16)]
    masks = UPPER_HALF_MASK, LOWER_HALF_MASK
    kept = [half & ~mask for half, mask in zip(halves, masks, strict=True)]
    parts = [half & mask for half, mask in zip(halves, masks, strict=True)]
    for turn in range(FEISTEL_ROUNDS):
        changed = turn % 2
        tweak = kept[0] | kept[1] | np.uint64(turn)
        parts[changed] = parts[changed] ^ (siphash(key, [parts[1 - changed], tweak]) & masks[changed])
    texts = [f"{a:016x}{b:016x}" for a, b in zip(*(p | k for p, k in zip(parts, kept, strict=True)), strict=True)]
    return [f"{t[:8]}-{t[8:12]}-{t[12:16]}-{t[16:20]}-{t[20:]}" for t in texts]
