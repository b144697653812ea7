"""Choose the columns whose values are fresh in copies of a unit, and the references that follow them. Pure.

A copy of a unit is another unit: its key is new, and so are the keys of its rows. Of a key with several columns one
changes: neither a date nor a part of a reference, if there is such a column, and of these the one with the most values.
Columns that are unique in the whole source change as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.sql.type_names import TEMPORAL_TYPE
from sandbox.errors import DataRuleError
from sandbox.sampler.half_sample.value_coding import list_codings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from sandbox.config.sections.sample import Reference
    from sandbox.sampler.plan.plan import TableStep

Column = tuple[str, str]
"""A table and one of its columns."""


@dataclass(frozen=True, kw_only=True)
class FollowingColumn:
    """A column of a reference whose target's column is fresh in copies.

    Attributes:
        column: The column.
        reference: The reference.
        target: The fresh column.
        is_within_unit: Whether the target belongs to the same unit, so that it has the same copies.
    """

    column: str
    reference: Reference
    target: Column
    is_within_unit: bool


@dataclass(frozen=True, kw_only=True)
class FreshColumns:
    """The fresh columns of each table of a unit, and the columns that follow them."""

    fresh: Mapping[str, Sequence[str]]
    following: Mapping[str, Sequence[FollowingColumn]]


@dataclass(frozen=True, kw_only=True)
class KeyedTables:
    """The tables of a sample, with what is known of their keys.

    Attributes:
        steps: The tables, each after the table it belongs to.
        keys: The declared key of each table that has one.
        unique: Columns unique in the whole source, by table.
        types: The columns' types, by table.
        distinct: The number of values of a column, for key columns.
    """

    steps: Sequence[TableStep]
    keys: Mapping[str, Sequence[str]]
    unique: Mapping[str, Collection[str]]
    types: Mapping[str, Mapping[str, str]]
    distinct: Mapping[Column, int]

    @property
    def families(self) -> list[TableStep]:
        """The unit tables and the tables that belong to units."""
        return [step for step in self.steps if step.unit is not None]

    def list_keys(self, table: str) -> list[tuple[str, ...]]:
        """List the column sets that identify a table's rows: its key, the targets of references, unique columns."""
        keys = [tuple(self.keys[table])] if table in self.keys else []
        keys += [ref.key for step in self.steps for ref in step.references if ref.table == table]
        keys += [(column,) for column in sorted(self.unique.get(table, ()))]
        return list(dict.fromkeys(keys))


def choose_fresh_columns(tables: KeyedTables) -> FreshColumns:
    """Choose the fresh columns of all tables.

    Raises:
        DataRuleError: No column of a unit table's key can have fresh values.
    """
    fresh: dict[str, list[str]] = {}
    following: dict[str, list[FollowingColumn]] = {}
    for step in tables.families:
        following[step.table] = _find_following(step, fresh, following, only_through=True)
        fresh[step.table] = _choose_columns(tables, step, {entry.column for entry in following[step.table]})
        if step.role == "unit" and not set(tables.keys[step.table]) & set(fresh[step.table]):
            types = ", ".join(f"{name} {tables.types[step.table][name]}" for name in tables.keys[step.table])
            raise DataRuleError(f"the key of {step.table} ({types}) has no column that could have other values")
    for step in tables.families:
        following[step.table] = _find_following(step, fresh, following, only_through=False)
    return FreshColumns(fresh=fresh, following=following)


def _choose_columns(tables: KeyedTables, step: TableStep, inherited: Collection[str]) -> list[str]:
    """Choose one column of each key that nothing else makes fresh."""
    referring = {name for reference in step.references for name in reference.columns}
    chosen: list[str] = []
    for key in tables.list_keys(step.table):
        if {*inherited, *chosen} & set(key):
            continue
        able = [name for name in key if name not in referring and list_codings(tables.types[step.table][name])]
        able.sort(key=lambda name: tables.distinct.get((step.table, name), 0), reverse=True)
        able.sort(key=lambda name: TEMPORAL_TYPE.fullmatch(tables.types[step.table][name]) is not None)
        chosen += able[:1]
    return chosen


def _find_following(
    step: TableStep,
    fresh: Mapping[str, Sequence[str]],
    following: Mapping[str, Sequence[FollowingColumn]],
    *,
    only_through: bool,
) -> list[FollowingColumn]:
    """Find the columns of references whose targets are fresh; that to the unit first."""
    references = [] if step.through is None else [step.through]
    if not only_through:
        references += [reference for reference in step.references if reference != step.through]
    own = set(fresh.get(step.table, ()))
    return [
        FollowingColumn(column=column, reference=reference, target=target, is_within_unit=reference == step.through)
        for reference in references
        for column, name in zip(reference.columns, reference.key, strict=True)
        if column not in own
        for target in _find_targets((reference.table, name), fresh, following)
    ]


def _find_targets(
    column: Column,
    fresh: Mapping[str, Sequence[str]],
    following: Mapping[str, Sequence[FollowingColumn]],
) -> Iterator[Column]:
    """Yield the fresh column that a column of a key is, or follows."""
    table, name = column
    if name in fresh.get(table, ()):
        yield column
        return
    yield from [entry.target for entry in following.get(table, ()) if entry.column == name and entry.is_within_unit][:1]
