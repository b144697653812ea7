"""Choose the unit: what a business counts. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.sql.type_names import FLOAT_TYPES, TEMPORAL_TYPE
from sandbox.formatting import format_count
from sandbox.suggest.naming import ENTITY_WORDS, STAFF_WORDS, list_entity_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.suggest.tables import SuggestedTable

MIN_UNIT_ROWS_OF_SMALL_SOURCE = 30
ENTITY_SCORE, STAFF_SCORE = 4.0, 1.0
EVENT_SCORE = 2.0
SHARE_SCORE = 3.0
PARENT_SCORE = 0.5
FEW_ROWS_SCORE = 3.0
MAX_SIZE_SCORE = 6.0
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
    keyed = [name for name, table in tables.items() if table.key is not None and table.rows]
    if not keyed:
        return None
    most = max(table.rows for table in tables.values())
    enough = min(MIN_UNIT_ROWS_OF_SMALL_SOURCE, max(2, most // 2))
    large = [name for name in keyed if tables[name].rows >= enough] or keyed
    ranked = sorted(large, key=lambda name: (-score_unit(name, tables), name))
    best = ranked[0]
    children = find_dependent_tables(best, tables)
    rows = sum(tables[child].rows for child in children)
    total = sum(table.rows for table in tables.values())
    why = _explain_choice(best, children, tables)
    if len(ranked) > 1:
        why += f"; the runner-up is {ranked[1]}"
    units = tables[best].rows
    rate = choose_rate(units, bytes_=sum(suggested.table.bytes for suggested in tables.values()), rows=total)
    drawn = round(units * rate)
    expected = f"about {drawn:,} of {units:,} {best}" + (
        f" and {format_count(round(rows * rate), 'row that comes', 'rows that come')} with them" if children else ""
    )
    return SuggestedUnit(table=best, reason=why, rate=rate, expected_sample=expected)


def _explain_choice(best: str, children: set[str], tables: Mapping[str, SuggestedTable]) -> str:
    if not children:
        return "no table refers to another that has enough rows, so this is the largest with a key"
    counted = "it names what a business counts, and " if _find_entity_weight(best) else ""
    share = f"{len(children)} of {format_count(len(tables) - 1, 'other table')}"
    return f"{counted}{share} {'depends' if len(children) == 1 else 'depend'} on it: {', '.join(sorted(children))}"


def score_unit(name: str, tables: Mapping[str, SuggestedTable]) -> float:
    """Score how well a table's rows are what a business counts.

    By its name, by tables that refer to it and hold events or measures, by the share of all rows that come with it, by
    its number of rows, and against it by tables that it refers to itself.
    """
    table, children = tables[name], find_dependent_tables(name, tables)
    total = sum(other.rows for other in tables.values())
    parents = {reference.table for reference in table.references} - {name}
    share = sum(tables[child].rows for child in children) / max(1, total)
    size = min(math.log10(max(1, table.rows)), MAX_SIZE_SCORE)
    few = 0.0 if table.rows >= MIN_UNIT_ROWS_OF_SMALL_SOURCE else FEW_ROWS_SCORE
    return (
        (_find_entity_weight(name) if children else 0.0)
        + EVENT_SCORE * any(_holds_events(tables[child]) for child in children)
        + SHARE_SCORE * share
        + size / 2
        - PARENT_SCORE * len(parents)
        - few
    )


def _find_entity_weight(name: str) -> float:
    """Return the weight of a table's name: what is counted, who serves them, or neither.

    >>> _find_entity_weight("dim_customers"), _find_entity_weight("staff"), _find_entity_weight("order_items")
    (4.0, 1.0, 0.0)
    """
    names = list_entity_words(name)
    whole = {"".join(words) for words in names}
    if whole & ENTITY_WORDS:
        return ENTITY_SCORE
    return STAFF_SCORE if whole & STAFF_WORDS else 0.0


def _holds_events(table: SuggestedTable) -> bool:
    """Check whether a table has times or measures besides its keys."""
    bound = {column for reference in table.references for column in reference.columns} | set(
        table.key.columns if table.key else ()
    )
    return any(
        TEMPORAL_TYPE.fullmatch(kind) or kind in FLOAT_TYPES or kind.startswith("DECIMAL")
        for column, kind in table.table.columns.items()
        if column not in bound
    )


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
