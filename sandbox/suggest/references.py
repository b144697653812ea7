"""Find references: columns named after another table's key that hold its values."""

from __future__ import annotations

import dataclasses
import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.suggest.hash_slice import build_slice_condition, choose_slice_count, describe_slice
from sandbox.suggest.keys import is_unique
from sandbox.suggest.naming import (
    COUNT_WORDS,
    FILLER_WORDS,
    GENERIC_KEY_NAMES,
    KEY_WORDS,
    ROLE_WORDS,
    SELF_WORDS,
    STAFF_WORDS,
    USER_WORDS,
    find_column_prefix,
    list_column_words,
    list_entity_names,
    list_entity_words,
    list_synonyms,
    normalize_name,
)
from sandbox.suggest.tables import SuggestedKey, SuggestedReference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.suggest.tables import SuggestedTable

MIN_REFERENCE_SHARE = 0.9  # share of rows with an existing target
MIN_WEAK_REFERENCE_SHARE = 0.5
MIN_WEAK_NAME_SHARE = 0.999  # where the name alone does not say it
WEAK_RANK = 4
MIN_STEM_LETTERS = 4
INTEGER_TYPE_PATTERN = re.compile(r"U?(TINY|SMALL|BIG)?INT|U?INTEGER|DECIMAL\(\d+,0\)")


@dataclass(frozen=True, kw_only=True)
class _ReferenceCandidate:
    """Columns with the name of a key; a lower rank is a better match."""

    columns: tuple[str, ...]
    target: SuggestedTable
    rank: int


def find_references(
    session: Session, table: SuggestedTable, tables: Mapping[str, SuggestedTable]
) -> tuple[list[SuggestedReference], list[SuggestedReference]]:
    """Return a table's references, and weak ones that hold for too few rows."""
    believed: dict[tuple[str, ...], SuggestedReference] = {}
    doubtful: dict[tuple[str, ...], SuggestedReference] = {}
    candidates = [*_find_candidates(table, tables), *_find_alternate_key_candidates(session, table, tables)]
    for candidate in sorted(candidates, key=lambda candidate: (candidate.rank, -candidate.target.rows)):
        columns = candidate.columns
        if columns in believed:
            continue
        reference = measure_reference(session, table, columns, candidate.target)
        if reference is None:
            continue
        needed = MIN_WEAK_NAME_SHARE if candidate.rank >= WEAK_RANK else MIN_REFERENCE_SHARE
        if reference.share >= needed:
            believed[columns] = reference
        elif reference.share >= MIN_WEAK_REFERENCE_SHARE:
            doubtful.setdefault(columns, reference)
    return list(believed.values()), [reference for key, reference in doubtful.items() if key not in believed]


def measure_reference(
    session: Session,
    table: SuggestedTable,
    columns: tuple[str, ...],
    target: SuggestedTable,
    *,
    how: str = "by its name",
) -> SuggestedReference | None:
    """Measure the share of rows with an existing target; None if no row has a value."""
    assert target.key is not None
    key = target.key.columns
    part = max(choose_slice_count(table.rows), choose_slice_count(target.rows))
    here = ", ".join(
        f"{quote_identifier(column)}::{_choose_common_type(target, name)} as k{n}"
        for n, (column, name) in enumerate(zip(columns, key, strict=True))
    )
    there = ", ".join(
        f"{quote_identifier(name)}::{_choose_common_type(target, name)} as k{n}" for n, name in enumerate(key)
    )
    names = [f"k{n}" for n in range(len(key))]
    same = " and ".join(f"h.{name} = t.{name}" for name in names)
    filled = " and ".join(f"{quote_identifier(column)} is not null" for column in columns)
    ((rows, held),) = session.fetch_rows(
        f"select count(*), count(*) filter (where exists (select 1 from (select {there} from {target.relation}) t where {same})) "
        f"from (select * from (select {here} from {table.relation} where {filled}) where {build_slice_condition(names, part)}) h",
        doing=f"looking for what {table.name} refers to",
    )
    if not rows:
        return None
    return SuggestedReference(
        columns=columns,
        table=target.name,
        key=key,
        share=held / rows,
        evidence=f"{how}; {describe_slice(part)}",
    )


def _find_candidates(table: SuggestedTable, tables: Mapping[str, SuggestedTable]) -> Iterator[_ReferenceCandidate]:
    lower = {name.lower(): name for name in table.filled_counts}
    for target in tables.values():
        if target.key is None or not target.rows:
            continue
        key = target.key.columns
        if len(key) > 1:
            columns = tuple(lower.get(name.lower(), "") for name in key)
            # Two tables with the same composite key usually hold different facts about the same entities.
            equal = table.key is not None and set(columns) == set(table.key.columns)
            if target is not table and all(columns) and not equal and _has_matching_types(table, columns, target):
                yield _ReferenceCandidate(columns=columns, target=target, rank=2)
            continue
        for column in table.filled_counts:
            rank = rank_name_match(table, column, target)
            is_own_key = (target is table and column in key) or (rank is not None and _is_own_key(table, column, rank))
            if (
                rank is None
                or is_own_key
                or not _has_matching_types(table, (column,), target)
                or _is_mirrored(table, column, target)
            ):
                continue
            yield _ReferenceCandidate(
                columns=(column,), target=target, rank=rank + (3 if target is table and rank < WEAK_RANK else 0)
            )


def _is_own_key(table: SuggestedTable, column: str, rank: int) -> bool:
    """Check whether a column is its table's key and only weakly named after another: both may number from 1."""
    return rank >= WEAK_RANK and table.key is not None and table.key.columns == (column,)


def _find_alternate_key_candidates(
    session: Session, table: SuggestedTable, tables: Mapping[str, SuggestedTable]
) -> Iterator[_ReferenceCandidate]:
    """Yield columns shared with another table that start with its name and form an alternate key of it."""
    for target in tables.values():
        if target is table or target.key is None:
            continue
        shared = tuple(
            column
            for column in table.filled_counts
            if column in target.filled_counts
            and column not in target.key.columns
            and any(normalize_name(column).startswith(stem) for stem in list_entity_names(target.name))
        )
        if len(shared) > 1 and _has_no_nulls(target, shared) and is_unique(session, target, shared):
            other = dataclasses.replace(target, key=SuggestedKey(columns=shared, evidence=target.key.evidence))
            if _has_matching_types(table, shared, other):
                yield _ReferenceCandidate(columns=shared, target=other, rank=2)


def _has_no_nulls(table: SuggestedTable, columns: Sequence[str]) -> bool:
    return all(table.filled_counts[column] == table.rows for column in columns)


def rank_name_match(table: SuggestedTable, column: str, target: SuggestedTable) -> int | None:
    """Rank how well a column is named after another table's key, by whole words; None if it is not.

    0 to 3 are names that say it; from `WEAK_RANK` on they only allow it.
    """
    assert target.key is not None
    words = list_column_words(column, find_column_prefix(tuple(table.table.columns)))
    key = list_column_words(target.key.columns[0], find_column_prefix(tuple(target.table.columns)))
    entities = list_entity_words(target.name)
    return _rank_words(words, key, entities, is_self=target.name == table.name)


@functools.cache
def _rank_words(
    words: tuple[str, ...], key: tuple[str, ...], entities: tuple[tuple[str, ...], ...], *, is_self: bool
) -> int | None:
    if not words or not key or words[0] in COUNT_WORDS:
        return None
    rank = _rank_full_name(words, key, entities)
    return _rank_weak_name(words, key, entities, is_self=is_self) if rank is None else rank


def _rank_full_name(words: tuple[str, ...], key: tuple[str, ...], entities: Sequence[tuple[str, ...]]) -> int | None:
    joined = "".join(words)
    is_generic = len(key) == 1 and key[0] in GENERIC_KEY_NAMES
    if not is_generic and joined == "".join(key):
        return 0 if any("".join(key).startswith("".join(entity)) for entity in entities) else 1
    if any(joined in ("".join(entity + key), "".join(entity)) for entity in entities):
        return 0
    full = [entity + key for entity in entities] + ([] if is_generic else [key])
    if any(len(words) > len(name) and words[-len(name) :] == name for name in full):
        return 2
    last = [entity for entity in entities if len(words) > len(entity) and words[-len(entity) :] == entity]
    return 3 if last else None


def _rank_weak_name(
    words: tuple[str, ...], key: tuple[str, ...], entities: Sequence[tuple[str, ...]], *, is_self: bool
) -> int | None:
    stems = {entity[-1] for entity in entities}
    if len(words) > 1 and words[-1] == "by" and words[-2].endswith("ed"):  # last_edited_by, also of its own table
        return WEAK_RANK + 2 if stems & USER_WORDS else None
    if is_self:
        return WEAK_RANK + 2 if words[0] in SELF_WORDS else None
    synonyms = {(word,) for entity in entities for word in list_synonyms("".join(entity))}
    if any(words in (name + key, (*name, "id")) for name in synonyms):
        return WEAK_RANK
    if any(word in KEY_WORDS and word not in key for word in words):
        return None  # order_number is not named for order_id
    named = [word for word in words if word not in FILLER_WORDS]
    if len(named) == 1 and any(_share_stem(named[0], stem) for stem in stems):
        return WEAK_RANK + 1
    has_role = any(word in ROLE_WORDS for word in named)
    return WEAK_RANK + 3 if has_role and stems & STAFF_WORDS else None


def _share_stem(word: str, other: str) -> bool:
    """Return whether one of two words begins the other one: ``ship`` and ``shipper``."""
    shorter, longer = sorted((word, other), key=len)
    return len(shorter) >= MIN_STEM_LETTERS and longer.startswith(shorter)


def _is_mirrored(table: SuggestedTable, column: str, target: SuggestedTable) -> bool:
    """Check whether the opposite direction fits better for two tables that share a key."""
    assert target.key is not None
    key = target.key.columns
    if target is table or table.key is None or table.key.columns != (column,) or key[0].lower() != column.lower():
        return False

    def rank_table(side: SuggestedTable) -> tuple[bool, int, str]:
        is_named_after = any(normalize_name(column).startswith(stem) for stem in list_entity_names(side.name))
        return not is_named_after, -side.rows, side.name

    return rank_table(table) < rank_table(target)


def _has_matching_types(table: SuggestedTable, columns: Sequence[str], target: SuggestedTable) -> bool:
    assert target.key is not None
    pairs = zip(columns, target.key.columns, strict=True)
    return all(
        _find_type_family(table.table.columns[column]) == _find_type_family(target.table.columns[name])
        for column, name in pairs
    )


def _find_type_family(kind: str) -> str:
    return "whole number" if INTEGER_TYPE_PATTERN.fullmatch(kind) else kind


def _choose_common_type(target: SuggestedTable, name: str) -> str:
    kind = target.table.columns[name]
    return "HUGEINT" if INTEGER_TYPE_PATTERN.fullmatch(kind) else kind
