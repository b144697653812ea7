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
) -> str:
    """Create the table of a population's units: ``key_0``, …, ``stratum``, ``drawn``, and each size by its weights' name.

    Args:
        session: The query engine.
        tables: The tables of the source.
        unit: The unit table.
        key: Its key.
        units: SELECT of ``key_0``, …, ``stratum`` and ``drawn``, one row a unit.
        sizes: The sizes.

    Returns:
        Its name.
    """
    name = f"measured units of {unit.encode().hex()}"
    same = [f"key_{index}" for index in range(len(key))]
    joins, values = [], []
    for number, (_, group) in enumerate(groupby(sizes, key=lambda size: size.table)):
        some = list(group)
        on = " and ".join(f"t{number}.{column} = u.{column}" for column in same)
        joins.append(f" left join ({build_totals_query(tables, unit, key, some)}) t{number} on {on}")
        values += [
            f", coalesce(t{number}.x_{index}, 0)::double as {quote_identifier(size.weights_column)}"
            for index, size in enumerate(some)
        ]
    with translate_file_errors(tables[unit].format, tables[unit].files):
        session.execute(
            f"create or replace temp table {quote_identifier(name)} as select u.*{''.join(values)} from ({units}) u{''.join(joins)}",
            doing=f"measuring the units of {unit}",
        )
    return name


def describe_sizes(session: Session, relation: str, sizes: Sequence[SizeColumn], strata: int) -> list[SizeRecord]:
    """Describe the sizes of `create_sizes_table`'s units: moments of each stratum, and the largest units not drawn."""
    return [
        SizeRecord(
            table=size.table,
            column=size.column,
            moments=compute_moments(session, relation, size.weights_column, strata),
            unseen=_list_largest_unseen(session, relation, size.weights_column),
        )
        for size in sizes
    ]


def compute_moments(session: Session, relation: str, column: str, strata: int) -> list[list[float]]:
    """Compute Σx, Σ|x|, Σx², Σ|x|³ and Σx⁴ of each stratum, in whole steps of the stratum's largest |x|.

    Args:
        session: The query engine.
        relation: The table of `create_sizes_table`.
        column: Its column.
        strata: The number of strata.
    """
    name, rows = quote_identifier(column), quote_identifier(relation)
    powers = ["z", "abs(z)", "z * z", "abs(z * z * z)", "z * z * z * z"]
    sums = ", ".join(f"sum(round({power} * {STEPS}.0)::hugeint)::hugeint" for power in powers)
    found = session.fetch_rows(
        f"with largest as (select stratum, max(abs({name})) as m from {rows} group by 1), "
        f"scaled as (select stratum, m, {name} / m as z from {rows} join largest using (stratum) where m > 0) "
        f"select stratum, any_value(m), {sums} from scaled group by 1",
        doing="measuring the units",
    )
    moments = [[0.0] * len(powers) for _ in range(strata)]
    for stratum, largest, *cells in found:
        scales = [Fraction(largest) ** power for power in (1, *POWERS)]
        moments[stratum] = [float(Fraction(cell, STEPS) * scale) for cell, scale in zip(cells, scales, strict=True)]
    return moments


def _list_largest_unseen(session: Session, relation: str, column: str) -> list[float]:
    rows = session.fetch_rows(
        f"select abs({quote_identifier(column)}) as x from {quote_identifier(relation)} where not drawn and x > 0 "
        f"order by x desc limit {UNSEEN_UNITS}",
        doing="measuring the units",
    )
    return [float(f"{row[0]:.{UNSEEN_DIGITS}g}") for row in rows]
