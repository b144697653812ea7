"""Propose the tolerance lines for differences that look like rounding. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sandbox.config.toml_quoting import quote_key

if TYPE_CHECKING:
    from sandbox.manifest.diff import ColumnChanges, OutputDiff

MAX_RELATIVE = 1e-6
"""Largest relative difference that is proposed as ``rel``: the last digits of a sum."""

MAX_CANCELLED = 1e-9
"""Largest difference, as a part of the column's largest value, that is proposed as ``abs``: a sum that cancels."""

MAX_ROUNDED = 1e-3
"""The same for a power of ten: values that were rounded to so many places."""


def propose_tolerances(name: str, output: OutputDiff) -> str | None:
    """Return the TOML that accepts an output's differences as rounding; None where some do not look like it.

    Two more digits than the largest difference need not be written: the tolerance is its first digit, rounded up.
    """
    if output.rows.added or output.rows.removed or not output.schema_.is_same:
        return None
    changed = {column: changes for column, changes in output.columns.items() if changes.changed}
    entries = {
        column: _propose_entry(changes, _find_largest_value(output, column))
        for column, changes in changed.items()
        if column not in output.tainted
    }
    if not entries or None in entries.values():
        return None
    lines = ", ".join(f"{quote_key(column)} = {entry}" for column, entry in entries.items())
    return f"[outputs.{quote_key(name)}.tolerance] {lines}"


def _propose_entry(changes: ColumnChanges, largest: float | None) -> str | None:
    if changes.max_relative_change is not None and 0 < changes.max_relative_change <= MAX_RELATIVE:
        return f"{{ rel = {_round_up(changes.max_relative_change):g} }}"
    moved = abs(changes.max_change or 0.0)
    if not moved or largest is None or changes.change_in is not None or changes.to_null or changes.from_null:
        return None
    is_place = math.isclose(moved, 10.0 ** round(math.log10(moved)), rel_tol=1e-9)
    is_small = moved <= MAX_CANCELLED * largest and changes.max_relative_change is not None
    return f"{{ abs = {_round_up(moved):g} }}" if is_small or (is_place and moved <= MAX_ROUNDED * largest) else None


def _find_largest_value(output: OutputDiff, column: str) -> float | None:
    profile = output.profiles.get(column)
    if profile is None:
        return None
    ends = [profile.baseline.min, profile.baseline.max]
    numbers = [abs(end) for end in ends if isinstance(end, int | float)]
    return max(numbers, default=None)


def _round_up(number: float) -> float:
    """Return a number rounded up to its first digit.

    >>> _round_up(3.2e-11), _round_up(0.01), _round_up(9.5e-7)
    (4e-11, 0.01, 1e-06)
    """
    power = math.floor(math.log10(number))
    digit = math.ceil(round(number / 10.0**power, 6))
    return float(f"{digit}e{power}")
