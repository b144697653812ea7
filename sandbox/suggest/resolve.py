"""A proposal that holds together: every table comes with the unit in one way, is drawn by itself or is looked up. Pure."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.config import settings_checks
from sandbox.config.settings import Settings
from sandbox.config.unit_membership import MAX_WHOLE_LOOKUP_ROWS, resolve_unit_membership
from sandbox.suggest import unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.config.config_problems import ConfigProblem
    from sandbox.sources.checks.personal_columns import PersonalColumn
    from sandbox.suggest.strata import SuggestedStratum
    from sandbox.suggest.tables import SuggestedTable
    from sandbox.suggest.unit import SuggestedUnit


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What ``sandbox.toml`` could say.

    Attributes:
        uri: The source.
        tables: Its tables.
        unit: What to sample.
        strata: Of the unit.
        belongs_to: For tables with several ways to the unit the one that is taken.
        masks: For each table the lines of its masks.
        whys: For each masked column, as ``table.column``, why it looks personal.
        separate_draws: Tables that are drawn by themselves, because no reference leads from them to the unit, with their rates.
        skipped_tables: Tables that cannot be read or drawn, with the reason.
    """

    uri: str
    tables: Mapping[str, SuggestedTable]
    unit: SuggestedUnit
    strata: tuple[SuggestedStratum, ...]
    belongs_to: Mapping[str, str] = field(default_factory=dict)
    masks: Mapping[str, tuple[PersonalColumn, ...]] = field(default_factory=dict)
    separate_draws: Mapping[str, float] = field(default_factory=dict)
    skipped_tables: Mapping[str, str] = field(default_factory=dict)


def resolve_proposal(proposal: Proposal) -> Proposal:
    """Give the same where nothing is left to decide."""
    return _resolve_unreachable_tables(_resolve_belongs_to(proposal))


def build_settings(proposal: Proposal) -> Settings:
    """Give what the file will say, but for its masks and its pipeline.

    Raises:
        ValidationError: A bug.
    """
    sample: dict[str, Any] = {
        "unit": proposal.unit.table,
        "rate": proposal.unit.rate,
        "strata": [{"column": one.column, "rare_below": one.rare_below} for one in proposal.strata],
        "also": {name: {"rate": rate} for name, rate in proposal.separate_draws.items()},
    }
    tables = {name: _build_table_section(proposal, found) for name, found in proposal.tables.items()}
    return Settings.model_validate(
        {
            "version": 1,
            "project": {"name": "x"},
            "source": {"uri": proposal.uri},
            "sample": sample,
            "tables": tables,
        }
    )


def _build_table_section(proposal: Proposal, found: SuggestedTable) -> dict[str, Any]:
    return {
        "key": list(found.key.columns) if found.key else None,
        "reference": [
            {"columns": list(one.columns), "table": one.table, "key": list(one.key)} for one in found.references
        ],
        "belongs_to": proposal.belongs_to.get(found.name),
    }


def _resolve_belongs_to(proposal: Proposal) -> Proposal:
    """Say, where several references lead to the unit, by which one rows come with it: the one that holds best."""
    ways: dict[str, str] = {}
    for name, found in proposal.tables.items():
        for way in _list_belongs_to_options(found, proposal.unit.table):
            problems = _find_table_problems(proposal, ways, name)
            if not problems:
                break
            ways[name] = way
        if _find_table_problems(proposal, ways, name):
            ways.pop(name, None)
    proposal = dataclasses.replace(proposal, belongs_to=ways)
    problems = settings_checks.find_problems(build_settings(proposal))
    if not problems:
        return proposal
    # What still cannot be told apart stays a lookup: its references are kept as doubtful ones.
    wrong = {str(problem.key[1]) for problem in problems if problem.key[0] == "tables" and len(problem.key) > 1}
    tables = {
        name: dataclasses.replace(one, references=(), weak_references=(*one.weak_references, *one.references))
        if name in wrong
        else one
        for name, one in proposal.tables.items()
    }
    return dataclasses.replace(
        proposal, tables=tables, belongs_to={name: way for name, way in ways.items() if name not in wrong}
    )


def _resolve_unreachable_tables(proposal: Proposal) -> Proposal:
    """Draw large tables that nothing leads to by themselves; without a key they are left out."""
    while lost := _find_unreachable_tables(proposal):
        name = lost[0]
        found = proposal.tables[name]
        if found.key is not None:
            rate = unit.choose_rate(found.rows, bytes_=found.table.bytes, rows=found.rows)
            proposal = dataclasses.replace(proposal, separate_draws={**proposal.separate_draws, name: rate})
            continue
        reason = f"{found.rows:,} rows, no reference leads to {proposal.unit.table}, and no key to draw it by"
        tables = {other: one for other, one in proposal.tables.items() if other != name}
        proposal = dataclasses.replace(
            proposal, tables=tables, skipped_tables={**proposal.skipped_tables, name: reason}
        )
    return _resolve_belongs_to(proposal)


def _find_unreachable_tables(proposal: Proposal) -> list[str]:
    """Give the tables that are too large to come whole, belong to no unit and are referred to by none; most children first."""
    placed = resolve_unit_membership(build_settings(proposal)).units
    named = {one.table for found in proposal.tables.values() for one in found.references if one.table != found.name}
    lost = [
        name
        for name, found in proposal.tables.items()
        if name not in placed and found.rows > MAX_WHOLE_LOOKUP_ROWS and name not in named
    ]
    return sorted(lost, key=lambda name: (-len(unit.find_dependent_tables(name, proposal.tables)), name))


def _find_table_problems(proposal: Proposal, ways: Mapping[str, str], name: str) -> list[ConfigProblem]:
    tried = build_settings(dataclasses.replace(proposal, belongs_to=ways))
    return [problem for problem in resolve_unit_membership(tried).problems if problem.key[:2] == ("tables", name)]


def _list_belongs_to_options(found: SuggestedTable, unit_table: str) -> list[str]:
    """Give what ``belongs_to`` could say, the best first: what leads to the unit itself, what holds for most rows."""
    ordered = sorted(found.references, key=lambda one: (one.table == found.name, one.table != unit_table, -one.share))
    tables = [one.table for one in found.references]
    return [one.table if tables.count(one.table) == 1 else one.columns[0] for one in ordered]
