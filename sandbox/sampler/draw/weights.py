"""Weights: for each selected unit its key, its stratum, π_h and N_h/n_h."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import literal, quote
from sandbox.engine.rule.prn import PRIME

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.engine.duckdb.session import Session
    from sandbox.masking import Masking
    from sandbox.sampler.draw.sampled_rows import Known
    from sandbox.sampler.plan.frame import Frame
    from sandbox.sampler.plan.plan import UnitPlan

SELECTED = "selected units"


def written(
    session: Session, unit: UnitPlan, frame: Frame, known: Known, masking: Masking, target: Path
) -> list[int]:
    """Write the weights of a unit table's selected units and give n_h of each stratum.

    Args:
        session: The engine.
        unit: The draw.
        frame: Its frame.
        known: What is known of the table's rows in the sample.
        masking: The masks: the key is masked as in the table.
        target: The file; sorted by key.
    """
    names = [f"key_{index}" for index in range(len(unit.key))]
    keys = ", ".join(
        f"{masking.expression(unit.table, column, unit=frame.unit)} as {name}"
        for column, name in zip(unit.key, names, strict=True)
    )
    own = ", ".join(quote(name) for name in (*unit.key, frame.unit))
    stratum = quote(frame.stratum)
    session.execute(
        f"create or replace temp table {quote(SELECTED)} as select {keys}, stratum "
        f"from (select distinct {own}, {stratum} as stratum from {known.drawn})",
        doing=f"weighing {unit.table}",
    )
    counts = dict(session.rows(f"select stratum, count(*) from {quote(SELECTED)} group by 1"))
    shown = ", ".join(f"m.{name} as {quote(column)}" for column, name in zip(unit.key, names, strict=True))
    target.parent.mkdir(parents=True, exist_ok=True)
    session.execute(
        f"copy (select {shown}, m.stratum, s.threshold / {PRIME}::double as probability, "
        f"s.population / n.sampled::double as weight "
        f'from {quote(SELECTED)} m join {quote(frame.strata)} s on m.stratum = s."index" '
        f"join (select stratum, count(*) as sampled from {quote(SELECTED)} group by 1) n on n.stratum = m.stratum "
        f"order by {', '.join(f'm.{name}' for name in names)}) to {literal(str(target))} (format parquet, compression zstd)",
        doing=f"weighing {unit.table}",
    )
    session.execute(f"drop table {quote(SELECTED)}")
    return [int(counts.get(index, 0)) for index in range(len(unit.strata))]
