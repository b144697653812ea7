"""Choosing strata: columns of the unit with few values, so that no kind of unit is missed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.masking.detect.column_names import classify_column_name
from sandbox.sources.table import build_select
from sandbox.suggest.naming import STRATUM_WORDS, split_words

if TYPE_CHECKING:
    from sandbox.engine.duckdb.session import Session
    from sandbox.suggest.tables import SuggestedTable
    from sandbox.suggest.unit import SuggestedUnit

MAX_VALUES = 60  # that a column may have
MAX_INSPECTED_COLUMNS = 12  # columns
MAX_STRATA_COLUMNS = 2
MIN_STRATUM_UNITS = 10  # units that a stratum should give; rarer values become one stratum
MIN_UNITS_PER_CELL = 30  # units that strata should hold on average


@dataclass(frozen=True, kw_only=True)
class SuggestedStratum:
    """A column that makes strata.

    Attributes:
        column: Its name.
        rare_below: Values that fewer units have become one stratum; None where none is that rare.
        values: How many values it has.
        largest: The share of the units that have its most frequent value.
    """

    column: str
    rare_below: int | None
    values: int
    largest: float


def choose_strata(session: Session, found: SuggestedTable, unit: SuggestedUnit) -> tuple[SuggestedStratum, ...]:
    """Choose at most two columns: those whose names tell kinds apart first, then those with few values."""
    candidates = [
        column
        for column, kind in found.table.columns.items()
        if kind in {"VARCHAR", "BOOLEAN"}
        and classify_column_name(column, found.name) is None
        and not _is_key(found, column)
    ]
    if not candidates:
        return ()
    relation = build_select(found.table)
    sketches = ", ".join(f"approx_count_distinct({quote_identifier(column)})" for column in candidates)
    (counts,) = session.fetch_rows(f"select {sketches} from ({relation})", doing=f"looking for strata of {found.name}")
    few = [column for column, count in zip(candidates, counts, strict=True) if 2 <= count <= MAX_VALUES]
    few.sort(key=lambda column: (_rank_column(column), list(found.table.columns).index(column)))
    kept: list[SuggestedStratum] = []
    for column in few[:MAX_INSPECTED_COLUMNS]:
        one = _build_stratum(session, relation, found, column, unit)
        cells = math.prod(other.values for other in kept) * (one.values if one else 1)
        if one is not None and found.rows * unit.rate >= MIN_UNITS_PER_CELL * cells:
            kept.append(one)
        if len(kept) == MAX_STRATA_COLUMNS:
            break
    return tuple(kept)


def _build_stratum(
    session: Session, relation: str, found: SuggestedTable, column: str, unit: SuggestedUnit
) -> SuggestedStratum | None:
    rows = session.fetch_rows(
        f"select {quote_identifier(column)}, count(*) from ({relation}) group by 1",
        doing=f"looking for strata of {found.name}",
    )
    counts = sorted((count for _, count in rows), reverse=True)
    empty = sum(count for value, count in rows if value is None)
    if len(counts) < 2 or empty > found.rows / 2 or counts[0] > 0.98 * found.rows:
        return None
    rare = math.ceil(MIN_STRATUM_UNITS / unit.rate)
    if counts[-1] >= rare or unit.rate == 1:
        return SuggestedStratum(column=column, rare_below=None, values=len(counts), largest=counts[0] / found.rows)
    frequent = [count for count in counts if count >= rare]
    if not frequent:
        return None
    step = 10 ** max(0, len(str(rare)) - 1)
    return SuggestedStratum(
        column=column,
        rare_below=-(-rare // step) * step,
        values=len(frequent) + 1,
        largest=counts[0] / found.rows,
    )


def _rank_column(column: str) -> int:
    found = [STRATUM_WORDS.index(word) for word in split_words(column) if word in STRATUM_WORDS]
    return min(found) if found else len(STRATUM_WORDS)


def _is_key(found: SuggestedTable, column: str) -> bool:
    bound = {name for reference in found.references for name in reference.columns}
    return column in bound or (found.key is not None and column in found.key.columns)
