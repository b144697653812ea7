"""Write the weights of selected units: key, stratum, π_h, N_h/n_h and recorded sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.duckdb.table_functions import build_parquet_copy
from sandbox.engine.rule.prn import PRIME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.sampler.draw.extraction import Extraction
    from sandbox.sampler.sizes.measured_units import MeasuredUnits

SELECTED_UNITS_TABLE = "selected units"


def _write_unit_weights(extraction: Extraction, name: str, sizes: MeasuredUnits | None) -> list[int]:
    """Write the weights of a unit table's selected units, sorted by masked key, and return n_h of each stratum."""
    session, masking = extraction.session, extraction.masking
    unit, frame, known = extraction.plan.units[name], extraction.frames[name], extraction.sampled_rows[name]
    target = extraction.journal.sample / "weights" / f"{name}.parquet"
    names = [f"key_{index}" for index in range(len(unit.key))]
    keys = ", ".join(
        f"{masking.build_expression(unit.table, column, unit=frame.unit)} as {name}"
        for column, name in zip(unit.key, names, strict=True)
    )
    key_columns = ", ".join(quote_identifier(name) for name in (*unit.key, frame.unit))
    stratum = quote_identifier(frame.stratum)
    rows = f"(select distinct {key_columns}, {stratum} as stratum from {known.drawn_relation})"
    size_names = [quote_identifier(size.name) for size in sizes.records] if sizes else []
    if sizes:
        same = " and ".join(
            f"d.{quote_identifier(column)} = z.{name}" for column, name in zip(unit.key, names, strict=True)
        )
        listed = "".join(f", abs(z.{name}) as {name}" for name in size_names)
        rows = f"(select d.*{listed} from {rows} d join {quote_identifier(sizes.relation)} z on {same})"
    session.execute(
        f"create or replace temp table {quote_identifier(SELECTED_UNITS_TABLE)} as "
        f"select {', '.join([keys, 'stratum', *size_names])} from {rows}",
        doing=f"weighing {unit.table}",
    )
    counts = dict(
        session.fetch_rows(f"select stratum, count(*) from {quote_identifier(SELECTED_UNITS_TABLE)} group by 1")
    )
    shown = ", ".join(f"m.{name} as {quote_identifier(column)}" for column, name in zip(unit.key, names, strict=True))
    target.parent.mkdir(parents=True, exist_ok=True)
    query = (
        f"select {shown}, m.stratum, s.threshold / {PRIME}::double as probability, "
        f"s.population / n.sampled::double as weight{''.join(f', m.{name}' for name in size_names)} "
        f'from {quote_identifier(SELECTED_UNITS_TABLE)} m join (select distinct "index", threshold, population from {quote_identifier(frame.strata)}) s on m.stratum = s."index" '
        f"join (select stratum, count(*) as sampled from {quote_identifier(SELECTED_UNITS_TABLE)} group by 1) n on n.stratum = m.stratum "
        f"order by {', '.join(f'm.{name}' for name in names)}"
    )
    session.execute(build_parquet_copy(query, target), doing=f"weighing {unit.table}")
    session.execute(f"drop table {quote_identifier(SELECTED_UNITS_TABLE)}")
    return [int(counts.get(index, 0)) for index in range(len(unit.strata))]


def write_weights(extraction: Extraction, sizes: Mapping[str, MeasuredUnits]) -> dict[str, list[int]]:
    """Write the weights of each unit table and return the sampled units of each stratum."""
    return {name: _write_unit_weights(extraction, name, sizes.get(name)) for name in extraction.plan.units}
