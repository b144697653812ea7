"""Half of a stored sample: which units are in it, and how it is named; `sandbox.sampler.half_sample.writer` writes it.

A pipeline that gives a unit other rows on the half than on the whole lets units depend on each other. The draw's own
random numbers are not in a sample, and its keys may be masked; so a unit is in the half by the SHA-256 of its key as it
is stored, with the sample's fingerprint. Any half that does not depend on the data would do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier, quote_literal
from sandbox.engine.duckdb.table_functions import format_file_list
from sandbox.manifest.sample import compute_half_fingerprint
from sandbox.model import Sample, TableFiles

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.manifest.sample import SampleManifest


def compute_fingerprint(manifest: SampleManifest) -> str:
    """Give the half's own fingerprint."""
    return compute_half_fingerprint(manifest.fingerprint)


def build_half_units_query(manifest: SampleManifest, folder: Path, unit: str) -> str:
    """Give the SQL of the half's units of one unit table: the columns of its key, as they are stored."""
    key = manifest.units[unit].key
    names = ", ".join(quote_identifier(name) for name in key)
    parts = " || ".join(
        f"length({quote_identifier(name)}::varchar) || ':' || {quote_identifier(name)}::varchar || '/'" for name in key
    )
    weights = f"read_parquet({format_file_list([folder / manifest.weights[unit].path])}, hive_partitioning = false)"
    text = f"{quote_literal(f'{manifest.fingerprint}/{unit}/')} || {parts}"
    return f"select {names} from {weights} where substr(sha256({text}), 1, 1) < '8'"


def build_half_sample(folder: Path, manifest: SampleManifest) -> Sample:
    """Give the half that was written to a folder."""
    tables = {
        name: TableFiles(name=name, format="parquet", paths=tuple(sorted(folder / file.path for file in table.files)))
        for name, table in manifest.tables.items()
    }
    return Sample(fingerprint=compute_fingerprint(manifest), path=folder, tables=tables)
