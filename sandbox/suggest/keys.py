"""Finding a table's key: columns whose name says so and whose values never repeat."""

from __future__ import annotations

import re
from itertools import combinations
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.suggest.hash_slice import build_slice_condition, choose_slice_count, describe_slice
from sandbox.suggest.naming import (
    KEY_PART_WORDS,
    KEY_WORDS,
    find_last_word,
    list_entity_names,
    normalize_name,
)
from sandbox.suggest.tables import SuggestedKey

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.suggest.tables import SuggestedTable

# Types whose values can be a part of a key.
KEY_TYPE_PATTERN = re.compile(r"VARCHAR|UUID|DATE|TIMESTAMP.*|U?(TINY|SMALL|BIG)?INT|U?INTEGER|DECIMAL\(\d+,0\)")
MAX_CANDIDATE_COLUMNS = 8  # columns of which a composite key is sought
MAX_KEY_COLUMNS = 4
MIN_DISTINCT_SHARE = 0.9  # of the rows a sketch must see different; it errs by some 2 %


def find_key(session: Session, found: SuggestedTable) -> SuggestedKey | None:
    """Find the shortest key whose columns look like one; None where no columns do."""
    if not found.rows:
        return None
    whole = [name for name in found.table.columns if found.filled_counts.get(name) == found.rows]
    named = sorted(
        (name for name in whole if find_last_word(name) in KEY_WORDS),
        key=lambda name: _rank_column(found.name, name),
    )
    # A first column without such a name may still be one; what is unique further on, may be so by accident.
    others = [name for name in whole if name not in named and name in list(found.table.columns)[:1]]
    for name in named:
        if is_unique(session, found, (name,)):
            return _build_key(found, (name,))
    for columns in _find_composite_candidates(session, found, whole):
        if is_unique(session, found, columns):
            return _build_key(found, columns)
    for name in others:
        if is_unique(session, found, (name,)):
            return _build_key(found, (name,))
    return None


def _build_key(found: SuggestedTable, columns: tuple[str, ...]) -> SuggestedKey:
    return SuggestedKey(columns=columns, evidence=f"no value twice, {describe_slice(choose_slice_count(found.rows))}")


def _rank_column(table: str, column: str) -> int:
    """Give a low number to the columns that are named for their own table."""
    own = {f"{stem}{find_last_word(column)}" for stem in list_entity_names(table)}
    return 0 if normalize_name(column) in own or normalize_name(column) == find_last_word(column) else 1


def _find_composite_candidates(
    session: Session, found: SuggestedTable, whole: Sequence[str]
) -> Iterator[tuple[str, ...]]:
    """Give the groups of columns, shorter ones first, that a sketch takes for unique."""
    first = set(list(found.table.columns)[:MAX_KEY_COLUMNS])
    candidates = [name for name in whole if find_last_word(name) in KEY_PART_WORDS or name in first][
        :MAX_CANDIDATE_COLUMNS
    ]
    for size in range(2, MAX_KEY_COLUMNS + 1):
        groups = [
            group
            for group in combinations(candidates, size)
            if any(find_last_word(name) in KEY_WORDS for name in group)
        ]
        if not groups:
            continue
        sketches = ", ".join(f"approx_count_distinct(hash({_quote_columns(group)}))" for group in groups)
        counts = session.fetch_rows(
            f"select {sketches} from {found.relation}", doing=f"looking for a key of {found.name}"
        )
        yield from (
            group for group, count in zip(groups, counts[0], strict=True) if count >= MIN_DISTINCT_SHARE * found.rows
        )


def is_unique(session: Session, found: SuggestedTable, columns: tuple[str, ...]) -> bool:
    """Say whether no two rows have the same values in some columns; of a large table every row of some values is asked."""
    if len(columns) == 1 and found.distinct_counts[columns[0]] < MIN_DISTINCT_SHARE * found.rows:
        return False
    part = choose_slice_count(found.rows)
    # All rows that agree in every column agree in the first, so its values decide which rows are looked at.
    most = max(columns, key=lambda name: found.distinct_counts[name])
    ((repeated,),) = session.fetch_rows(
        f"select count(*) from (select 1 from {found.relation} where {build_slice_condition([most], part)} "
        f"group by {_quote_columns(columns)} having count(*) > 1 limit 1)",
        doing=f"looking for a key of {found.name}",
    )
    return not repeated


def _quote_columns(columns: Sequence[str]) -> str:
    return ", ".join(quote_identifier(column) for column in columns)
