"""Find references: columns named after another table's key that hold its values."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.suggest.hash_slice import build_slice_condition, choose_slice_count, describe_slice
from sandbox.suggest.keys import is_unique
from sandbox.suggest.naming import GENERIC_KEY_NAMES, list_entity_names, list_synonyms, normalize_name
from sandbox.suggest.tables import SuggestedKey, SuggestedReference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.suggest.tables import SuggestedTable

MIN_REFERENCE_SHARE = 0.9  # share of rows with an existing target
MIN_WEAK_REFERENCE_SHARE = 0.5
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
        if reference.share >= MIN_REFERENCE_SHARE:
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
            rank = _rank_name_match(column, key[0], target.name)
            is_own_key = target is table and column in key
            if (
                rank is None
                or is_own_key
                or not _has_matching_types(table, (column,), target)
                or _is_mirrored(table, column, target)
            ):
                continue
            yield _ReferenceCandidate(columns=(column,), target=target, rank=rank + (3 if target is table else 0))


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


def _rank_name_match(column: str, key: str, table: str) -> int | None:
    """Rank how well a column is named after a table's key; None if it is not."""
    name, key_name, stems = normalize_name(column), normalize_name(key), list_entity_names(table)
    named = {f"{stem}{key_name}" for stem in stems} | set(stems)
    if key_name not in GENERIC_KEY_NAMES and name == key_name:
        return 0 if any(key_name.startswith(stem) for stem in stems) else 1
    if name in named:
        return 0
    if any(
        name.endswith(full)
        for full in (*(f"{stem}{key_name}" for stem in stems), *([] if key_name in GENERIC_KEY_NAMES else [key_name]))
    ):
        return 2
    others = {f"{word}{key_name}" for stem in stems for word in list_synonyms(stem)} | {
        f"{word}id" for stem in stems for word in list_synonyms(stem)
    }
    return 4 if name in others else None


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
