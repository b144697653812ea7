"""Compute a sample's fingerprint from its specification, contents and population."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.manifest.canonical_json import hash_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.manifest.sample import SampledTable, SizeRecord, UnitDrawRecord


def compute_fingerprint(
    specification: Mapping[str, Any],
    units: Mapping[str, UnitDrawRecord],
    tables: Mapping[str, SampledTable],
    contents: Mapping[str, str],
    sizes: Mapping[str, Sequence[SizeRecord]],
) -> str:
    """Compute a sample's name: SHA-256 (hex) of the specification, the rows, and the counts and sizes of the population.

    N_h, the other counts and the sizes are part of it: they change with the source even if the drawn rows do not.

    Args:
        specification: See `sandbox.samples.specification`.
        units: The units of the manifest: keys, null keys, strata, and the digest of what the weights say of the
            sampled units.
        tables: The tables of the manifest, for their counts outside the frame, their dangling references and the
            metadata of their Parquet files, where there are some.
        contents: The content digest of each table.
        sizes: The recorded sizes of each unit table.
    """
    population: dict[str, Any] = {
        "units": {
            name: unit.model_dump(mode="json", exclude=set() if unit.assignment else {"assignment"})
            for name, unit in units.items()
        },
        "tables": {
            name: table.model_dump(mode="json", include={"outside_frame", "references"})
            | ({} if table.frame is None else {"frame": table.frame})
            for name, table in tables.items()
        },
    }
    if sizes:
        population["sizes"] = {
            name: [record.model_dump(mode="json") for record in sorted(records, key=lambda record: record.name)]
            for name, records in sizes.items()
        }
    parts = {"specification": dict(specification), "contents": dict(contents), "population": population}
    return hash_json(parts)
