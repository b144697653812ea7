"""Weights: for each selected unit its key, its stratum, π_h and N_h/n_h."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine import rule
from sandbox.engine.duck import literal, quote
from sandbox.engine.prn import PRIME
from sandbox.sampler.extract import STRATA, unit_draw

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox.engine.duck import Session
    from sandbox.sampler.plan import UnitPlan

MEMBERS = "selected units"


def written(
    session: Session, unit: UnitPlan, columns: Mapping[str, str], relation: str, target: Path
) -> list[int]:
    """Write the weights of a unit table's selected rows and give n_h of each stratum.

    Args:
        session: The engine.
        unit: The draw.
        columns: The unit table's columns and types.
        relation: SQL that can stand after ``from``: exactly the selected rows.
        target: The file; sorted by key.
    """
    draw = unit_draw(session, unit, columns)
    session.execute(f"create or replace temp view {quote('selected')} as select * from {relation}")
    session.execute(
        f"create or replace temp table {quote(MEMBERS)} as {rule.membership('selected', draw)}",
        doing=f"weighing {unit.table}",
    )
    counts = dict(session.rows(f"select stratum, count(*) from {quote(MEMBERS)} group by 1"))
    key = ", ".join(f"m.{quote(column)}" for column in unit.key)
    target.parent.mkdir(parents=True, exist_ok=True)
    session.execute(
        f"copy (select {key}, m.stratum, s.threshold / {PRIME}::double as probability, "
        f"s.population / n.sampled::double as weight "
        f'from {quote(MEMBERS)} m join {quote(STRATA)} s on m.stratum = s."index" '
        f"join (select stratum, count(*) as sampled from {quote(MEMBERS)} group by 1) n on n.stratum = m.stratum "
        f"order by {key}) to {literal(str(target))} (format parquet, compression zstd)",
        doing=f"weighing {unit.table}",
    )
    return [int(counts.get(index, 0)) for index in range(len(unit.strata))]
