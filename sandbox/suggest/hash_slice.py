"""Looking at a part of a large table in a way that cannot mislead: every row of some values, and no other.

Rows with equal values have equal hashes, so in the rows whose hash leaves no rest every value is there with all of its
rows, and in both tables of a reference. What is unique, or refers to nothing, there is so for these values exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_FULL_SCAN_ROWS = 2_000_000  # rows up to which every row is looked at


def choose_slice_count(rows: int) -> int:
    """Say of how many values one is looked at: 1 where a table is small enough to be looked at whole."""
    return max(1, -(-rows // MAX_FULL_SCAN_ROWS))


def build_slice_condition(columns: Sequence[str], part: int) -> str:
    """Give the SQL condition that holds for all rows of one value in so many."""
    if part == 1:
        return "true"
    return f"hash({', '.join(quote_identifier(column) for column in columns)}) % {part} = 0"


def describe_slice(part: int) -> str:
    """Say which rows were looked at."""
    return "over all rows" if part == 1 else f"over all rows of one value in {part:,}, chosen by hash"
