"""Finding references: columns that are named for another table's key and hold its values."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote
from sandbox.suggest.hash_slice import condition, one_in, told
from sandbox.suggest.keys import unique
from sandbox.suggest.naming import GENERIC, alike, bare, stems
from sandbox.suggest.tables import FoundKey, FoundReference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.suggest.tables import Found

BELIEVED = 0.9  # of the rows must find what they point at
MENTIONED = 0.5
WHOLE_NUMBER = re.compile(r"U?(TINY|SMALL|BIG)?INT|U?INTEGER|DECIMAL\(\d+,0\)")


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    """Columns whose names fit a key; the lower the rank, the better."""

    columns: tuple[str, ...]
    target: Found
    rank: int


def found_references(
    session: Session, found: Found, tables: Mapping[str, Found]
) -> tuple[list[FoundReference], list[FoundReference]]:
    """Find what a table refers to; then what looks like a reference and holds for too few rows."""
    believed: dict[tuple[str, ...], FoundReference] = {}
    doubtful: dict[tuple[str, ...], FoundReference] = {}
    candidates = [*_candidates(found, tables), *_by_other_keys(session, found, tables)]
    for one in sorted(candidates, key=lambda one: (one.rank, -one.target.rows)):
        if one.columns in believed:
            continue
        reference = counted(session, found, one.columns, one.target)
        if reference is None:
            continue
        if reference.share >= BELIEVED:
            believed[one.columns] = reference
        elif reference.share >= MENTIONED:
            doubtful.setdefault(one.columns, reference)
    return list(believed.values()), [one for key, one in doubtful.items() if key not in believed]


def counted(
    session: Session, found: Found, columns: tuple[str, ...], target: Found, *, how: str = "by its name"
) -> FoundReference | None:
    """Count how many rows find what their columns name; None where no row has a value there."""
    assert target.key is not None
    key = target.key.columns
    part = max(one_in(found.rows), one_in(target.rows))
    here = ", ".join(
        f"{quote(column)}::{_common(target, name)} as k{n}"
        for n, (column, name) in enumerate(zip(columns, key, strict=True))
    )
    there = ", ".join(f"{quote(name)}::{_common(target, name)} as k{n}" for n, name in enumerate(key))
    names = [f"k{n}" for n in range(len(key))]
    same = " and ".join(f"h.{name} = t.{name}" for name in names)
    filled = " and ".join(f"{quote(column)} is not null" for column in columns)
    ((rows, held),) = session.rows(
        f"select count(*), count(*) filter (where exists (select 1 from (select {there} from {target.relation}) t where {same})) "
        f"from (select * from (select {here} from {found.relation} where {filled}) where {condition(names, part)}) h",
        doing=f"looking for what {found.name} refers to",
    )
    if not rows:
        return None
    return FoundReference(
        columns=columns, table=target.name, key=key, share=held / rows, how=f"{how}; {told(part)}"
    )


def _candidates(found: Found, tables: Mapping[str, Found]) -> Iterator[_Candidate]:
    lower = {name.lower(): name for name in found.filled}
    for target in tables.values():
        if target.key is None or not target.rows:
            continue
        key = target.key.columns
        if len(key) > 1:
            columns = tuple(lower.get(name.lower(), "") for name in key)
            # Two tables with one composite key are as a rule two kinds of facts about the same things.
            equal = found.key is not None and set(columns) == set(found.key.columns)
            if target is not found and all(columns) and not equal and _fit(found, columns, target):
                yield _Candidate(columns=columns, target=target, rank=2)
            continue
        for column in found.filled:
            rank = _rank(column, key[0], target.name)
            own = target is found and column in key
            if rank is None or own or not _fit(found, (column,), target) or _mirrored(found, column, target):
                continue
            yield _Candidate(columns=(column,), target=target, rank=rank + (3 if target is found else 0))


def _by_other_keys(session: Session, found: Found, tables: Mapping[str, Found]) -> Iterator[_Candidate]:
    """Give columns of one name in both tables that begin with the other's own and together are a key of it, too."""
    for target in tables.values():
        if target is found or target.key is None:
            continue
        shared = tuple(
            column
            for column in found.filled
            if column in target.filled
            and column not in target.key.columns
            and any(bare(column).startswith(stem) for stem in stems(target.name))
        )
        if len(shared) > 1 and _complete(target, shared) and unique(session, target, shared):
            other = dataclasses.replace(target, key=FoundKey(columns=shared, how=target.key.how))
            if _fit(found, shared, other):
                yield _Candidate(columns=shared, target=other, rank=2)


def _complete(found: Found, columns: Sequence[str]) -> bool:
    return all(found.filled[column] == found.rows for column in columns)


def _rank(column: str, key: str, table: str) -> int | None:
    """Say how well a column is named for the key of a table; None where it is not."""
    name, wanted, own = bare(column), bare(key), stems(table)
    named = {f"{stem}{wanted}" for stem in own} | set(own)
    if wanted not in GENERIC and name == wanted:
        return 0 if any(wanted.startswith(stem) for stem in own) else 1
    if name in named:
        return 0
    if any(
        name.endswith(full)
        for full in (*(f"{stem}{wanted}" for stem in own), *([] if wanted in GENERIC else [wanted]))
    ):
        return 2
    others = {f"{word}{wanted}" for stem in own for word in alike(stem)} | {
        f"{word}id" for stem in own for word in alike(stem)
    }
    return 4 if name in others else None


def _mirrored(found: Found, column: str, target: Found) -> bool:
    """Say whether two tables share a key, a row each, and the other way round is the better one."""
    assert target.key is not None
    key = target.key.columns
    if (
        target is found
        or found.key is None
        or found.key.columns != (column,)
        or key[0].lower() != column.lower()
    ):
        return False

    def preference(one: Found) -> tuple[bool, int, str]:
        return not any(bare(column).startswith(stem) for stem in stems(one.name)), -one.rows, one.name

    return preference(found) < preference(target)


def _fit(found: Found, columns: Sequence[str], target: Found) -> bool:
    assert target.key is not None
    pairs = zip(columns, target.key.columns, strict=True)
    return all(
        _family(found.table.columns[column]) == _family(target.table.columns[name]) for column, name in pairs
    )


def _family(kind: str) -> str:
    return "whole number" if WHOLE_NUMBER.fullmatch(kind) else kind


def _common(target: Found, name: str) -> str:
    kind = target.table.columns[name]
    return "HUGEINT" if WHOLE_NUMBER.fullmatch(kind) else kind
