"""Write a half-sample: half of the units, their rows, and the rows these refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import Session, quote_identifier
from sandbox.errors import StoreError
from sandbox.manifest.separability import HalfSampleRecord
from sandbox.sampler.half_sample.half_tables import (
    FILE_NUMBER_COLUMN,
    IN_HALF_COLUMN,
    ROW_NUMBER_COLUMN,
    HalfTables,
    build_parquet_relation,
)
from sandbox.sampler.half_sample.selection import build_half_units_query
from sandbox.sampler.plan.table_order import order_tables

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config.settings import Settings
    from sandbox.manifest.sample import SampleManifest
    from sandbox.model import Sample
    from sandbox.sampler.plan.plan import TableStep


def write_half_sample(sample: Sample, manifest: SampleManifest, settings: Settings, target: Path) -> HalfSampleRecord:
    """Write the first half-sample as ``target/tables/<table>/*.parquet``, files and rows in the sample's order.

    Raises:
        StoreError: A file cannot be read or written.
    """
    with Session(memory=settings.sample.memory, failure=StoreError) as session:
        steps = order_tables(settings, {name: table.source_rows for name, table in manifest.tables.items()})
        tables = HalfTables(session=session, sample=sample, manifest=manifest, steps=steps)
        tables.read()
        tables.keep_half("first")
        rows = sum(_write_table(tables, step, target) for step in steps)
        units = {unit: _count_units(tables, unit) for unit in manifest.units}
    whole = sum(table.rows for table in manifest.tables.values())
    return HalfSampleRecord(units=units, rows=rows, cost=round(rows / max(whole, 1), 2))


def _count_units(tables: HalfTables, unit: str) -> int:
    query = build_half_units_query(tables.manifest, tables.sample.path, unit, "first")
    return int(tables.session.fetch_rows(f"select count(*) from ({query})")[0][0])


def _write_table(tables: HalfTables, step: TableStep, target: Path) -> int:
    """Write the kept rows of each file; whole lookups are copied."""
    if step.keep == "all":
        return tables.copy_lookup(step, target)
    for number, path in enumerate(tables.list_files(step)):
        kept = (
            f"select {ROW_NUMBER_COLUMN} from {quote_identifier(step.table)} "
            f"where {IN_HALF_COLUMN} and {FILE_NUMBER_COLUMN} = {number}"
        )
        query = (
            f"select * exclude (file_row_number) from {build_parquet_relation(path)} "
            f"where file_row_number in ({kept}) order by file_row_number"
        )
        tables.write_file(path, query, target, doing=f"writing half of {step.table}")
    [(rows,)] = tables.session.fetch_rows(f"select count(*) from {quote_identifier(step.table)} where {IN_HALF_COLUMN}")
    return int(rows)
