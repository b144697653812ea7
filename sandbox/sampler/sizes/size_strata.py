"""Strata by the size of units: each unit's size in the session, the edges between groups, and the spread within each."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.rule.strata_labels import KeyColumnPair, ValueLookup
from sandbox.sampler.sizes.deviation import STEPS_PER_LARGEST, compute_deviation
from sandbox.sampler.sizes.size_groups import cut_groups, limit_certain_units, list_bin_edges
from sandbox.sampler.sizes.unit_totals import TOTAL_DIGITS, build_totals_query
from sandbox.sources.checks.key_check import build_not_null_condition
from sandbox.sources.registry import build_select, translate_file_errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.sampler.sizes.unit_totals import SizeColumn
    from sandbox.sources.table import SourceTable

BIN_EDGES_TABLE = "edges of fine bins"
MAX_TIED_FACTOR = 2
"""Units as large as the smallest certain one are certain too, unless all together are more than this many times as many."""


@dataclass(frozen=True, kw_only=True)
class SizeStratum:
    """Strata by a size of units.

    Attributes:
        size: The size.
        key: The unit table's key.
        where: SQL condition of the frame; None for every row.
        has_certain_group: Whether the last group is always drawn.
    """

    size: SizeColumn
    key: tuple[str, ...]
    where: str | None
    has_certain_group: bool = False


def create_size_lookup(
    session: Session, tables: Mapping[str, SourceTable], unit: str, stratum: SizeStratum, name: str
) -> ValueLookup:
    """Create the table of each unit's size, 0 without rows, unless the session has it; return it as a lookup by key."""
    table, key = tables[unit], stratum.key
    names = [f"key_{index}" for index in range(len(key))]
    listed = ", ".join(f"{quote_identifier(column)} as {each}" for column, each in zip(key, names, strict=True))
    inside = f"{build_not_null_condition(key)} and ({stratum.where or 'true'})"
    units = f"select distinct {listed} from ({build_select(table)}) where {inside}"
    totals = build_totals_query(tables, unit, key, [stratum.size])
    on = " and ".join(f"t.{each} = u.{each}" for each in names)
    with translate_file_errors(table.format, table.files):
        session.execute(
            f"create temp table if not exists {quote_identifier(name)} as "
            f"select u.*, coalesce(abs(t.x_0), 0)::{stratum.size.total_type} as value "
            f"from ({units}) u left join ({totals}) t on {on}",
            doing=f"measuring the units of {unit}",
        )
    pairs = tuple(KeyColumnPair(column=column, type=table.columns[column], as_text=False) for column in key)
    return ValueLookup(table=name, pairs=pairs)


def find_size_edges(
    session: Session, lookup: str, stratum: SizeStratum, *, groups: int, always: int, sample_units: float
) -> tuple[tuple[str, ...], bool]:
    """Find the lower edges of all groups but the first, which holds sizes of 0; and whether the last is always drawn.

    Args:
        session: The query engine.
        lookup: The table of `create_size_lookup`.
        stratum: The strata.
        groups: Groups wanted beside those of size 0 and of the largest units.
        always: The number of the largest units.
        sample_units: Approximate number of units in the sample.
    """
    rows, scale = quote_identifier(lookup), stratum.size.scale
    certain = _find_certain_edge(session, rows, limit_certain_units(always, sample_units))
    edges = list_bin_edges(scale, TOTAL_DIGITS)
    session.execute(
        f"create or replace temp table {quote_identifier(BIN_EDGES_TABLE)} as "
        f"select unnest(?::varchar[])::{stratum.size.total_type} as edge",
        [[str(edge) for edge in edges]],
    )
    below = "" if certain is None else f" and s.value < '{certain}'::{stratum.size.total_type}"
    counts = session.fetch_rows(
        f"select e.edge, count(*) from {rows} s asof join {quote_identifier(BIN_EDGES_TABLE)} e on s.value >= e.edge "
        f"where s.value > 0{below} group by 1"
    )
    session.execute(f"drop table {quote_identifier(BIN_EDGES_TABLE)}")
    starts = cut_groups({Decimal(edge): count for edge, count in counts}, edges, groups) if counts else []
    return tuple(str(edge) for edge in [*starts, *([] if certain is None else [certain])]), certain is not None


def _find_certain_edge(session: Session, rows: str, count: int) -> Decimal | None:
    """Find the size from which units are always drawn; None if there are none."""
    if not count:
        return None
    largest = session.fetch_rows(f"select value from {rows} where value > 0 order by value desc limit {count}")
    if len(largest) < count:
        return None
    edge = Decimal(largest[-1][0])
    # The values come from the session and go back as they are.
    tied = session.fetch_rows(
        f"select count(*), min(value) filter (value > '{edge}') from {rows} where value >= '{edge}'"
    )
    reached, above = tied[0]
    if reached <= MAX_TIED_FACTOR * count:
        return edge
    return None if above is None else Decimal(above)


def measure_group_deviations(session: Session, lookup: str, edges: Sequence[str]) -> list[float]:
    """Measure the standard deviation of the sizes in each group, by the number of edges at or below them.

    Sums are exact, in whole steps of 2⁻³⁶ of a group's largest size.
    """
    rows = quote_identifier(lookup)
    group = " + ".join([f"(value >= '{edge}')::integer" for edge in edges]) or "0"
    sums = session.fetch_rows(
        f"with grouped as (select {group} as g, value::double as x from {rows}), "
        "largest as (select g, max(x) as m from grouped group by g), "
        f"steps as (select g, m, round(x / m * {STEPS_PER_LARGEST})::hugeint as y from grouped join largest using (g) where m > 0) "
        "select g, any_value(m), count(*), sum(y)::hugeint, sum(y * y)::hugeint from steps group by g"
    )
    deviations = [0.0] * (len(edges) + 1)
    for index, largest, count, total, squares in sums:
        deviations[index] = largest * compute_deviation(count, total, squares)
    return deviations
