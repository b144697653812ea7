"""Resolve a proposal: every table belongs to the unit in one way, has a draw of its own or is a lookup. Pure."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.config import settings_checks
from sandbox.config.settings import Settings
from sandbox.config.unit_membership import MAX_WHOLE_LOOKUP_ROWS, resolve_unit_membership
from sandbox.formatting import format_count
from sandbox.suggest import unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.config.config_problems import ConfigProblem
    from sandbox.sources.checks.personal_columns import PersonalColumn
    from sandbox.suggest.strata import SuggestedSize, SuggestedStratum
    from sandbox.suggest.tables import SuggestedTable
    from sandbox.suggest.unit import SuggestedUnit


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """Proposed settings.

    Attributes:
        uri: The source.
        tables: Its tables.
        unit: The unit.
        strata: Of the unit.
        size: The size of units for further strata, if few large units carry it.
        belongs_to: Table -> the chosen way to the unit, for tables with several.
        masks: Table -> its columns to mask.
        separate_draws: Table without references to the unit -> rate of its own draw.
        skipped_tables: Table -> the reason it cannot be read or drawn.
    """

    uri: str
    tables: Mapping[str, SuggestedTable]
    unit: SuggestedUnit
    strata: tuple[SuggestedStratum, ...]
    size: SuggestedSize | None = None
    belongs_to: Mapping[str, str] = field(default_factory=dict)
    masks: Mapping[str, tuple[PersonalColumn, ...]] = field(default_factory=dict)
    separate_draws: Mapping[str, float] = field(default_factory=dict)
    skipped_tables: Mapping[str, str] = field(default_factory=dict)


def resolve_proposal(proposal: Proposal) -> Proposal:
    """Resolve ambiguous and missing ways to the unit."""
    return _resolve_unreachable_tables(_resolve_belongs_to(proposal))


def build_settings(proposal: Proposal) -> Settings:
    """Build the proposed settings without masks and pipeline.

    Raises:
        ValidationError: Never, unless the proposal is inconsistent.
    """
    sample: dict[str, Any] = {
        "unit": proposal.unit.table,
        "rate": proposal.unit.rate,
        "strata": [
            *({"column": stratum.column, "rare_below": stratum.rare_below} for stratum in proposal.strata),
            *([proposal.size.entry] if proposal.size is not None else []),
        ],
        "also": {name: {"rate": rate} for name, rate in proposal.separate_draws.items()},
    }
    tables = {name: _build_table_section(proposal, table) for name, table in proposal.tables.items()}
    return Settings.model_validate(
        {
            "version": 1,
            "project": {"name": "x"},
            "source": {"uri": proposal.uri},
            "sample": sample,
            "tables": tables,
        }
    )


def _build_table_section(proposal: Proposal, table: SuggestedTable) -> dict[str, Any]:
    return {
        "key": list(table.key.columns) if table.key else None,
        "types": {column: kind for column, (kind, _) in table.reading.fixed_types.items()},
        "reference": [
            {"columns": list(reference.columns), "table": reference.table, "key": list(reference.key)}
            for reference in table.references
        ],
        "belongs_to": proposal.belongs_to.get(table.name),
    }


def _resolve_belongs_to(proposal: Proposal) -> Proposal:
    """Choose the best of several references to the unit for each table."""
    ways: dict[str, str] = {}
    wrong = _list_ambiguous_tables(proposal, ways)
    for name, table in proposal.tables.items():
        for way in _list_belongs_to_options(table, proposal.unit.table):
            if name not in wrong:
                break
            ways[name] = way
            wrong = _list_ambiguous_tables(proposal, ways)
        if name in wrong and ways.pop(name, None) is not None:
            wrong = _list_ambiguous_tables(proposal, ways)
    proposal = dataclasses.replace(proposal, belongs_to=ways)
    problems = settings_checks.find_problems(build_settings(proposal))
    if not problems:
        return proposal
    # Tables that remain ambiguous become lookups; their references are kept as weak ones.
    wrong = _list_tables_of(problems)
    tables = {
        name: dataclasses.replace(
            suggested, references=(), weak_references=(*suggested.weak_references, *suggested.references)
        )
        if name in wrong
        else suggested
        for name, suggested in proposal.tables.items()
    }
    return dataclasses.replace(
        proposal, tables=tables, belongs_to={name: way for name, way in ways.items() if name not in wrong}
    )


def _resolve_unreachable_tables(proposal: Proposal) -> Proposal:
    """Draw large unreachable tables separately; skip those without a key."""
    while lost := _find_unreachable_tables(proposal):
        name = lost[0]
        table = proposal.tables[name]
        if table.key is not None:
            rate = unit.choose_rate(table.rows, bytes_=table.table.bytes, rows=table.rows)
            proposal = dataclasses.replace(proposal, separate_draws={**proposal.separate_draws, name: rate})
            continue
        reason = (
            f"{format_count(table.rows, 'row')}, no reference leads to {proposal.unit.table}, and no key to draw it by"
        )
        tables = {other: suggested for other, suggested in proposal.tables.items() if other != name}
        proposal = dataclasses.replace(
            proposal, tables=tables, skipped_tables={**proposal.skipped_tables, name: reason}
        )
    return _resolve_belongs_to(proposal)


def _find_unreachable_tables(proposal: Proposal) -> list[str]:
    """Return unreferenced tables without a unit and too large to copy, most dependent tables first."""
    placed = resolve_unit_membership(build_settings(proposal)).units
    named = {ref.table for table in proposal.tables.values() for ref in table.references if ref.table != table.name}
    lost = [
        name
        for name, table in proposal.tables.items()
        if name not in placed and table.rows > MAX_WHOLE_LOOKUP_ROWS and name not in named
    ]
    return sorted(lost, key=lambda name: (-len(unit.find_dependent_tables(name, proposal.tables)), name))


def _list_ambiguous_tables(proposal: Proposal, ways: Mapping[str, str]) -> set[str]:
    tried = build_settings(dataclasses.replace(proposal, belongs_to=dict(ways)))
    return _list_tables_of(resolve_unit_membership(tried).problems)


def _list_tables_of(problems: Sequence[ConfigProblem]) -> set[str]:
    """Return the tables in whose sections some problems are."""
    return {str(problem.key[1]) for problem in problems if problem.key[0] == "tables" and len(problem.key) > 1}


def _list_belongs_to_options(table: SuggestedTable, unit_table: str) -> list[str]:
    """Return the options for ``belongs_to``: references to the unit itself first, then by share of rows."""
    ordered = sorted(table.references, key=lambda ref: (ref.table == table.name, ref.table != unit_table, -ref.share))
    tables = [ref.table for ref in table.references]
    return [ref.table if tables.count(ref.table) == 1 else ref.columns[0] for ref in ordered]
