"""Choose the unit: the table with enough rows that most other rows depend on. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.suggest.naming import ENTITY_WORDS, list_entity_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.suggest.tables import SuggestedTable

MIN_UNIT_ROWS = 500  # rows of the unit table; a fiftieth of the largest table in a small source
MIN_UNIT_ROWS_OF_SMALL_SOURCE = 30
MIN_SAMPLED_UNITS = 2_000  # below which all units are taken
LAPTOP_BYTES = 500_000_000
LAPTOP_ROWS = 5_000_000
MAX_RATE = 0.1


@dataclass(frozen=True, kw_only=True)
class SuggestedUnit:
    """The proposed unit table with its rate and the reason."""

    table: str
    reason: str
    rate: float
    expected_sample: str


def choose_unit(tables: Mapping[str, SuggestedTable]) -> SuggestedUnit | None:
    """Choose the unit and its rate; None if no table has a key."""
    keyed = {name: table for name, table in tables.items() if table.key is not None and table.rows}
    if not keyed:
        return None
    dependents = {name: find_dependent_tables(name, tables) for name in keyed}
    enough = min(MIN_UNIT_ROWS, max(MIN_UNIT_ROWS_OF_SMALL_SOURCE, max(table.rows for table in tables.values()) // 50))
    large = {name for name in keyed if keyed[name].rows >= enough} or set(keyed)

    def rank_table(name: str) -> tuple[bool, int, int]:
        rows = sum(tables[child].rows for child in dependents[name])
        entity = bool(set(list_entity_names(name)) & ENTITY_WORDS)
        return bool(dependents[name]) and entity, rows, keyed[name].rows

    best = max(sorted(large), key=rank_table)
    children = dependents[best]
    rows = sum(tables[child].rows for child in children)
    total = sum(table.rows for table in tables.values())
    why = (
        f"rows of {len(children)} of {len(tables) - 1} other tables come with one of it: {', '.join(sorted(children))}"
        if children
        else "no table refers to another that has enough rows, so this is the largest with a key"
    )
    units = keyed[best].rows
    rate = choose_rate(units, bytes_=sum(suggested.table.bytes for suggested in tables.values()), rows=total)
    drawn = round(units * rate)
    expected = f"about {drawn:,} of {units:,} {best}" + (
        f" and {round(rows * rate):,} rows that come with them" if children else ""
    )
    return SuggestedUnit(table=best, reason=why, rate=rate, expected_sample=expected)


def choose_rate(units: int, *, bytes_: int, rows: int) -> float:
    """Choose a one-digit rate within a laptop's limits that leaves enough units.

    >>> choose_rate(1_000_000, bytes_=2 * 10**9, rows=10**7)
    0.1
    >>> choose_rate(10**9, bytes_=10**12, rows=10**10)
    0.0005
    >>> choose_rate(1_500, bytes_=10**6, rows=10**4)
    1.0
    """
    target = min(MAX_RATE, LAPTOP_BYTES / max(1, bytes_), LAPTOP_ROWS / max(1, rows))
    target = min(1.0, max(target, MIN_SAMPLED_UNITS / max(1, units)))
    steps = sorted(digit * 10.0**-power for power in range(12) for digit in (1, 2, 5) if digit * 10.0**-power <= 1)
    above = [step for step in steps if step >= MIN_SAMPLED_UNITS / max(1, units)] or [1.0]
    below = [step for step in steps if step <= target]
    rate = max(below[-1] if below else steps[0], above[0])
    return float(f"{rate:.0e}")


def find_dependent_tables(unit: str, tables: Mapping[str, SuggestedTable]) -> set[str]:
    """Return the tables that refer to a unit, directly or through others."""
    reached: set[str] = set()
    ahead = {unit}
    while ahead:
        reached |= ahead
        ahead = {
            name for name, table in tables.items() if any(reference.table in ahead for reference in table.references)
        } - reached
    return reached - {unit}
