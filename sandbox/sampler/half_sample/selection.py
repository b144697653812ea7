"""Select the units of a half-sample and name it; `sandbox.sampler.half_sample.writer` writes it.

A pipeline that returns other rows for a unit on the half-sample lets units depend on each other. The sample contains
neither the draw's random numbers nor, with masks, the original keys. So a unit is selected by the SHA-256 of its stored
key and the sample's fingerprint. Any selection independent of the data would do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier, quote_literal
from sandbox.engine.duckdb.table_functions import build_parquet_reader
from sandbox.manifest.sample import compute_half_fingerprint
from sandbox.model import Sample, TableFiles

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.manifest.sample import SampleManifest


def compute_fingerprint(manifest: SampleManifest) -> str:
    """Return the half-sample's own fingerprint."""
    return compute_half_fingerprint(manifest.fingerprint)


def build_half_units_query(manifest: SampleManifest, folder: Path, unit: str) -> str:
    """Build the SQL of the half-sample's units of one unit table: its key columns, as stored."""
    key = manifest.units[unit].key
    names = ", ".join(quote_identifier(name) for name in key)
    parts = " || ".join(
        f"length({quote_identifier(name)}::varchar) || ':' || {quote_identifier(name)}::varchar || '/'" for name in key
    )
    weights = build_parquet_reader([folder / manifest.weights[unit].path])
    text = f"{quote_literal(f'{manifest.fingerprint}/{unit}/')} || {parts}"
    return f"select {names} from {weights} where substr(sha256({text}), 1, 1) < '8'"


def build_half_sample(folder: Path, manifest: SampleManifest) -> Sample:
    """Describe the half-sample written to a folder."""
    tables = {
        name: TableFiles(name=name, format="parquet", paths=tuple(sorted(folder / file.path for file in table.files)))
        for name, table in manifest.tables.items()
    }
    return Sample(fingerprint=compute_fingerprint(manifest), path=folder, tables=tables)
