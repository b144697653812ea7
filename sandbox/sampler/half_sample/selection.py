"""Select the units of the two half-samples and name them; `sandbox.sampler.half_sample.writer` writes them.

A pipeline that returns other rows for a unit on a half-sample lets units depend on each other. The sample contains
neither the draw's random numbers nor, with masks, the original keys. So a unit is selected by the SHA-256 of its stored
key and the sample's fingerprint. Any selection independent of the data would do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from sandbox.engine.duckdb.session import quote_identifier, quote_literal
from sandbox.engine.duckdb.table_functions import build_parquet_reader
from sandbox.manifest.sample import compute_enlarged_fingerprint, compute_half_fingerprint
from sandbox.model import Sample, TableFiles

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox.config.settings import Settings
    from sandbox.manifest.sample import SampleManifest

HalfName = Literal["first", "second"]
"""The first half is run as it is, the second one enlarged."""

HALVES: tuple[HalfName, ...] = get_args(HalfName)
_DIGIT_CONDITIONS = {"first": "< '8'", "second": ">= '8'"}


def compute_fingerprint(
    manifest: SampleManifest, half: HalfName, *, unique: Mapping[str, frozenset[str]], memory: int
) -> str:
    """Return a half-sample's own fingerprint (see `sandbox.sampler.half_sample.enlarged_writer`)."""
    if half == "first":
        return compute_half_fingerprint(manifest.fingerprint)
    columns = {table: sorted(names) for table, names in sorted(unique.items())}
    return compute_enlarged_fingerprint(manifest.fingerprint, {"unique": columns, "memory": memory})


def collect_unique_columns(settings: Settings, manifest: SampleManifest) -> dict[str, frozenset[str]]:
    """Return the columns that are unique in the whole source, by table: declared or counted."""
    found = {
        name: frozenset({*table.unique, *(settings.tables[name].unique if name in settings.tables else ())})
        & {column.name for column in table.columns}
        for name, table in manifest.tables.items()
    }
    return {name: columns for name, columns in found.items() if columns}


def build_half_units_query(manifest: SampleManifest, folder: Path, unit: str, half: HalfName) -> str:
    """Build the SQL of a half-sample's units of one unit table: its key columns, as stored."""
    names = ", ".join(quote_identifier(name) for name in manifest.units[unit].key)
    weights = build_parquet_reader([folder / manifest.weights[unit].path])
    digits = build_unit_digits(manifest, unit)
    return f"select {names} from {weights} where substr({digits}, 1, 1) {_DIGIT_CONDITIONS[half]}"


def build_unit_digits(manifest: SampleManifest, unit: str) -> str:
    """Build the SQL of a unit's pseudo-random hexadecimal digits."""
    parts = " || ".join(
        f"length({quote_identifier(name)}::varchar) || ':' || {quote_identifier(name)}::varchar || '/'"
        for name in manifest.units[unit].key
    )
    return f"sha256({quote_literal(f'{manifest.fingerprint}/{unit}/')} || {parts})"


def build_half_sample(folder: Path, manifest: SampleManifest, fingerprint: str) -> Sample:
    """Describe a half-sample written to a folder."""
    tables = {
        name: TableFiles(name=name, format="parquet", paths=tuple(sorted(folder / file.path for file in table.files)))
        for name, table in manifest.tables.items()
    }
    return Sample(fingerprint=fingerprint, path=folder, tables=tables)
