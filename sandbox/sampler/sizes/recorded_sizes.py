"""Record how large a population's units are: moments by stratum, for the reliability of later estimates."""

from __future__ import annotations

from fractions import Fraction
from itertools import groupby
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.manifest.sample import SizeRecord
from sandbox.sampler.sizes.unit_totals import build_totals_query
from sandbox.sources.registry import translate_file_errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.sampler.sizes.unit_totals import SizeColumn
    from sandbox.sources.table import SourceTable

UNSEEN_UNITS = 10
"""How many of the largest units that were not drawn are recorded."""

UNSEEN_DIGITS = 3
POWERS = (1, 2, 3, 4)
STEPS = 2**60
"""Steps of the largest value in which powers are summed, so that a sum does not depend on the order of rows."""


def create_sizes_table(
    session: Session,
    tables: Mapping[str, SourceTable],
    unit: str,
    key: Sequence[str],
    units: str,
    sizes: Sequence[SizeColumn],
    *,
    is_unique: bool = False,
) -> str:
    """Create the table of a population's units: ``key_0``, …, ``stratum``, ``drawn``, and each size by its weights' name.

    Args:
        session: The query engine.
        tables: The tables of the source.
        unit: The unit table.
        key: Its key.
        units: SELECT of ``key_0``, …, ``stratum`` and ``drawn``, one row a unit; with a unique key also ``x_0``, …, the
            totals of `list_row_sizes`.
        sizes: The sizes.
        is_unique: Whether the key is known to be unique.

    Returns:
        Its name.
    """
    name = f"measured units of {unit.encode().hex()}"
    same = [f"key_{index}" for index in range(len(key))]
    joins = []
    totals = {size.weights_column: f"u.x_{index}" for index, size in enumerate(list_row_sizes(sizes, is_unique))}
    others = [size for size in sizes if size.weights_column not in totals]
    for number, (_, group) in enumerate(groupby(others, key=lambda size: size.table)):
        some = list(group)
        on = " and ".join(f"t{number}.{column} = u.{column}" for column in same)
        query = build_totals_query(tables, unit, key, some, is_unique=is_unique)
        joins.append(f" left join ({query}) t{number} on {on}")
        totals |= {size.weights_column: f"coalesce(t{number}.x_{index}, 0)" for index, size in enumerate(some)}
    columns = ", ".join(f"u.{column}" for column in [*same, "stratum", "drawn"])
    values = "".join(f", {total}::double as {quote_identifier(column)}" for column, total in totals.items())
    with translate_file_errors(tables[unit].format, tables[unit].files):
        session.execute(
            f"create or replace temp table {quote_identifier(name)} as select {columns}{values} from ({units}) u{''.join(joins)}",
            doing=f"measuring the units of {unit}",
        )
    return name


def list_row_sizes(sizes: Sequence[SizeColumn], is_unique: bool) -> list[SizeColumn]:
    """Return the sizes that are values of the unit's own row, because its key is unique."""
    return [size for size in sizes if is_unique and not size.path]


def describe_sizes(session: Session, relation: str, sizes: Sequence[SizeColumn], strata: int) -> list[SizeRecord]:
    """Describe the sizes of `create_sizes_table`'s units: moments of each stratum, and the largest units not drawn."""
    moments = compute_moments(session, relation, [size.weights_column for size in sizes], strata)
    return [
        SizeRecord(
            table=size.table,
            column=size.column,
            moments=moments[size.weights_column],
            unseen=_list_largest_unseen(session, relation, size.weights_column),
        )
        for size in sizes
    ]


def compute_moments(
    session: Session, relation: str, columns: Sequence[str], strata: int
) -> dict[str, list[list[float]]]:
    """Compute Σx, Σ|x|, Σx², Σ|x|³ and Σx⁴ of each stratum, in whole steps of the stratum's largest |x|, by column.

    Args:
        session: The query engine.
        relation: The table of `create_sizes_table`.
        columns: Its columns, at least one.
        strata: The number of strata.
    """
    rows = quote_identifier(relation)
    largest = "".join(f", max(abs({quote_identifier(column)})) as m{i}" for i, column in enumerate(columns))
    scaled = "".join(
        f", m{i}, {quote_identifier(column)} / nullif(m{i}, 0) as z{i}" for i, column in enumerate(columns)
    )
    sums = [
        item
        for index in range(len(columns))
        for item in (
            f"any_value(m{index})",
            # A power is at most 1, so its steps fit into 64 bits; their sum has 128.
            *(f"sum(round({power} * {STEPS}.0)::bigint)::hugeint" for power in _list_powers(f"z{index}")),
        )
    ]
    found = session.fetch_rows(
        f"with largest as (select stratum{largest} from {rows} group by 1), "
        f"scaled as (select stratum{scaled} from {rows} join largest using (stratum)) "
        f"select stratum, {', '.join(sums)} from scaled group by 1",
        doing="measuring the units",
    )
    moments = {column: [[0.0] * len(_list_powers("z")) for _ in range(strata)] for column in columns}
    width = 1 + len(_list_powers("z"))
    for stratum, *cells in found:
        for index, column in enumerate(columns):
            most, *totals = cells[index * width : (index + 1) * width]
            if most > 0:
                scales = [Fraction(most) ** power for power in (1, *POWERS)]
                moments[column][stratum] = [
                    float(Fraction(total, STEPS) * scale) for total, scale in zip(totals, scales, strict=True)
                ]
    return moments


def _list_powers(z: str) -> list[str]:
    return [z, f"abs({z})", f"{z} * {z}", f"abs({z} * {z} * {z})", f"{z} * {z} * {z} * {z}"]


def _list_largest_unseen(session: Session, relation: str, column: str) -> list[float]:
    rows = session.fetch_rows(
        f"select abs({quote_identifier(column)}) as x from {quote_identifier(relation)} where not drawn and x > 0 "
        f"order by x desc limit {UNSEEN_UNITS}",
        doing="measuring the units",
    )
    return [float(f"{row[0]:.{UNSEEN_DIGITS}g}") for row in rows]
