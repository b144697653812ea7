"""Check large tables on a hash slice: all rows of some values and no others.

Equal values have equal hashes, so the slice has either all rows of a value or none, in both tables of a reference.
Uniqueness and dangling references are therefore exact for the values in the slice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_FULL_SCAN_ROWS = 2_000_000  # up to which the slice is the whole table


def choose_slice_count(rows: int) -> int:
    """Return the number of slices of a table; 1 takes all rows."""
    return max(1, -(-rows // MAX_FULL_SCAN_ROWS))


def build_slice_condition(columns: Sequence[str], part: int) -> str:
    """Build the SQL condition for the rows of one of ``part`` slices."""
    if part == 1:
        return "true"
    return f"hash({', '.join(quote_identifier(column) for column in columns)}) % {part} = 0"


def describe_slice(part: int) -> str:
    """Describe the checked rows."""
    return "over all rows" if part == 1 else f"over all rows of one value in {part:,}, chosen by hash"
