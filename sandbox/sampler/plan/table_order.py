"""Order a sample's tables: units, their children, and lookups. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.config.unit_membership import MAX_WHOLE_LOOKUP_ROWS, resolve_unit_membership
from sandbox.errors import ConfigError
from sandbox.formatting import format_count
from sandbox.sampler.plan.plan import TableStep

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.config.settings import Settings
    from sandbox.config.unit_membership import UnitMembership
    from sandbox.sampler.plan.plan import KeepMode


def order_tables(settings: Settings, rows: Mapping[str, int]) -> tuple[TableStep, ...]:
    """Return the tables of valid settings in drawing order: units, children after their parents, lookups.

    Raises:
        ConfigError: A child has no reference path to a unit, or nothing determines the rows of a lookup.
    """
    membership = resolve_unit_membership(settings)
    if membership.problems:
        raise ConfigError(f"[{'.'.join(map(str, membership.problems[0].key))}]: {membership.problems[0].message}")
    units = [_build_family_step(settings, name, membership) for name in membership.units]
    lookups = sorted(set(settings.tables) - set(membership.units))
    return (*units, *(_build_lookup_step(settings, name, rows[name]) for name in lookups))


def _build_family_step(settings: Settings, name: str, membership: UnitMembership) -> TableStep:
    through = membership.unit_references.get(name)
    return TableStep(
        table=name,
        unit=membership.units[name],
        role="child" if through else "unit",
        keep=None,
        through=through,
        references=settings.tables[name].all_references,
    )


def _build_lookup_step(settings: Settings, name: str, rows: int) -> TableStep:
    table = settings.tables[name]
    keep: KeepMode = table.keep or ("all" if rows <= MAX_WHOLE_LOOKUP_ROWS else "referenced")
    named = any(
        reference.table == name and reference.levels != 0
        for other, section in settings.tables.items()
        for reference in section.all_references
        if other != name
    )
    if keep == "referenced" and not named:
        raise ConfigError(
            f"[tables.{name}] is to come as far as it is referenced, and no table references it ({format_count(rows, 'row')})",
            hint=f'add its references, or keep = "all", or leave [tables.{name}] out',
        )
    return TableStep(table=name, unit=None, role="lookup", keep=keep, through=None, references=table.all_references)
