"""The unit of each table, determined by its references. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.config.config_problems import ConfigProblem, suggest_name
from sandbox.formatting import format_count

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from sandbox.config.sections.sample import Reference, TableSection
    from sandbox.config.settings import Settings

MAX_WHOLE_LOOKUP_ROWS = 100_000  # rows of a lookup included without a setting


@dataclass(frozen=True, kw_only=True)
class UnitMembership:
    """The units and the tables that belong to them.

    Attributes:
        units: The unit table of each unit table and of each table that belongs to one; parents before children.
        unit_references: For each table of a unit, the reference to it.
        problems: Problems that prevent a decision.
    """

    units: Mapping[str, str]
    unit_references: Mapping[str, Reference]
    problems: list[ConfigProblem] = field(default_factory=list)


def resolve_unit_membership(settings: Settings) -> UnitMembership:
    """Return the unit of each table; tables without one are lookups.

    A table with ``keep`` is a lookup, regardless of its references. A reference that leads to a unit only through its
    own table is ignored. Tables may therefore refer to each other without a setting.
    """
    roots = [name for name in settings.sample.draws if name in settings.tables]
    towards = {
        name: {reference.table for reference in table.all_references} - {name}
        for name, table in settings.tables.items()
        if name not in roots and table.keep is None
    }
    through: dict[str, Reference] = {}
    problems: list[ConfigProblem] = []
    for name in towards:
        result = _find_unit_reference(settings.tables[name], name, towards, frozenset(roots))
        if isinstance(result, ConfigProblem):
            problems.append(result)
        elif result is not None:
            through[name] = result
    units = {name: name for name in roots}
    while ready := {
        name: units[ref.table] for name, ref in through.items() if name not in units and ref.table in units
    }:
        units |= ready
    wrong = {problem.key[1] for problem in problems}
    if not wrong:
        problems += [_describe_unreachable_unit(name, ref) for name, ref in through.items() if name not in units]
    placed = {name: ref for name, ref in through.items() if name in units}
    return UnitMembership(
        units=units, unit_references=placed, problems=[*problems, *_find_unused_belongs_to(settings, roots)]
    )


def _find_unit_reference(
    table: TableSection, name: str, towards: Mapping[str, AbstractSet[str]], roots: AbstractSet[str]
) -> Reference | ConfigProblem | None:
    """Return the reference that assigns a table's rows to a unit; None if it belongs to none."""
    leading = [
        ref
        for ref in table.all_references
        if ref.table != name and _find_reachable_units(ref.table, towards, roots, without=name)
    ]
    if table.belongs_to is not None:
        return _resolve_belongs_to(table, name, table.belongs_to)
    if len(leading) < 2:
        return leading[0] if leading else None
    ways = " and ".join(f"{', '.join(ref.columns)} → {ref.table}" for ref in leading)
    units = sorted({unit for ref in leading for unit in _find_reachable_units(ref.table, towards, roots, without=name)})
    what = f"both lead to {units[0]}" if len(units) == 1 else f"lead to {' and '.join(units)}"
    message = (
        f"references of {name} ({ways}) {what}; say which one the rows come with, for example: "
        f'belongs_to = "{_name_reference(leading[0], leading)}"'
    )
    return ConfigProblem(key=("tables", name), message=message)


def _resolve_belongs_to(table: TableSection, name: str, target: str) -> Reference | ConfigProblem:
    """Return the reference named by ``belongs_to``: by its table, or by one of its columns."""
    others = [ref for ref in table.all_references if ref.table != name]
    named = [ref for ref in others if ref.table == target] or [ref for ref in others if target in ref.columns]
    key = ("tables", name, "belongs_to")
    if not named:
        hint = suggest_name(target, {ref.table for ref in others})
        return ConfigProblem(key=key, message=f"no reference of {name} leads to {target}{hint}")
    if len(named) > 1:
        ways = " or ".join(f'"{_name_reference(ref, named)}"' for ref in named)
        return ConfigProblem(
            key=key,
            message=f"{format_count(len(named), 'reference leads', 'references lead')} to {target}; name a column of one: {ways}",
        )
    return named[0]


def _name_reference(reference: Reference, among: list[Reference]) -> str:
    """Return a name for a reference in ``belongs_to``: its table, or one of its columns if the table is ambiguous."""
    alone = sum(ref.table == reference.table for ref in among) == 1
    unique = [c for c in reference.columns if sum(c in ref.columns for ref in among) == 1]
    return reference.table if alone or not unique else unique[0]


def _find_reachable_units(
    start: str, towards: Mapping[str, AbstractSet[str]], roots: AbstractSet[str], *, without: str
) -> set[str]:
    """Return the units reachable by references from a table, without passing another."""
    seen, ahead = {without}, {start}
    units: set[str] = set()
    while ahead:
        units |= ahead & roots
        seen |= ahead
        ahead = {target for name in ahead - roots for target in towards.get(name, set())} - seen
    return units


def _describe_unreachable_unit(name: str, through: Reference) -> ConfigProblem:
    message = (
        f"{name} belongs to {through.table}, and from there no reference leads to a unit; "
        "name in belongs_to the table whose rows a unit owns"
    )
    return ConfigProblem(key=("tables", name, "belongs_to"), message=message)


def _find_unused_belongs_to(settings: Settings, roots: list[str]) -> list[ConfigProblem]:
    """Return each ``belongs_to`` without effect: of a unit, or of a table with ``keep``."""
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
