"""A proposal that holds together: every table comes with the unit in one way, is drawn by itself or is looked up. Pure."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.config import settings_checks
from sandbox.config.settings import Settings
from sandbox.config.unit_membership import WHOLE_UP_TO, families
from sandbox.suggest import unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.config.config_problems import Problem
    from sandbox.sources.checks.personal_columns import Suspect
    from sandbox.suggest.strata import Stratum
    from sandbox.suggest.tables import Found
    from sandbox.suggest.unit import Unit


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
        also: Tables that are drawn by themselves, because no reference leads from them to the unit, with their rates.
        left_out: Tables that cannot be read or drawn, with the reason.
    """

    uri: str
    tables: Mapping[str, Found]
    unit: Unit
    strata: tuple[Stratum, ...]
    belongs_to: Mapping[str, str] = field(default_factory=dict)
    masks: Mapping[str, tuple[Suspect, ...]] = field(default_factory=dict)
    also: Mapping[str, float] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


def settled(proposal: Proposal) -> Proposal:
    """Give the same where nothing is left to decide."""
    return _placed(_unambiguous(proposal))


def settings(proposal: Proposal) -> Settings:
    """Give what the file will say, but for its masks and its pipeline.

    Raises:
        ValidationError: A bug.
    """
    sample: dict[str, Any] = {
        "unit": proposal.unit.table,
        "rate": proposal.unit.rate,
        "strata": [{"column": one.column, "rare_below": one.rare_below} for one in proposal.strata],
        "also": {name: {"rate": rate} for name, rate in proposal.also.items()},
    }
    tables = {name: _section(proposal, found) for name, found in proposal.tables.items()}
    return Settings.model_validate(
        {
            "version": 1,
            "project": {"name": "x"},
            "source": {"uri": proposal.uri},
            "sample": sample,
            "tables": tables,
        }
    )


def _section(proposal: Proposal, found: Found) -> dict[str, Any]:
    return {
        "key": list(found.key.columns) if found.key else None,
        "reference": [
            {"columns": list(one.columns), "table": one.table, "key": list(one.key)}
            for one in found.references
        ],
        "belongs_to": proposal.belongs_to.get(found.name),
    }


def _unambiguous(proposal: Proposal) -> Proposal:
    """Say, where several references lead to the unit, by which one rows come with it: the one that holds best."""
    ways: dict[str, str] = {}
    for name, found in proposal.tables.items():
        for way in _ways(found, proposal.unit.table):
            problems = _problems_of(proposal, ways, name)
            if not problems:
                break
            ways[name] = way
        if _problems_of(proposal, ways, name):
            ways.pop(name, None)
    proposal = dataclasses.replace(proposal, belongs_to=ways)
    problems = settings_checks.problems(settings(proposal))
    if not problems:
        return proposal
    # What still cannot be told apart stays a lookup: its references are kept as doubtful ones.
    wrong = {
        str(problem.key[1]) for problem in problems if problem.key[0] == "tables" and len(problem.key) > 1
    }
    tables = {
        name: dataclasses.replace(one, references=(), doubtful=(*one.doubtful, *one.references))
        if name in wrong
        else one
        for name, one in proposal.tables.items()
    }
    return dataclasses.replace(
        proposal, tables=tables, belongs_to={name: way for name, way in ways.items() if name not in wrong}
    )


def _placed(proposal: Proposal) -> Proposal:
    """Draw large tables that nothing leads to by themselves; without a key they are left out."""
    while lost := _lost(proposal):
        name = lost[0]
        found = proposal.tables[name]
        if found.key is not None:
            rate = unit.proposed_rate(found.rows, bytes_=found.table.bytes, rows=found.rows)
            proposal = dataclasses.replace(proposal, also={**proposal.also, name: rate})
            continue
        reason = f"{found.rows:,} rows, no reference leads to {proposal.unit.table}, and no key to draw it by"
        tables = {other: one for other, one in proposal.tables.items() if other != name}
        proposal = dataclasses.replace(proposal, tables=tables, left_out={**proposal.left_out, name: reason})
    return _unambiguous(proposal)


def _lost(proposal: Proposal) -> list[str]:
    """Give the tables that are too large to come whole, belong to no unit and are referred to by none; most children first."""
    placed = families(settings(proposal)).units
    named = {
        one.table for found in proposal.tables.values() for one in found.references if one.table != found.name
    }
    lost = [
        name
        for name, found in proposal.tables.items()
        if name not in placed and found.rows > WHOLE_UP_TO and name not in named
    ]
    return sorted(lost, key=lambda name: (-len(unit.coming(name, proposal.tables)), name))


def _problems_of(proposal: Proposal, ways: Mapping[str, str], name: str) -> list[Problem]:
    tried = settings(dataclasses.replace(proposal, belongs_to=ways))
    return [problem for problem in families(tried).problems if problem.key[:2] == ("tables", name)]


def _ways(found: Found, unit_table: str) -> list[str]:
    """Give what ``belongs_to`` could say, the best first: what leads to the unit itself, what holds for most rows."""
    ordered = sorted(
        found.references, key=lambda one: (one.table == found.name, one.table != unit_table, -one.share)
    )
    tables = [one.table for one in found.references]
    return [one.table if tables.count(one.table) == 1 else one.columns[0] for one in ordered]
