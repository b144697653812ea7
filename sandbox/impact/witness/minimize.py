"""Find a small part of a list that still has a property: delta debugging.

The algorithm is ddmin of A. Zeller and R. Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE
Transactions on Software Engineering 28 (2002). Pure.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")


class BudgetError(Exception):
    """No further test is allowed."""


@dataclass(frozen=True, kw_only=True)
class Minimum(Generic[T]):
    """The smallest list found; ``is_minimal`` is true if it needs each of its items."""

    items: tuple[T, ...]
    is_minimal: bool


def minimize(items: Sequence[T], has_property: Callable[[Sequence[T]], bool]) -> Minimum[T]:
    """Return a part of ``items`` that has the property, without an item that could be left out alone.

    Args:
        items: They have the property.
        has_property: The test. It may raise `BudgetError`: the smallest list so far is returned then.

    >>> minimize(range(100), lambda some: {3, 71} <= set(some))
    Minimum(items=(3, 71), is_minimal=True)
    """
    best = list(items)
    try:
        if not best or has_property([]):
            return Minimum(items=(), is_minimal=True)
        parts = 2
        while len(best) > 1:
            smaller = _find_smaller(best, parts, has_property)
            if smaller is not None:
                best, parts = smaller[0], smaller[1]
            elif parts >= len(best):
                break
            else:
                parts = min(len(best), 2 * parts)
    except BudgetError:
        return Minimum(items=tuple(best), is_minimal=False)
    return Minimum(items=tuple(best), is_minimal=True)


def _find_smaller(
    items: list[T], parts: int, has_property: Callable[[Sequence[T]], bool]
) -> tuple[list[T], int] | None:
    """Return one of the parts that has the property, or the rest without one of them, and the next number of parts."""
    chunks = _split(items, parts)
    for chunk in chunks:
        if has_property(chunk):
            return chunk, 2
    if parts > 2:
        for chunk in chunks:
            rest = [item for other in chunks if other is not chunk for item in other]
            if has_property(rest):
                return rest, max(parts - 1, 2)
    return None


def _split(items: list[T], parts: int) -> list[list[T]]:
    """Split a list into parts of nearly equal length.

    >>> _split([1, 2, 3, 4, 5], 2)
    [[1, 2], [3, 4, 5]]
    """
    edges = [round(len(items) * number / parts) for number in range(parts + 1)]
    return [items[start:end] for start, end in itertools.pairwise(edges)]
