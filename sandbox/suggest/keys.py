"""Find a table's key by column names and uniqueness."""

from __future__ import annotations

import re
from itertools import combinations
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.suggest.hash_slice import build_slice_condition, choose_slice_count, describe_slice
from sandbox.suggest.naming import (
    KEY_PART_WORDS,
    KEY_WORDS,
    find_column_prefix,
    find_last_word,
    list_column_words,
    list_entity_names,
    normalize_name,
)
from sandbox.suggest.tables import SuggestedKey

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.suggest.tables import SuggestedTable

# Types allowed in a key.
KEY_TYPE_PATTERN = re.compile(r"VARCHAR|UUID|DATE|TIMESTAMP.*|U?(TINY|SMALL|BIG)?INT|U?INTEGER|DECIMAL\(\d+,0\)")
TIME_TYPE_PATTERN = re.compile("DATE|TIMESTAMP")
MAX_CANDIDATE_COLUMNS = 8  # columns combined in the search for a composite key
MAX_KEY_COLUMNS = 4
MAX_CODE_LENGTH = 40
MIN_DISTINCT_SHARE = 0.9  # distinct share required in a sketch, with an error of about 2 %


def find_key(session: Session, table: SuggestedTable) -> SuggestedKey | None:
    """Find the shortest key with plausible column names; None if there is none."""
    if not table.rows:
        return None
    whole = [name for name in table.table.columns if table.filled_counts.get(name) == table.rows]
    named = sorted(
        (name for name in whole if _find_last_word(table, name) in KEY_WORDS),
        key=lambda name: _rank_column(table.name, name),
    )
    # A first column without such a name can be a key; later columns can be unique by chance.
    others = [name for name in whole if name not in named and name in list(table.table.columns)[:1]]
    for name in named:
        if is_unique(session, table, (name,)):
            return _build_key(table, (name,))
    for columns in _find_composite_candidates(session, table, whole):
        if is_unique(session, table, columns):
            return _build_key(table, columns)
    for name in others:
        if is_unique(session, table, (name,)):
            return _build_key(table, (name,))
    codes = [name for name in whole if name not in named and name not in others and _holds_codes(session, table, name)]
    found = [name for name in codes if is_unique(session, table, (name,))]
    return _build_key(table, (found[0],)) if len(found) == 1 else None


def _holds_codes(session: Session, table: SuggestedTable, column: str) -> bool:
    """Check whether a column of text holds distinct short texts without white space."""
    if table.table.columns[column] != "VARCHAR" or table.distinct_counts[column] < MIN_DISTINCT_SHARE * table.rows:
        return False
    name = quote_identifier(column)
    [(longest, spaced)] = session.fetch_rows(
        f"select max(length({name})), count_if(regexp_matches({name}, '\\s')) from {table.relation}",
        doing=f"looking for a key of {table.name}",
    )
    return longest is not None and longest <= MAX_CODE_LENGTH and spaced == 0


def _build_key(table: SuggestedTable, columns: tuple[str, ...]) -> SuggestedKey:
    return SuggestedKey(columns=columns, evidence=f"no value twice, {describe_slice(choose_slice_count(table.rows))}")


def _find_last_word(table: SuggestedTable, column: str) -> str:
    """Return the last word of a column without its table's prefix."""
    words = list_column_words(column, find_column_prefix(tuple(table.table.columns)))
    return find_last_word("_".join(words) or column)


def _rank_column(table: str, column: str) -> int:
    """Rank columns named after their own table first."""
    key_names = {f"{stem}{find_last_word(column)}" for stem in list_entity_names(table)}
    return 0 if normalize_name(column) in key_names or normalize_name(column) == find_last_word(column) else 1


def _find_composite_candidates(
    session: Session, table: SuggestedTable, whole: Sequence[str]
) -> Iterator[tuple[str, ...]]:
    """Yield groups of columns with high distinct counts in a sketch, shorter groups first."""
    first = set(list(table.table.columns)[:MAX_KEY_COLUMNS])
    candidates = [name for name in whole if _find_last_word(table, name) in KEY_PART_WORDS or name in first][
        :MAX_CANDIDATE_COLUMNS
    ]
    for size in range(2, MAX_KEY_COLUMNS + 1):
        # Times are unique by chance in a small table: groups with fewer of them first.
        groups = sorted(
            (
                group
                for group in combinations(candidates, size)
                if any(_find_last_word(table, name) in KEY_WORDS for name in group)
            ),
            key=lambda group: sum(TIME_TYPE_PATTERN.match(table.table.columns[name]) is not None for name in group),
        )
        if not groups:
            continue
        sketches = ", ".join(f"approx_count_distinct(hash({_quote_columns(group)}))" for group in groups)
        counts = session.fetch_rows(
            f"select {sketches} from {table.relation}", doing=f"looking for a key of {table.name}"
        )
        yield from (
            group for group, count in zip(groups, counts[0], strict=True) if count >= MIN_DISTINCT_SHARE * table.rows
        )


def is_unique(session: Session, table: SuggestedTable, columns: tuple[str, ...]) -> bool:
    """Check that values of the columns do not repeat, on a hash slice of a large table."""
    if len(columns) == 1 and table.distinct_counts[columns[0]] < MIN_DISTINCT_SHARE * table.rows:
        return False
    part = choose_slice_count(table.rows)
    # Rows equal in all columns are equal in this one, so slicing by it keeps them together.
    most = max(columns, key=lambda name: table.distinct_counts[name])
    ((repeated,),) = session.fetch_rows(
        f"select count(*) from (select 1 from {table.relation} where {build_slice_condition([most], part)} "
        f"group by {_quote_columns(columns)} having count(*) > 1 limit 1)",
        doing=f"looking for a key of {table.name}",
    )
    return not repeated


def _quote_columns(columns: Sequence[str]) -> str:
    return ", ".join(quote_identifier(column) for column in columns)
