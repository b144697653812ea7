"""Make fresh values for the keys of copied units: unused values of the same kind, among the others. Pure.

Fresh values are spread over the range of a column, so that copies come before some units and after others in every
order. Numbers keep their sign. Texts keep their length, everything but letters and digits, and the characters seen at
each position. So fresh UUIDs are valid UUIDs.
"""

from __future__ import annotations

import math
import string
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sandbox.errors import DataRuleError
from sandbox.formatting import format_count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Int64Array = np.ndarray[Any, np.dtype[np.int64]]
    CodePointArray = np.ndarray[Any, np.dtype[np.uint32]]

MAX_SPAN = 1 << 62
"""Longest range of integers; a longer one is cut."""

MAX_TEXT_CODES = 1 << 60
"""Texts are told apart by as many leading characters as have at most this number of combinations."""

_GOLDEN_RATIO = (math.sqrt(5) - 1) / 2
_MASK_TABLE = str.maketrans(dict.fromkeys(string.ascii_letters + string.digits, "x"))
_CHARACTER_CLASSES = [
    np.array(sorted(map(ord, characters)), np.uint32)
    for characters in (
        string.digits,
        string.ascii_lowercase,
        string.ascii_uppercase,
        string.digits + "abcdef",
        string.digits + "ABCDEF",
        string.digits + string.ascii_lowercase,
        string.digits + string.ascii_uppercase,
        string.ascii_letters,
        string.digits + string.ascii_letters,
    )
]


@dataclass(frozen=True, kw_only=True)
class IntegerLimits:
    """The smallest and the largest fresh value."""

    low: int
    high: int


def make_fresh_integers(known: Int64Array, used: Int64Array, count: int, limits: IntegerLimits) -> Int64Array:
    """Return distinct unused integers, spread over the range of the known ones, in an order without meaning.

    The range grows only if it has too few unused integers: below and above, and past zero last.

    Args:
        known: Integers that set the range; at least one.
        used: Integers that must not be returned.
        count: The number of integers to return.
        limits: Limits of the range.

    Raises:
        DataRuleError: There are too few unused integers between the limits.
    """
    if not count:
        return np.zeros(0, np.int64)
    taken = np.unique(used)
    low, high = _choose_range(taken, (int(known.min()), int(known.max())), count, limits)
    inside = taken[(taken >= low) & (taken <= high)]
    free_below = inside - low - np.arange(len(inside), dtype=np.int64)
    step, remainder = divmod(high - low + 1 - len(inside), count)
    numbers = np.arange(count, dtype=np.int64)
    ranks = numbers * step + numbers * remainder // count + step // 2
    fresh: Int64Array = low + ranks + np.searchsorted(free_below, ranks, side="right")
    return fresh[numbers * _choose_stride(count) % count]


def _choose_range(taken: Int64Array, ends: tuple[int, int], count: int, limits: IntegerLimits) -> tuple[int, int]:
    """Return the ends of a range with enough unused integers."""
    low, high = ends[0], min(ends[1], ends[0] + MAX_SPAN - 1)
    same_sign = (
        max(limits.low, min(low, 1)) if low >= 0 else limits.low,
        min(limits.high, -1) if high < 0 else limits.high,
    )
    lacking = count - _count_unused(taken, low, high)
    for least, most in (same_sign, (limits.low, limits.high)):
        while lacking > 0 and (low > least or high < most):
            below = min((lacking + 1) // 2, max(low - least, 0))
            above = min(lacking - below, max(most - high, 0))
            below = min(lacking - above, max(low - least, 0))
            low, high = low - below, high + above
            lacking = count - _count_unused(taken, low, high)
        if lacking <= 0:
            return low, high
    raise DataRuleError(f"{format_count(count, 'value')} more are needed, and {count - lacking:,} are unused")


def _count_unused(taken: Int64Array, low: int, high: int) -> int:
    first, last = np.searchsorted(taken, low), np.searchsorted(taken, high, side="right")
    return high - low + 1 - int(last - first)


def _choose_stride(count: int) -> int:
    """Return a stride that visits all numbers below ``count``, neighbours far apart."""
    stride = max(1, round(count * _GOLDEN_RATIO))
    while math.gcd(stride, count) > 1:
        stride += 1
    return stride


@dataclass(kw_only=True)
class _TextPattern:
    """Texts of one length with the same characters other than letters and digits."""

    known: list[str] = field(default_factory=list)
    used: list[str] = field(default_factory=list)
    originals: list[str] = field(default_factory=list)
    places: list[int] = field(default_factory=list)


def make_fresh_texts(known: Sequence[str], used: Sequence[str], originals: Sequence[str]) -> list[str]:
    """Return one unused text for every original, of its pattern; all results are distinct.

    Args:
        known: Texts that set the characters at each position, and the range.
        used: Texts that must not be returned.
        originals: Texts to replace, each as often as fresh texts are needed for it.

    >>> make_fresh_texts(["C-01", "C-07"], ["C-01", "C-07"], ["C-01", "C-01"])
    ['C-03', 'C-05']
    """
    patterns: defaultdict[str, _TextPattern] = defaultdict(_TextPattern)
    for place, text in enumerate(originals):
        pattern = patterns[text.translate(_MASK_TABLE)]
        pattern.originals.append(text)
        pattern.places.append(place)
    for texts, name in ((known, "known"), (used, "used")):
        for text in texts:
            mask = text.translate(_MASK_TABLE)
            if mask in patterns:
                getattr(patterns[mask], name).append(text)
    fresh = [""] * len(originals)
    taken = set(used)
    for pattern in patterns.values():
        for place, text in zip(pattern.places, _fill_pattern(pattern, taken), strict=True):
            fresh[place] = text
    return fresh


def _fill_pattern(pattern: _TextPattern, taken: set[str]) -> list[str]:
    """Return the fresh texts of one pattern; only if it has too few, they are longer."""
    originals, used = _split_characters(pattern.originals), _split_characters(pattern.used)
    known = _split_characters([*pattern.known, *pattern.used, *pattern.originals])
    for alphabets in _list_alphabets(known):
        coding = _TextCoding(alphabets)
        if coding.size < len(pattern.used) + len(pattern.originals):
            continue
        limits = IntegerLimits(low=0, high=coding.size - 1)
        codes = coding.encode(used) if len(used) else np.zeros(0, np.int64)
        try:
            fresh = make_fresh_integers(coding.encode(known), codes, len(originals), limits)
        except DataRuleError:
            continue
        return _join_characters(coding.decode(fresh, originals))
    return _append_numbers(pattern.originals, taken)


def _append_numbers(originals: Sequence[str], taken: set[str]) -> list[str]:
    """Return the originals with numbers after them."""
    fresh = []
    for number, text in enumerate(originals):
        candidate = f"{text}-{number}"
        while candidate in taken:
            candidate += "0"
        taken.add(candidate)
        fresh.append(candidate)
    return fresh


def _list_alphabets(known: CodePointArray) -> Iterator[list[CodePointArray]]:
    """Yield the alphabet of each position: as seen, then wider at more and more positions from the right.

    The part after an ``@`` is widened last.
    """
    alphabets = [np.unique(known[:, position]) for position in range(known.shape[1])]
    yield list(alphabets)
    ats = np.flatnonzero((known == ord("@")).all(axis=0))
    domain = int(ats[-1]) if len(ats) else known.shape[1]
    for position in (*reversed(range(domain)), *reversed(range(domain, known.shape[1]))):
        wider = next((one for one in _CHARACTER_CLASSES if np.isin(alphabets[position], one).all()), None)
        if wider is not None:
            alphabets[position] = wider
            yield list(alphabets)


class _TextCoding:
    """Texts of one length as integers, in the order of their leading characters."""

    def __init__(self, alphabets: Sequence[CodePointArray]) -> None:
        self.size = 1
        self.alphabets: list[CodePointArray] = []
        for alphabet in alphabets:
            if self.size * len(alphabet) > MAX_TEXT_CODES:
                break
            self.size *= len(alphabet)
            self.alphabets.append(alphabet)

    def encode(self, texts: CodePointArray) -> Int64Array:
        """Return the codes of texts."""
        codes = np.zeros(len(texts), np.int64)
        for position, alphabet in enumerate(self.alphabets):
            codes = codes * len(alphabet) + np.searchsorted(alphabet, texts[:, position])
        return codes

    def decode(self, codes: Int64Array, originals: CodePointArray) -> CodePointArray:
        """Return the texts of codes; their last characters are the originals' where codes do not reach."""
        texts = originals.copy()
        for position, alphabet in reversed(list(enumerate(self.alphabets))):
            codes, numbers = np.divmod(codes, len(alphabet))
            texts[:, position] = alphabet[numbers]
        return texts


def _split_characters(texts: Sequence[str]) -> CodePointArray:
    """Return the code points of texts of one length, as an array of shape (texts, characters)."""
    length = len(texts[0]) if texts else 0
    points = np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32)
    return points.reshape(len(texts), length)


def _join_characters(characters: CodePointArray) -> list[str]:
    length = characters.shape[1]
    text = characters.astype("<u4").tobytes().decode("utf-32-le")
    return [text[start : start + length] for start in range(0, len(text), length)]
