"""Which tables come with which unit, which are looked up, and in which order they are drawn. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.config.unit_membership import MAX_WHOLE_LOOKUP_ROWS, resolve_unit_membership
from sandbox.errors import ConfigError
from sandbox.sampler.plan.plan import TableStep

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.config.settings import Settings
    from sandbox.config.unit_membership import UnitMembership
    from sandbox.sampler.plan.plan import KeepMode


def order_tables(settings: Settings, rows: Mapping[str, int]) -> tuple[TableStep, ...]:
    """Give the tables in the order in which they are drawn: units, children after their parents, lookups.

    Args:
        settings: The file; `sandbox.config.settings_checks` found no problem in it.
        rows: How many rows each table has in the source.

    Raises:
        ConfigError: A child's references do not lead to a unit, or nothing says which rows of a lookup come.
    """
    found = resolve_unit_membership(settings)
    if found.problems:
        raise ConfigError(f"[{'.'.join(map(str, found.problems[0].key))}]: {found.problems[0].message}")
    units = [_build_family_step(settings, name, found) for name in found.units]
    lookups = sorted(set(settings.tables) - set(found.units))
    return (*units, *(_build_lookup_step(settings, name, rows[name]) for name in lookups))


def _build_family_step(settings: Settings, name: str, found: UnitMembership) -> TableStep:
    through = found.unit_references.get(name)
    return TableStep(
        table=name,
        unit=found.units[name],
        role="child" if through else "unit",
        keep=None,
        through=through,
        references=settings.tables[name].all_references,
    )


def _build_lookup_step(settings: Settings, name: str, rows: int) -> TableStep:
    table = settings.tables[name]
    keep: KeepMode = table.keep or ("all" if rows <= MAX_WHOLE_LOOKUP_ROWS else "referenced")
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
    return TableStep(table=name, unit=None, role="lookup", keep=keep, through=None, references=table.all_references)
