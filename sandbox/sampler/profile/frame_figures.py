"""Count the figures of production for a later check: shares, means per unit, rows by month.

Each table is counted in one pass, by random groups of units. The groups give the standard errors: how much a figure would
vary if the process had made other units.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.manifest.profile import FrameColumn, FrameFigure, FrameTable
from sandbox.sampler.profile.document import round_figure
from sandbox.sources.checks.key_check import build_not_null_condition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from sandbox.sampler.plan.plan import TableStep
    from sandbox.sampler.profile.columns import ComparableColumn
    from sandbox.sampler.profile.rows import UnitFamily

GROUPS = 64
MAX_MONTHS = 1200  # a column with more is no date of an event
MAX_NEW_VALUES = 5


def count_frame(
    family: UnitFamily, steps: Iterable[TableStep], columns: Mapping[str, Sequence[ComparableColumn]],
    values: Mapping[str, Mapping[str, Sequence[str]]],
) -> dict[str, FrameTable]:  # fmt: skip
    """Count the figures of some tables of a family.

    Args:
        family: The family; its parsed tables are copied.
        steps: The tables, parents first.
        columns: Table -> its columns.
        values: Table -> column -> values that are counted by themselves.

    Raises:
        SourceError: The source cannot be read.
    """
    units = _count_units(family)
    return {
        step.table: _count_table(family, step, columns[step.table], values.get(step.table, {}), units) for step in steps
    }


def find_new_values(
    family: UnitFamily, step: TableStep, column: ComparableColumn, known: Sequence[str]
) -> list[tuple[str, int]]:
    """Return the most frequent values of a column besides known ones, with their rows."""
    rows = family.build_population_query(step)
    found = family.session.fetch_rows(
        f"select c, count(*) as n from (select {column.build_expression('r')} as c from ({rows}) r) "
        f"where c is not null and not list_contains(?::varchar[], c) group by c order by n desc, c limit {MAX_NEW_VALUES}",
        [list(known)],
        doing=f"counting the values of {step.table}.{column.name}",
    )
    return [(str(value), int(count)) for value, count in found]


def _count_units(family: UnitFamily) -> NDArray[np.float64]:
    """Count the units of each group."""
    step = family.steps[0]
    rows, group = family.build_group_query(step, GROUPS)
    key = ", ".join(map(quote_identifier, family.unit.key))
    counted = f"count(distinct row({key}))" if family.unit.shared else "count(*)"
    found = family.session.fetch_rows(
        f"select {quote_identifier(group)}, {counted} from ({rows}) where {build_not_null_condition(family.unit.key)} "
        "group by all",
        doing=f"counting the units of {step.table}",
    )
    units = np.zeros(GROUPS)
    for number, count in found:
        units[number] = count
    return units


def _count_table(
    family: UnitFamily, step: TableStep, columns: Sequence[ComparableColumn], values: Mapping[str, Sequence[str]],
    units: NDArray[np.float64],
) -> FrameTable:  # fmt: skip
    rows, group = family.build_group_query(step, GROUPS)
    shown, figures = [], []
    parameters: list[Any] = []
    for index, column in enumerate(columns):
        shown.append(f"{column.build_expression('r')} as c{index}")
        if column.is_exact:
            shown.append(f"r.{quote_identifier(column.name)} as {column.raw_name}")
        figures += [f"count(c{index})", _build_figure(index, column, values)]
        if column.kind == "category" and values.get(column.name):
            parameters.append(list(values[column.name]))
    chosen = "".join(f", {text}" for text in shown)
    counted = "".join(f", {text}" for text in figures)
    found = family.session.fetch_rows(
        f"select g, count(*){counted} from (select r.{quote_identifier(group)} as g{chosen} from ({rows}) r) group by g",
        parameters,
        doing=f"counting {step.table}",
    )
    by_group = {row[0]: row[1:] for row in found}
    counts = _spread({number: cells[0] for number, cells in by_group.items()})
    return FrameTable(
        unit=family.unit.table,
        units=int(units.sum()),
        rows=int(counts.sum()),
        per_unit=None if step.through is None else _build_ratio(counts, units),
        columns={
            column.name: _build_column(
                column,
                values.get(column.name, ()),
                {number: (cells[0], *cells[1 + 2 * index : 3 + 2 * index]) for number, cells in by_group.items()},
                units,
            )
            for index, column in enumerate(columns)
        },
    )


def _build_figure(index: int, column: ComparableColumn, values: Mapping[str, Sequence[str]]) -> str:
    """Build the SQL of a column's second aggregate: its sum, its values, or its months."""
    if column.kind == "number":
        return f"sum({column.raw_name})::double" if column.is_exact else f"fsum(c{index})"
    if column.kind == "category" and values.get(column.name):
        return f"histogram(list_position(?::varchar[], c{index}))"
    if column.kind == "moment" and column.type != "TIME":
        return f"histogram(date_diff('month', timestamp '1970-01-01', make_timestamp((c{index} * 1e6)::bigint)))"
    return "null"


def _build_column(
    column: ComparableColumn, values: Sequence[str], cells: Mapping[int, tuple[Any, ...]], units: NDArray[np.float64]
) -> FrameColumn:
    rows = _spread({number: cell[0] for number, cell in cells.items()})
    present = _spread({number: cell[1] for number, cell in cells.items()})
    figures: dict[int, Any] = {number: cell[2] for number, cell in cells.items()}
    nulls = _build_ratio(rows - present, rows)
    if column.kind == "number":
        return FrameColumn(nulls=nulls, mean=_build_ratio(_spread(figures), units))
    if column.kind == "category" and values:
        held = [_spread(_pick(figures, position)) for position in range(1, len(values) + 1)]
        others = present - np.sum(held, axis=0)
        shares = {value: _build_ratio(each, rows) for value, each in zip(values, held, strict=True)}
        return FrameColumn(nulls=nulls, values=shares, others=_build_ratio(others, rows))
    months = sorted({month for figure in figures.values() if isinstance(figure, dict) for month in figure})
    if column.kind == "moment" and 0 < len(months) <= MAX_MONTHS:
        periods = {_format_month(month): _build_count(_spread(_pick(figures, month))) for month in months}
        return FrameColumn(nulls=nulls, periods=periods)
    return FrameColumn(nulls=nulls)


def _format_month(months: int) -> str:
    """Return the name of a month by its distance from January 1970.

    >>> _format_month(0), _format_month(-1)
    ('1970-01', '1969-12')
    """
    year, month = divmod(months, 12)
    return f"{1970 + year:04d}-{month + 1:02d}"


def _pick(figures: Mapping[int, Any], key: Any) -> dict[int, Any]:
    return {number: (figure or {}).get(key, 0) for number, figure in figures.items()}


def _spread(by_group: Mapping[int, Any]) -> NDArray[np.float64]:
    """Return an array of the groups' values; groups without rows have 0."""
    return np.array([by_group.get(group) or 0 for group in range(GROUPS)], np.float64)


def _build_ratio(parts: NDArray[np.float64], wholes: NDArray[np.float64]) -> FrameFigure:
    """Return a ratio of sums with the standard error of random groups (linearized)."""
    whole = float(wholes.sum())
    if not whole:
        return FrameFigure(value=0.0, error=0.0)
    ratio = float(parts.sum()) / whole
    residuals = parts - ratio * wholes
    error = math.sqrt(GROUPS / (GROUPS - 1) * float(residuals @ residuals)) / whole
    return FrameFigure(value=_round_finite(ratio), error=_round_finite(error))


def _build_count(parts: NDArray[np.float64]) -> FrameFigure:
    """Return a number of rows with the standard error of random groups."""
    residuals = parts - parts.mean()
    error = math.sqrt(GROUPS / (GROUPS - 1) * float(residuals @ residuals))
    return FrameFigure(value=float(parts.sum()), error=_round_finite(error))


def _round_finite(value: float) -> float:
    """Return a figure with six digits; 0 for one that overflowed."""
    return round_figure(value) if math.isfinite(value) else 0.0
