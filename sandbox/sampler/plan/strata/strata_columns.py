"""The columns that make strata, found: in the unit table, or along references in another. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine.sql.ibis_types import IBIS_TYPES
from sandbox.engine.sql.type_names import NUMBER_TYPE, TEMPORAL_TYPE
from sandbox.errors import DataRuleError
from sandbox.sampler.plan.plan import StrataColumn
from sandbox.sources.checks.schema_check import resolve_column

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.config.settings import Reference, Settings, StratumColumn
    from sandbox.sources.table import SourceTable

ReferencePath = tuple["Reference", ...]


def find_strata_columns(settings: Settings, tables: Mapping[str, SourceTable], unit: str) -> tuple[StrataColumn, ...]:
    """Give the strata columns of a unit's draw, which are known to be there.

    Raises:
        RuleError: A column cannot make strata, or no reference or more than one leads to its table.
    """
    columns = {name: table.columns for name, table in tables.items()}
    found = []
    for entry in settings.sample.draws[unit].strata:
        table, column = resolve_column(settings, columns, unit, entry.column)
        kind = columns[table][column]
        _check_type(f"{table}.{column}", entry, kind)
        found.append(
            StrataColumn(
                name=entry.column,
                column=column,
                type=kind,
                path=_find_reference_path(settings, unit, table, entry.column),
                rare_below=entry.rare_below,
            )
        )
    return tuple(found)


def _find_reference_path(settings: Settings, unit: str, table: str, name: str) -> ReferencePath:
    """Give the one shortest chain of references from the unit table to another."""
    if table == unit:
        return ()
    seen = {unit}
    chains: list[ReferencePath] = [(one,) for one in settings.tables[unit].all_references if one.table != unit]
    while chains:
        found = [chain for chain in chains if chain[-1].table == table]
        if len(found) == 1:
            return found[0]
        if found:
            ways = " and ".join(" → ".join(", ".join(one.columns) for one in chain) for chain in found)
            raise DataRuleError(
                f"strata: {name} does not say which {table} is meant: {unit} refers to it by {ways}",
                hint="copy the column into the unit table under a name of its own, or take it out of strata",
            )
        seen |= {chain[-1].table for chain in chains}
        chains = [
            (*chain, one)
            for chain in chains
            for one in settings.tables[chain[-1].table].all_references
            if one.table not in seen
        ]
    raise DataRuleError(
        f"strata: {name} is a column of {table}, and no reference leads from {unit} to {table}",
        hint=f"add the reference to [tables.{unit}], or name a column of {unit}",
    )


def _check_type(name: str, entry: StratumColumn, kind: str) -> None:
    if kind not in IBIS_TYPES and not kind.startswith("DECIMAL("):
        raise DataRuleError(
            f"{name} cannot make strata: it is {kind}",
            hint="name columns of single values: text, numbers, dates, booleans",
        )
    ordered = NUMBER_TYPE.fullmatch(kind) or TEMPORAL_TYPE.fullmatch(kind) or kind == "TIME"
    if (entry.bins is not None or entry.quantiles is not None) and not ordered:
        way = "bins" if entry.bins is not None else "quantiles"
        raise DataRuleError(
            f"{name} cannot have {way}: it is {kind}",
            hint=f'bins and quantiles are for numbers, dates and times; use {{column = "{entry.column}", rare_below = 200}}',
        )
