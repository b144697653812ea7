"""Finding a table's key: columns whose name says so and whose values never repeat."""

from __future__ import annotations

import re
from itertools import combinations
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote
from sandbox.suggest.hash_slice import condition, one_in, told
from sandbox.suggest.naming import KEYS, PARTS, bare, last, stems
from sandbox.suggest.tables import FoundKey

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.suggest.tables import Found

# Types whose values can be a part of a key.
KEYABLE = re.compile(r"VARCHAR|UUID|DATE|TIMESTAMP.*|U?(TINY|SMALL|BIG)?INT|U?INTEGER|DECIMAL\(\d+,0\)")
MOST = 8  # columns of which a composite key is sought
LONGEST = 4
SKETCHED = 0.9  # of the rows a sketch must see different; it errs by some 2 %


def found_key(session: Session, found: Found) -> FoundKey | None:
    """Find the shortest key whose columns look like one; None where no columns do."""
    if not found.rows:
        return None
    whole = [name for name in found.table.columns if found.filled.get(name) == found.rows]
    named = sorted((name for name in whole if last(name) in KEYS), key=lambda name: _rank(found.name, name))
    # A first column without such a name may still be one; what is unique further on, may be so by accident.
    others = [name for name in whole if name not in named and name in list(found.table.columns)[:1]]
    for name in named:
        if unique(session, found, (name,)):
            return _key(found, (name,))
    for columns in _composites(session, found, whole):
        if unique(session, found, columns):
            return _key(found, columns)
    for name in others:
        if unique(session, found, (name,)):
            return _key(found, (name,))
    return None


def _key(found: Found, columns: tuple[str, ...]) -> FoundKey:
    return FoundKey(columns=columns, how=f"no value twice, {told(one_in(found.rows))}")


def _rank(table: str, column: str) -> int:
    """Give a low number to the columns that are named for their own table."""
    own = {f"{stem}{last(column)}" for stem in stems(table)}
    return 0 if bare(column) in own or bare(column) == last(column) else 1


def _composites(session: Session, found: Found, whole: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Give the groups of columns, shorter ones first, that a sketch takes for unique."""
    first = set(list(found.table.columns)[:LONGEST])
    candidates = [name for name in whole if last(name) in PARTS or name in first][:MOST]
    for size in range(2, LONGEST + 1):
        groups = [
            group for group in combinations(candidates, size) if any(last(name) in KEYS for name in group)
        ]
        if not groups:
            continue
        sketches = ", ".join(f"approx_count_distinct(hash({_list(group)}))" for group in groups)
        counts = session.rows(
            f"select {sketches} from {found.relation}", doing=f"looking for a key of {found.name}"
        )
        yield from (
            group for group, count in zip(groups, counts[0], strict=True) if count >= SKETCHED * found.rows
        )


def unique(session: Session, found: Found, columns: tuple[str, ...]) -> bool:
    """Say whether no two rows have the same values in some columns; of a large table every row of some values is asked."""
    if len(columns) == 1 and found.distinct[columns[0]] < SKETCHED * found.rows:
        return False
    part = one_in(found.rows)
    # All rows that agree in every column agree in the first, so its values decide which rows are looked at.
    most = max(columns, key=lambda name: found.distinct[name])
    ((repeated,),) = session.rows(
        f"select count(*) from (select 1 from {found.relation} where {condition([most], part)} "
        f"group by {_list(columns)} having count(*) > 1 limit 1)",
        doing=f"looking for a key of {found.name}",
    )
    return not repeated


def _list(columns: Sequence[str]) -> str:
    return ", ".join(quote(column) for column in columns)
