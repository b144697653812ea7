"""Count strata over the frame, merge rare values and assign probabilities."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.rule import prn
from sandbox.engine.sql import predicate
from sandbox.errors import DataRuleError
from sandbox.sampler.plan import bins, pushdown
from sandbox.sampler.plan.plan import PlannedStratum, UnitPlan
from sandbox.sampler.plan.pushdown import StrataSource
from sandbox.sampler.plan.strata.strata_columns import find_strata_columns
from sandbox.sampler.plan.strata.strata_counts import ESTIMATE_ROWS, StrataCounter
from sandbox.sampler.plan.strata.strata_labels import build_size_lookup_name, prepare_labels
from sandbox.sampler.sizes.size_strata import find_size_edges
from sandbox.sources.projection import project_table
from sandbox.sources.registry import get_adapter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.config.sections.sample import DrawSection, StratumColumn
    from sandbox.config.settings import Settings
    from sandbox.engine.duckdb.session import Session
    from sandbox.sampler.plan.plan import StrataColumn, StratumLabel, TableStep
    from sandbox.sources.table import SourceTable


def count_strata(
    session: Session, settings: Settings, tables: Mapping[str, SourceTable], steps: Sequence[TableStep], unit: str
) -> UnitPlan:
    """Find and count the strata of a unit table, with probability 1 for all.

    Raises:
        DataRuleError: There is no unit, a column cannot form strata, a key repeats although it must not, or there are
            more than 10,000 strata.
    """
    section, table = settings.tables[unit], tables[unit]
    where = _check_where(session, unit, section.where, table)
    columns = find_strata_columns(settings, tables, steps, unit, where)
    key = tuple(section.key or ())
    narrowed_by = predicate.find_condition_columns(where, table.columns) if where else []
    entries = settings.sample.draws[unit].strata
    shared = section.duplicates == "unit"
    counted = None
    is_plain = not any(column.path for column in columns) and not any(
        entry.bins or entry.quantiles or entry.is_size for entry in entries
    )
    if is_plain and not where and not shared:
        counted = pushdown.count_groups_in_source(session, table, [column.column for column in columns], key)
    if counted is None:
        used = dict.fromkeys([*key, *narrowed_by, *(name for column in columns for name in column.needed_columns)])
        counted = StrataSource(
            relation=project_table(session, table, used), columns={name: table.columns[name] for name in used}
        )
    counting = StrataCounter(
        session=session,
        table=table,
        source=counted,
        key=key,
        where=where,
        shared=shared,
        has_whole_keys=table.rows > ESTIMATE_ROWS and get_adapter(table).has_no_nulls(table, key),
    )
    draw = settings.sample.draws[unit]
    columns = tuple(
        _add_edges(counting, tables, column, entry, draw) for column, entry in zip(columns, entries, strict=True)
    )
    counts = counting.count(columns, prepare_labels(session, tables, unit, columns))
    return UnitPlan(
        table=unit,
        key=key,
        coefficients=prn.compute_coefficients(settings.sample.draws[unit].salt, unit),
        columns=counts.columns,
        strata=tuple(
            PlannedStratum(labels=labels, population=count, probability=1.0, threshold=prn.PRIME)
            for labels, count in counts.strata
        ),
        null_keys=counts.null_keys,
        where=where,
        narrowed_by=tuple(narrowed_by),
        outside=table.rows - counts.rows,
        shared=counting.shared,
    )


def assign_probabilities(unit: UnitPlan, chosen: Sequence[float]) -> UnitPlan:
    """Return a unit table's draw with the inclusion probability of each stratum."""
    levels = [prn.compute_threshold(probability) for probability in chosen]
    strata = tuple(
        dataclasses.replace(stratum, probability=level / prn.PRIME, threshold=level)
        for stratum, level in zip(unit.strata, levels, strict=True)
    )
    return dataclasses.replace(unit, strata=strata)


def merge_cells(unit: UnitPlan) -> UnitPlan:
    """Merge the cells of a draw by size into strata: those of one size group and threshold.

    Strata of another draw are returned as they are.
    """
    index = next((index for index, column in enumerate(unit.columns) if column.size is not None), None)
    if index is None:
        return unit
    groups: dict[tuple[StratumLabel, int], list[PlannedStratum]] = {}
    for cell in unit.strata:
        groups.setdefault((cell.labels[index], cell.threshold), []).append(cell)
    strata = tuple(
        dataclasses.replace(
            cells[0],
            population=sum(cell.population for cell in cells),
            merged=tuple(cell.labels for cell in cells[1:]),
        )
        for cells in groups.values()
    )
    return dataclasses.replace(unit, strata=strata)


def _check_where(session: Session, unit: str, text: str | None, table: SourceTable) -> str | None:
    if text is None:
        return None
    try:
        return predicate.parse_condition(session, text, table.columns)
    except DataRuleError as error:
        raise DataRuleError(
            f"[tables.{unit}] where = {text!r}: {error.message}",
            hint="for example: where = \"signed_up < '2026-10-01'\"",
        ) from error


def _add_edges(
    counting: StrataCounter,
    tables: Mapping[str, SourceTable],
    column: StrataColumn,
    entry: StratumColumn,
    draw: DrawSection,
) -> StrataColumn:
    if entry.bins is not None:
        return dataclasses.replace(column, edges=bins.parse_declared_edges(counting.session, column, entry.bins))
    if column.size is not None:
        prepare_labels(counting.session, tables, counting.table.name, [column])
        lookup = build_size_lookup_name(counting.table.name)
        [(count,)] = counting.session.fetch_rows(f"select count(*) from {quote_identifier(lookup)}")
        edges, has_certain_group = find_size_edges(
            counting.session,
            lookup,
            column.size,
            groups=entry.size_groups,
            always=entry.certain_units,
            sample_units=draw.units if draw.units is not None else (draw.rate or 0.0) * count,
        )
        size = dataclasses.replace(column.size, has_certain_group=has_certain_group)
        return dataclasses.replace(column, edges=edges, size=size)
    if entry.quantiles is None:
        return column
    (label,) = prepare_labels(counting.session, tables, counting.table.name, [column])

    def build_values(splits: tuple[str, ...]) -> str:
        both = [dataclasses.replace(label, edges=splits), dataclasses.replace(label, edges=None)]
        return f"(select value_0, value_1 from {counting.build_values(both)} where {counting.whole_key_condition})"

    cut = bins.find_quantile_edges(counting.session, column, build_values, counting.table.rows, entry.quantiles)
    return dataclasses.replace(column, edges=cut)
