"""Finding references: columns that are named for another table's key and hold its values."""

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

MIN_REFERENCE_SHARE = 0.9  # of the rows must find what they point at
MIN_WEAK_REFERENCE_SHARE = 0.5
INTEGER_TYPE_PATTERN = re.compile(r"U?(TINY|SMALL|BIG)?INT|U?INTEGER|DECIMAL\(\d+,0\)")


@dataclass(frozen=True, kw_only=True)
class _ReferenceCandidate:
    """Columns whose names fit a key; the lower the rank, the better."""

    columns: tuple[str, ...]
    target: SuggestedTable
    rank: int


def find_references(
    session: Session, found: SuggestedTable, tables: Mapping[str, SuggestedTable]
) -> tuple[list[SuggestedReference], list[SuggestedReference]]:
    """Find what a table refers to; then what looks like a reference and holds for too few rows."""
    believed: dict[tuple[str, ...], SuggestedReference] = {}
    doubtful: dict[tuple[str, ...], SuggestedReference] = {}
    candidates = [*_find_candidates(found, tables), *_find_alternate_key_candidates(session, found, tables)]
    for one in sorted(candidates, key=lambda one: (one.rank, -one.target.rows)):
        if one.columns in believed:
            continue
        reference = measure_reference(session, found, one.columns, one.target)
        if reference is None:
            continue
        if reference.share >= MIN_REFERENCE_SHARE:
            believed[one.columns] = reference
        elif reference.share >= MIN_WEAK_REFERENCE_SHARE:
            doubtful.setdefault(one.columns, reference)
    return list(believed.values()), [one for key, one in doubtful.items() if key not in believed]


def measure_reference(
    session: Session,
    found: SuggestedTable,
    columns: tuple[str, ...],
    target: SuggestedTable,
    *,
    how: str = "by its name",
) -> SuggestedReference | None:
    """Count how many rows find what their columns name; None where no row has a value there."""
    assert target.key is not None
    key = target.key.columns
    part = max(choose_slice_count(found.rows), choose_slice_count(target.rows))
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
        f"from (select * from (select {here} from {found.relation} where {filled}) where {build_slice_condition(names, part)}) h",
        doing=f"looking for what {found.name} refers to",
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


def _find_candidates(found: SuggestedTable, tables: Mapping[str, SuggestedTable]) -> Iterator[_ReferenceCandidate]:
    lower = {name.lower(): name for name in found.filled_counts}
    for target in tables.values():
        if target.key is None or not target.rows:
            continue
        key = target.key.columns
        if len(key) > 1:
            columns = tuple(lower.get(name.lower(), "") for name in key)
            # Two tables with one composite key are as a rule two kinds of facts about the same things.
            equal = found.key is not None and set(columns) == set(found.key.columns)
            if target is not found and all(columns) and not equal and _has_matching_types(found, columns, target):
                yield _ReferenceCandidate(columns=columns, target=target, rank=2)
            continue
        for column in found.filled_counts:
            rank = _rank_name_match(column, key[0], target.name)
            own = target is found and column in key
            if (
                rank is None
                or own
                or not _has_matching_types(found, (column,), target)
                or _is_mirrored(found, column, target)
            ):
                continue
            yield _ReferenceCandidate(columns=(column,), target=target, rank=rank + (3 if target is found else 0))


def _find_alternate_key_candidates(
    session: Session, found: SuggestedTable, tables: Mapping[str, SuggestedTable]
) -> Iterator[_ReferenceCandidate]:
    """Give columns of one name in both tables that begin with the other's own and together are a key of it, too."""
    for target in tables.values():
        if target is found or target.key is None:
            continue
        shared = tuple(
            column
            for column in found.filled_counts
            if column in target.filled_counts
            and column not in target.key.columns
            and any(normalize_name(column).startswith(stem) for stem in list_entity_names(target.name))
        )
        if len(shared) > 1 and _has_no_nulls(target, shared) and is_unique(session, target, shared):
            other = dataclasses.replace(target, key=SuggestedKey(columns=shared, evidence=target.key.evidence))
            if _has_matching_types(found, shared, other):
                yield _ReferenceCandidate(columns=shared, target=other, rank=2)


def _has_no_nulls(found: SuggestedTable, columns: Sequence[str]) -> bool:
    return all(found.filled_counts[column] == found.rows for column in columns)


def _rank_name_match(column: str, key: str, table: str) -> int | None:
    """Say how well a column is named for the key of a table; None where it is not."""
    name, wanted, own = normalize_name(column), normalize_name(key), list_entity_names(table)
    named = {f"{stem}{wanted}" for stem in own} | set(own)
    if wanted not in GENERIC_KEY_NAMES and name == wanted:
        return 0 if any(wanted.startswith(stem) for stem in own) else 1
    if name in named:
        return 0
    if any(
        name.endswith(full)
        for full in (*(f"{stem}{wanted}" for stem in own), *([] if wanted in GENERIC_KEY_NAMES else [wanted]))
    ):
        return 2
    others = {f"{word}{wanted}" for stem in own for word in list_synonyms(stem)} | {
        f"{word}id" for stem in own for word in list_synonyms(stem)
    }
    return 4 if name in others else None


def _is_mirrored(found: SuggestedTable, column: str, target: SuggestedTable) -> bool:
    """Say whether two tables share a key, a row each, and the other way round is the better one."""
    assert target.key is not None
    key = target.key.columns
    if target is found or found.key is None or found.key.columns != (column,) or key[0].lower() != column.lower():
        return False

    def rank_table(one: SuggestedTable) -> tuple[bool, int, str]:
        return (
            not any(normalize_name(column).startswith(stem) for stem in list_entity_names(one.name)),
            -one.rows,
            one.name,
        )

    return rank_table(found) < rank_table(target)


def _has_matching_types(found: SuggestedTable, columns: Sequence[str], target: SuggestedTable) -> bool:
    assert target.key is not None
    pairs = zip(columns, target.key.columns, strict=True)
    return all(
        _find_type_family(found.table.columns[column]) == _find_type_family(target.table.columns[name])
        for column, name in pairs
    )


def _find_type_family(kind: str) -> str:
    return "whole number" if INTEGER_TYPE_PATTERN.fullmatch(kind) else kind


def _choose_common_type(target: SuggestedTable, name: str) -> str:
    kind = target.table.columns[name]
    return "HUGEINT" if INTEGER_TYPE_PATTERN.fullmatch(kind) else kind
