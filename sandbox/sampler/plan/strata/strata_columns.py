"""Resolve strata columns in the unit table or along references. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine.sql.ibis_types import IBIS_TYPES
from sandbox.engine.sql.type_names import NUMBER_TYPE, TEMPORAL_TYPE
from sandbox.errors import DataRuleError
from sandbox.sampler.plan.plan import StrataColumn
from sandbox.sampler.sizes.size_columns import find_size_column
from sandbox.sampler.sizes.size_strata import SizeStratum
from sandbox.sources.checks.schema_check import resolve_column

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.config.sections.sample import Reference, StratumColumn
    from sandbox.config.settings import Settings
    from sandbox.sampler.plan.plan import TableStep
    from sandbox.sources.table import SourceTable

ReferencePath = tuple["Reference", ...]


def find_strata_columns(
    settings: Settings,
    tables: Mapping[str, SourceTable],
    steps: Sequence[TableStep],
    unit: str,
    where: str | None,
) -> tuple[StrataColumn, ...]:
    """Return the strata columns of a unit's draw; they must exist. ``where`` is the SQL condition of its frame.

    Raises:
        DataRuleError: A column cannot form strata, or its table has no unique reference path.
    """
    columns = {name: table.columns for name, table in tables.items()}
    strata_columns = []
    for entry in settings.sample.draws[unit].strata:
        if entry.is_size:
            size = find_size_column(settings, tables, steps, unit, entry)
            stratum = SizeStratum(size=size, key=tuple(settings.tables[unit].key or ()), where=where)
            strata_columns.append(
                StrataColumn(name=entry.label, column=entry.label, type=size.total_type, size=stratum)
            )
            continue
        table, column = resolve_column(settings, columns, unit, entry.column)
        kind = columns[table][column]
        _check_type(f"{table}.{column}", entry, kind)
        strata_columns.append(
            StrataColumn(
                name=entry.column,
                column=column,
                type=kind,
                path=_find_reference_path(settings, unit, table, entry.column),
                rare_below=entry.rare_below,
            )
        )
    return tuple(strata_columns)


def _find_reference_path(settings: Settings, unit: str, table: str, name: str) -> ReferencePath:
    """Return the unique shortest chain of references from the unit table to another."""
    if table == unit:
        return ()
    seen = {unit}
    chains: list[ReferencePath] = [
        (reference,) for reference in settings.tables[unit].all_references if reference.table != unit
    ]
    while chains:
        matches = [chain for chain in chains if chain[-1].table == table]
        if len(matches) == 1:
            return matches[0]
        if matches:
            ways = " and ".join(" → ".join(", ".join(reference.columns) for reference in chain) for chain in matches)
            raise DataRuleError(
                f"strata: {name} does not say which {table} is meant: {unit} refers to it by {ways}",
                hint="copy the column into the unit table under a name of its own, or take it out of strata",
            )
        seen |= {chain[-1].table for chain in chains}
        chains = [
            (*chain, reference)
            for chain in chains
            for reference in settings.tables[chain[-1].table].all_references
            if reference.table not in seen
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
