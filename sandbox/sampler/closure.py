"""Which tables come with the units, which are looked up, and in which order they are drawn. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.errors import ConfigError
from sandbox.sampler.plan import Step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.config.settings import Reference, Settings
    from sandbox.sampler.plan import Keep

WHOLE_UP_TO = 100_000  # rows of a lookup that come without being asked for


def steps(settings: Settings, rows: Mapping[str, int]) -> tuple[Step, ...]:
    """Give the tables in the order in which they are drawn: the unit, children after their parents, lookups.

    Args:
        settings: The file.
        rows: How many rows each table has in the source.

    Raises:
        ConfigError: A child's references do not lead to a unit, or nothing says which rows of a lookup come.
    """
    unit = settings.sample.unit
    parents = _parents(settings)
    placed = [unit]
    while ready := [name for name, one in parents.items() if name not in placed and one.table in placed]:
        placed += ready
    lost = [name for name in parents if name not in placed]
    if lost:
        raise ConfigError(
            f"[tables.{lost[0]}] belongs to {parents[lost[0]].table}, and from there no reference leads to {unit}",
            hint="name in belongs_to the table whose rows the unit owns",
        )
    lookups = sorted(set(settings.tables) - set(placed))
    children = [_child(settings, name, parents[name]) for name in placed[1:]]
    first = Step(
        table=unit, role="unit", keep=None, through=None, references=settings.tables[unit].all_references
    )
    return (first, *children, *(_lookup(settings, name, rows[name]) for name in lookups))


def _parents(settings: Settings) -> dict[str, Reference]:
    """Give for each child the reference that leads to its unit."""
    unit = settings.sample.unit
    family = {unit}
    # A table that says how it is kept is a lookup, whatever it points at.
    others = {name: table for name, table in settings.tables.items() if name != unit and table.keep is None}
    while grown := {
        name
        for name, table in others.items()
        if name not in family and any(one.table in family for one in table.all_references)
    }:
        family |= grown
    return {name: _leading(settings, name, family) for name in settings.tables if name in family - {unit}}


def _leading(settings: Settings, name: str, family: set[str]) -> Reference:
    table = settings.tables[name]
    towards = [one for one in table.all_references if one.table in family and one.table != name]
    if table.belongs_to is not None:
        towards = [one for one in table.all_references if one.table == table.belongs_to]
    elif len(towards) > 1:
        names = " and ".join(one.table for one in towards)
        raise ConfigError(
            f"[tables.{name}] has references to {names}, which both lead to {settings.sample.unit}",
            hint=f'say which one the rows come with: belongs_to = "{towards[0].table}"',
        )
    return towards[0]


def _child(settings: Settings, name: str, through: Reference) -> Step:
    references = settings.tables[name].all_references
    return Step(table=name, role="child", keep=None, through=through, references=references)


def _lookup(settings: Settings, name: str, rows: int) -> Step:
    table = settings.tables[name]
    keep: Keep = table.keep or ("all" if rows <= WHOLE_UP_TO else "referenced")
    named = any(
        one.table == name
        for other, section in settings.tables.items()
        for one in section.all_references
        if other != name
    )
    if keep == "referenced" and not named:
        raise ConfigError(
            f"[tables.{name}] is to come as far as it is referenced, and no table references it ({rows:,} rows)",
            hint=f'add its references, or keep = "all", or leave [tables.{name}] out',
        )
    return Step(table=name, role="lookup", keep=keep, through=None, references=table.all_references)
