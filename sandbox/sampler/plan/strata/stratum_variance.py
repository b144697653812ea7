"""Compute the standard deviation S_h of a column within each stratum, over the whole frame.

The sums are exact integers, so they do not depend on the order of rows. Values are rounded to 2⁻³⁶ of their stratum's
largest, far finer than an allocation needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.sampler.plan.frame import prepare_frame
from sandbox.sampler.sizes.deviation import STEPS_PER_LARGEST, compute_deviation
from sandbox.sources.projection import project_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.engine.duckdb.session import Session
    from sandbox.sampler.plan.plan import UnitPlan
    from sandbox.sources.table import SourceTable

LARGEST_TABLE = "largest of each stratum"


def compute_deviations(session: Session, tables: Mapping[str, SourceTable], unit: UnitPlan, column: str) -> list[float]:
    """Compute S_h of each stratum; for a constant stratum the smallest positive one.

    A unit's value is the sum over its rows. NULL, NaN and infinity are ignored. If no stratum varies, all are 1.

    Args:
        session: The query engine.
        tables: The tables of the source, by name.
        unit: The draw, with its strata counted.
        column: A numeric column of the unit table.

    Source: S² = (Σy² − (Σy)²/n) / (n − 1); Neyman 1934; Cochran 1977, ch. 5.
    """
    table = tables[unit.table]
    used = list(dict.fromkeys([*unit.needed_columns, column]))
    relation = project_table(session, table, used)
    frame = prepare_frame(session, tables, unit)
    inside = frame.build_frame_query(relation, {name: table.columns[name] for name in used})
    doing = f"measuring {column} of {unit.table}"
    value, stratum = f"{quote_identifier(column)}::double", quote_identifier(frame.stratum)
    rows = f"(select {stratum} as h, {quote_identifier(frame.unit)} as k, {value} as y from ({inside}) where isfinite({value}))"
    session.execute(
        f"create or replace temp table {quote_identifier(LARGEST_TABLE)} as select h, max(abs(y)) as m from {rows} group by h",
        doing=doing,
    )
    steps = f"(select h, k, round(y / m * {STEPS_PER_LARGEST})::hugeint as y from {rows} join {quote_identifier(LARGEST_TABLE)} using (h) where m > 0)"
    if unit.shared:
        steps = f"(select h, sum(y) as y from {steps} group by h, k)"
    sums = session.fetch_rows(
        f"select h, any_value(m), count(*), sum(y)::hugeint, sum(y * y)::hugeint from {steps} "
        f"join {quote_identifier(LARGEST_TABLE)} using (h) group by h",
        doing=doing,
    )
    session.execute(f"drop table {quote_identifier(LARGEST_TABLE)}")
    spreads = {h: largest * compute_deviation(n, total, squares) for h, largest, n, total, squares in sums}
    least = min((spread for spread in spreads.values() if spread > 0), default=1.0)
    return [spreads.get(index) or least for index in range(len(unit.strata))]
