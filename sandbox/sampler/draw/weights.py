"""Write the weights of selected units: key, stratum, π_h and N_h/n_h."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier, quote_literal
from sandbox.engine.rule.prn import PRIME

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.engine.duckdb.session import Session
    from sandbox.masking import Masking
    from sandbox.sampler.draw.extraction import Extraction
    from sandbox.sampler.draw.sampled_rows import SampledRows
    from sandbox.sampler.plan.frame import SamplingFrame
    from sandbox.sampler.plan.plan import UnitPlan

SELECTED_UNITS_TABLE = "selected units"


def _write_unit_weights(
    session: Session, unit: UnitPlan, frame: SamplingFrame, known: SampledRows, masking: Masking, target: Path
) -> list[int]:
    """Write the weights of a unit table's selected units, sorted by masked key, and return n_h of each stratum."""
    names = [f"key_{index}" for index in range(len(unit.key))]
    keys = ", ".join(
        f"{masking.build_expression(unit.table, column, unit=frame.unit)} as {name}"
        for column, name in zip(unit.key, names, strict=True)
    )
    key_columns = ", ".join(quote_identifier(name) for name in (*unit.key, frame.unit))
    stratum = quote_identifier(frame.stratum)
    session.execute(
        f"create or replace temp table {quote_identifier(SELECTED_UNITS_TABLE)} as select {keys}, stratum "
        f"from (select distinct {key_columns}, {stratum} as stratum from {known.drawn_relation})",
        doing=f"weighing {unit.table}",
    )
    counts = dict(
        session.fetch_rows(f"select stratum, count(*) from {quote_identifier(SELECTED_UNITS_TABLE)} group by 1")
    )
    shown = ", ".join(f"m.{name} as {quote_identifier(column)}" for column, name in zip(unit.key, names, strict=True))
    target.parent.mkdir(parents=True, exist_ok=True)
    session.execute(
        f"copy (select {shown}, m.stratum, s.threshold / {PRIME}::double as probability, "
        f"s.population / n.sampled::double as weight "
        f'from {quote_identifier(SELECTED_UNITS_TABLE)} m join {quote_identifier(frame.strata)} s on m.stratum = s."index" '
        f"join (select stratum, count(*) as sampled from {quote_identifier(SELECTED_UNITS_TABLE)} group by 1) n on n.stratum = m.stratum "
        f"order by {', '.join(f'm.{name}' for name in names)}) to {quote_literal(str(target))} (format parquet, compression zstd)",
        doing=f"weighing {unit.table}",
    )
    session.execute(f"drop table {quote_identifier(SELECTED_UNITS_TABLE)}")
    return [int(counts.get(index, 0)) for index in range(len(unit.strata))]


def write_weights(extraction: Extraction) -> dict[str, list[int]]:
    """Write the weights of each unit table and return the sampled units of each stratum."""
    folder = extraction.journal.sample / "weights"
    return {
        name: _write_unit_weights(
            extraction.session,
            unit,
            extraction.frames[name],
            extraction.sampled_rows[name],
            extraction.masking,
            folder / f"{name}.parquet",
        )
        for name, unit in extraction.plan.units.items()
    }
