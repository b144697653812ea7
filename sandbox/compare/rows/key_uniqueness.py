"""Whether keys held as numbers, or as hashes, are there twice."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from sandbox.compare.sql_types import INTEGER_TYPES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.compare.rows.row_matching import ComparisonPlan

KEY_BYTES = 16  # bytes of a key on both sides

Array = np.ndarray[Any, np.dtype[Any]]


def has_integer_key(plan: ComparisonPlan) -> bool:
    """Return whether the key is one column of whole numbers of at most 64 bits with a sign."""
    return [column.common in INTEGER_TYPES - {"UBIGINT"} for column in plan.key] == [True]


def render_key_number_sql(plan: ComparisonPlan) -> str:
    """Render the SQL of a key as a number, NULL for NULL; equal keys have equal numbers."""
    if has_integer_key(plan):
        return f"{plan.key_names[0]}::BIGINT"
    null = " or ".join(f"{key} is null" for key in plan.key_names)
    return f"case when not ({null}) then hash({', '.join(plan.key_names)}) end"


def sort_unique_values(held: Sequence[Array]) -> Array | None:
    """Return the values in their order; None where one is there twice. Those that rise all the way are not sorted."""
    parts = [part for part in held if len(part)]
    if not parts:
        return np.zeros(0, np.uint64)
    follow = all(before[-1] < after[0] for before, after in itertools.pairwise(parts))
    rising = follow and all(np.all(part[1:] > part[:-1]) for part in parts)
    values = np.concatenate(parts)
    if rising:
        return values
    values.sort()
    return None if np.any(values[1:] == values[:-1]) else values
