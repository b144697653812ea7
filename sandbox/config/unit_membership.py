"""Which unit each table belongs to: one whose rows come with a unit has one reference that leads there. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.config.config_problems import ConfigProblem, suggest_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from sandbox.config.settings import Reference, Settings, TableSection

MAX_WHOLE_LOOKUP_ROWS = 100_000  # rows of a lookup that come without being asked for


@dataclass(frozen=True, kw_only=True)
class UnitMembership:
    """The units and what comes with them.

    Attributes:
        units: For each unit table and each table that belongs to one the unit table; parents before children.
        unit_references: For each table that belongs to a unit the reference that leads there.
        problems: What keeps a table from having one.
    """

    units: Mapping[str, str]
    unit_references: Mapping[str, Reference]
    problems: list[ConfigProblem] = field(default_factory=list)


def resolve_unit_membership(settings: Settings) -> UnitMembership:
    """Give the unit that each table belongs to; a table that is in none is looked up.

    A table that says how it is kept is looked up, whatever it points at. A reference that leads to a unit only by way of
    its own table does not count, so tables that point at each other need no word.
    """
    roots = [name for name in settings.sample.draws if name in settings.tables]
    towards = {
        name: {one.table for one in table.all_references} - {name}
        for name, table in settings.tables.items()
        if name not in roots and table.keep is None
    }
    through: dict[str, Reference] = {}
    problems: list[ConfigProblem] = []
    for name in towards:
        found = _find_unit_reference(settings.tables[name], name, towards, frozenset(roots))
        if isinstance(found, ConfigProblem):
            problems.append(found)
        elif found is not None:
            through[name] = found
    units = {name: name for name in roots}
    while ready := {
        name: units[one.table] for name, one in through.items() if name not in units and one.table in units
    }:
        units |= ready
    wrong = {problem.key[1] for problem in problems}
    if not wrong:
        problems += [_describe_unreachable_unit(name, one) for name, one in through.items() if name not in units]
    placed = {name: one for name, one in through.items() if name in units}
    return UnitMembership(
        units=units, unit_references=placed, problems=[*problems, *_find_unused_belongs_to(settings, roots)]
    )


def _find_unit_reference(
    table: TableSection, name: str, towards: Mapping[str, AbstractSet[str]], roots: AbstractSet[str]
) -> Reference | ConfigProblem | None:
    """Give the reference by which a table's rows come with a unit; None where it belongs to none."""
    leading = [
        one
        for one in table.all_references
        if one.table != name and _find_reachable_units(one.table, towards, roots, without=name)
    ]
    if table.belongs_to is not None:
        return _resolve_belongs_to(table, name, table.belongs_to)
    if len(leading) < 2:
        return leading[0] if leading else None
    ways = " and ".join(f"{', '.join(one.columns)} → {one.table}" for one in leading)
    units = sorted({unit for one in leading for unit in _find_reachable_units(one.table, towards, roots, without=name)})
    what = f"both lead to {units[0]}" if len(units) == 1 else f"lead to {' and '.join(units)}"
    message = (
        f"references of {name} ({ways}) {what}; say which one the rows come with, for example: "
        f'belongs_to = "{_name_reference(leading[0], leading)}"'
    )
    return ConfigProblem(key=("tables", name), message=message)


def _resolve_belongs_to(table: TableSection, name: str, wanted: str) -> Reference | ConfigProblem:
    """Give the reference that ``belongs_to`` names: by its table, or by a column of it."""
    others = [one for one in table.all_references if one.table != name]
    found = [one for one in others if one.table == wanted] or [one for one in others if wanted in one.columns]
    key = ("tables", name, "belongs_to")
    if not found:
        hint = suggest_name(wanted, {one.table for one in others})
        return ConfigProblem(key=key, message=f"no reference of {name} leads to {wanted}{hint}")
    if len(found) > 1:
        ways = " or ".join(f'"{_name_reference(one, found)}"' for one in found)
        return ConfigProblem(key=key, message=f"{len(found)} references lead to {wanted}; name a column of one: {ways}")
    return found[0]


def _name_reference(reference: Reference, among: list[Reference]) -> str:
    """Give what ``belongs_to`` may call a reference: its table, or where others name that too a column."""
    alone = sum(one.table == reference.table for one in among) == 1
    own = [c for c in reference.columns if sum(c in one.columns for one in among) == 1]
    return reference.table if alone or not own else own[0]


def _find_reachable_units(
    start: str, towards: Mapping[str, AbstractSet[str]], roots: AbstractSet[str], *, without: str
) -> set[str]:
    """Give the units that references lead to from a table, not by way of another."""
    seen, ahead = {without}, {start}
    found: set[str] = set()
    while ahead:
        found |= ahead & roots
        seen |= ahead
        ahead = {one for name in ahead - roots for one in towards.get(name, set())} - seen
    return found


def _describe_unreachable_unit(name: str, through: Reference) -> ConfigProblem:
    message = (
        f"{name} belongs to {through.table}, and from there no reference leads to a unit; "
        "name in belongs_to the table whose rows a unit owns"
    )
    return ConfigProblem(key=("tables", name, "belongs_to"), message=message)


def _find_unused_belongs_to(settings: Settings, roots: list[str]) -> list[ConfigProblem]:
    """Give each ``belongs_to`` that says nothing: of a unit, or of a table that says how it is kept."""
    problems = []
    for name, table in settings.tables.items():
        if table.belongs_to is None:
            continue
        if name in roots:
            message = "a unit table belongs to no other; leave belongs_to out"
            problems.append(ConfigProblem(key=("tables", name, "belongs_to"), message=message))
        elif table.keep is not None:
            message = "keep is for tables that are looked up, belongs_to for those that come with a unit; keep one"
            problems.append(ConfigProblem(key=("tables", name, "belongs_to"), message=message))
    return problems
