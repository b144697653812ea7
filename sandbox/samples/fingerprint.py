"""Compute a sample's fingerprint from its specification, contents and population."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.manifest.canonical_json import hash_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.manifest.sample import SampledTable, UnitDrawRecord


def compute_fingerprint(
    specification: Mapping[str, Any],
    units: Mapping[str, UnitDrawRecord],
    tables: Mapping[str, SampledTable],
    contents: Mapping[str, str],
) -> str:
    """Compute a sample's name: SHA-256 (hex) of the specification, the rows, and the counts of the population.

    N_h and the other counts are part of it: they change with the source even if the drawn rows do not.

    Args:
        specification: See `sandbox.samples.specification`.
        units: The units of the manifest: keys, null keys, strata, and the strata's sampled units where these do not
            follow from the rows.
        tables: The tables of the manifest, for their counts outside the frame, their dangling references and the
            metadata of their Parquet files, where there are some.
        contents: The content digest of each table.
    """
    population = {
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
    parts = {"specification": dict(specification), "contents": dict(contents), "population": population}
    return hash_json(parts)
