"""Choose the sizes of units: the one that strata are made of, and those recorded for later estimates. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.errors import DataRuleError
from sandbox.sampler.sizes.unit_totals import SizeColumn, is_summable
from sandbox.sources.checks.schema_check import resolve_column
from sandbox.sources.projection import MAX_EXACT_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sandbox.config.sections.sample import MaskEntry, Reference, StratumColumn
    from sandbox.config.settings import Settings
    from sandbox.sampler.plan.plan import TableStep
    from sandbox.sources.table import SourceTable

MAX_SIZES = 40
"""Sizes recorded of one unit table without being named."""


def find_size_column(
    settings: Settings,
    tables: Mapping[str, SourceTable],
    steps: Sequence[TableStep],
    unit: str,
    stratum: StratumColumn,
) -> SizeColumn:
    """Return the size of an entry of ``strata``.

    Raises:
        DataRuleError: Its table does not belong to the unit, or its column holds no numbers.
    """
    if stratum.sum is not None:
        return _find_summed_column(settings, tables, steps, unit, stratum.sum, f"strata: {stratum.label}")
    assert stratum.count is not None
    path = _find_path(steps, unit, stratum.count)
    if not path:
        raise DataRuleError(
            f"strata: {stratum.label} counts no rows of a unit: {stratum.count} is no table that belongs to {unit}",
            hint=_suggest_tables(steps, unit),
        )
    return SizeColumn(table=stratum.count, column=None, type="BIGINT", path=path)


def find_named_sizes(
    settings: Settings, tables: Mapping[str, SourceTable], steps: Sequence[TableStep], unit: str
) -> dict[str, SizeColumn]:
    """Return the sizes named in the settings of a unit table's draw, by their name in messages.

    Raises:
        DataRuleError: A named column holds no numbers, or its table does not belong to the unit.
    """
    draw = settings.sample.draws[unit]
    sizes: dict[str, SizeColumn] = {}
    if (stratum := draw.size_stratum) is not None:
        sizes[stratum.label] = find_size_column(settings, tables, steps, unit, stratum)
    for name in draw.totals:
        size = _find_summed_column(settings, tables, steps, unit, name, f"totals: {name}")
        if size not in sizes.values():
            sizes[f"sum of {name}"] = size
    return sizes


def list_recorded_sizes(
    settings: Settings,
    tables: Mapping[str, SourceTable],
    steps: Sequence[TableStep],
    masks: Mapping[str, Mapping[str, MaskEntry]],
    unit: str,
    *,
    whole: bool,
) -> list[SizeColumn]:
    """Return the sizes of a unit table's units to record: the named ones, and all of tables that are small enough.

    Nothing is recorded of columns with a mask, keys and references.

    Args:
        settings: The settings.
        tables: The tables of the source.
        steps: The tables in drawing order.
        masks: Table -> column -> mask.
        unit: The unit table.
        whole: Whether tables of any size are read.

    Raises:
        DataRuleError: A named column holds no numbers, or its table does not belong to the unit.
    """
    named = find_named_sizes(settings, tables, steps, unit).values()
    sizes = {size.weights_column: size for size in named}
    for size in _list_small_sizes(settings, tables, steps, unit, whole=whole):
        if len(sizes) < MAX_SIZES:
            sizes.setdefault(size.weights_column, size)
    return [size for size in sizes.values() if not _is_masked(size, masks)]


def _is_masked(size: SizeColumn, masks: Mapping[str, Mapping[str, MaskEntry]]) -> bool:
    mask = masks.get(size.table, {}).get(size.column or "")
    return mask is not None and mask.kind != "none"


def _list_small_sizes(
    settings: Settings, tables: Mapping[str, SourceTable], steps: Sequence[TableStep], unit: str, *, whole: bool
) -> Iterator[SizeColumn]:
    """Yield the sizes over the tables of a unit that are read at every draw: counts of rows, then sums."""
    family = [step for step in steps if step.unit == unit]
    if not whole and any(tables[step.table].rows > MAX_EXACT_ROWS for step in family):
        return
    for step in family:
        if step.through is not None:
            yield SizeColumn(table=step.table, column=None, type="BIGINT", path=_find_path(steps, unit, step.table))
    for step in family:
        section = settings.tables[step.table]
        naming = {*(section.key or ()), *(name for reference in step.references for name in reference.columns)}
        path = _find_path(steps, unit, step.table)
        for column, kind in tables[step.table].columns.items():
            if is_summable(kind) and column not in naming:
                yield SizeColumn(table=step.table, column=column, type=kind, path=path)


def _find_summed_column(
    settings: Settings,
    tables: Mapping[str, SourceTable],
    steps: Sequence[TableStep],
    unit: str,
    name: str,
    where: str,
) -> SizeColumn:
    columns = {table: source.columns for table, source in tables.items()}
    table, column = resolve_column(settings, columns, unit, name)
    kind = tables[table].columns[column]
    path = _find_path(steps, unit, table)
    if table != unit and not path:
        raise DataRuleError(
            f"{where} has no sum for a unit: the rows of {table} do not belong to {unit}",
            hint=_suggest_tables(steps, unit),
        )
    if not is_summable(kind):
        raise DataRuleError(f"{where} cannot be summed: {table}.{column} is {kind}", hint="name a column of numbers")
    return SizeColumn(table=table, column=column, type=kind, path=path)


def _find_path(steps: Sequence[TableStep], unit: str, table: str) -> tuple[Reference, ...]:
    """Return the references from a table to its unit; empty for the unit table and for tables of no unit."""
    by_name = {step.table: step for step in steps if step.unit == unit}
    path: list[Reference] = []
    while table in by_name and (through := by_name[table].through) is not None:
        path.append(through)
        table = through.table
    return tuple(path)


def _suggest_tables(steps: Sequence[TableStep], unit: str) -> str:
    children = [step.table for step in steps if step.unit == unit and step.through is not None]
    return f"tables of {unit}: {', '.join(children)}" if children else f"no table belongs to {unit}"
