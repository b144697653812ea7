"""Choose strata: columns of the unit table with few values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.masking.detect.column_names import classify_column_name
from sandbox.sources.registry import build_select
from sandbox.suggest.naming import STRATUM_WORDS, split_words

if TYPE_CHECKING:
    from sandbox.engine.duckdb.session import Session
    from sandbox.suggest.tables import SuggestedTable
    from sandbox.suggest.unit import SuggestedUnit

MAX_VALUES = 60  # of a column
MAX_INSPECTED_COLUMNS = 12
MAX_STRATA_COLUMNS = 2
MIN_STRATUM_UNITS = 10  # sampled units per stratum; rarer values are merged into one stratum
MIN_UNITS_PER_CELL = 30  # average sampled units per cell of strata


@dataclass(frozen=True, kw_only=True)
class SuggestedStratum:
    """A column for stratification.

    Attributes:
        column: Its name.
        rare_below: Values with fewer units are merged into one stratum; None if there are none.
        values: Number of its values.
        largest: Share of units with its most frequent value.
    """

    column: str
    rare_below: int | None
    values: int
    largest: float


@dataclass(frozen=True, kw_only=True)
class SuggestedSize:
    """A size of units for stratification.

    Attributes:
        table: The table over whose rows it is summed.
        column: Its column; None for the number of rows.
        label: What messages call it.
        half_width_95: The half-width of the total's 95 % interval without it, as a share of the total.
        half_width_95_by_size: The same with it.
    """

    table: str
    column: str | None
    label: str
    half_width_95: float
    half_width_95_by_size: float

    @property
    def entry(self) -> dict[str, str]:
        """The entry of ``strata``."""
        return {"count": self.table} if self.column is None else {"sum": f"{self.table}.{self.column}"}


def choose_strata(session: Session, table: SuggestedTable, unit: SuggestedUnit) -> tuple[SuggestedStratum, ...]:
    """Choose at most two columns: first by names typical of categories, then by few values."""
    candidates = [
        column
        for column, kind in table.table.columns.items()
        if (kind in {"VARCHAR", "BOOLEAN"} or _is_reference(table, column))
        and (_is_reference(table, column) or classify_column_name(column, table.name) is None)
        and not _is_key(table, column)
    ]
    if not candidates:
        return ()
    relation = build_select(table.table)
    sketches = ", ".join(f"approx_count_distinct({quote_identifier(column)})" for column in candidates)
    (counts,) = session.fetch_rows(f"select {sketches} from ({relation})", doing=f"looking for strata of {table.name}")
    few = [column for column, count in zip(candidates, counts, strict=True) if 2 <= count <= MAX_VALUES]
    few.sort(key=lambda column: (_rank_column(column), list(table.table.columns).index(column)))
    kept: list[SuggestedStratum] = []
    for column in few[:MAX_INSPECTED_COLUMNS]:
        stratum = _build_stratum(session, relation, table, column, unit)
        cells = math.prod(other.values for other in kept) * (stratum.values if stratum else 1)
        if stratum is not None and table.rows * unit.rate >= MIN_UNITS_PER_CELL * cells:
            kept.append(stratum)
        if len(kept) == MAX_STRATA_COLUMNS:
            break
    return tuple(kept)


def _build_stratum(
    session: Session, relation: str, table: SuggestedTable, column: str, unit: SuggestedUnit
) -> SuggestedStratum | None:
    rows = session.fetch_rows(
        f"select {quote_identifier(column)}, count(*) from ({relation}) group by 1",
        doing=f"looking for strata of {table.name}",
    )
    counts = sorted((count for _, count in rows), reverse=True)
    empty = sum(count for value, count in rows if value is None)
    if len(counts) < 2 or empty > table.rows / 2 or counts[0] > 0.98 * table.rows:
        return None
    rare = math.ceil(MIN_STRATUM_UNITS / unit.rate)
    if counts[-1] >= rare or unit.rate == 1:
        return SuggestedStratum(column=column, rare_below=None, values=len(counts), largest=counts[0] / table.rows)
    frequent = [count for count in counts if count >= rare]
    if not frequent:
        return None
    step = 10 ** max(0, len(str(rare)) - 1)
    return SuggestedStratum(
        column=column,
        rare_below=-(-rare // step) * step,
        values=len(frequent) + 1,
        largest=counts[0] / table.rows,
    )


def _rank_column(column: str) -> int:
    ranks = [STRATUM_WORDS.index(word) for word in split_words(column) if word in STRATUM_WORDS]
    return min(ranks) if ranks else len(STRATUM_WORDS)


def _is_key(table: SuggestedTable, column: str) -> bool:
    bound = {name for reference in table.references if len(reference.columns) > 1 for name in reference.columns}
    return column in bound or (table.key is not None and column in table.key.columns)


def _is_reference(table: SuggestedTable, column: str) -> bool:
    """Check whether a column refers to another table by itself: a category in all but name, if its values are few."""
    return any(reference.columns == (column,) and reference.table != table.name for reference in table.references)
