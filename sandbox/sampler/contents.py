"""What a sample holds, as digests: equal for equal values, whatever the files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.engine.digest import content_digest
from sandbox.engine.files import file_list
from sandbox.manifest.canonical import digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from sandbox.engine.duck import Session
    from sandbox.manifest.sample import Table, Unit


def columns_and_content(session: Session, files: Iterable[Path]) -> tuple[dict[str, str], str]:
    """Give the columns of Parquet files with the engine's names of their types, and their content digest."""
    relation = f"read_parquet({file_list(files)}, hive_partitioning = false)"
    found = session.rows(f"describe select * from {relation}", doing="the content digest")
    columns = {row[0]: row[1] for row in found}
    return columns, content_digest(session, relation, columns)


def fingerprint(
    specification: Mapping[str, Any],
    units: Mapping[str, Unit],
    tables: Mapping[str, Table],
    contents: Mapping[str, str],
) -> str:
    """Give a sample's name: SHA-256 (hex) of what was asked for, of the rows, and of what is said of the population.

    N_h and the other counts belong to it because they move with the source although the drawn rows may not.

    Args:
        specification: See `sandbox.sampler.specification`.
        units: The units of the manifest: keys, null keys, strata.
        tables: The tables of the manifest, for their counts outside the frame and their dangling references.
        contents: The content digest of each table.
    """
    population = {
        "units": {name: unit.model_dump(mode="json") for name, unit in units.items()},
        "tables": {
            name: table.model_dump(mode="json", include={"outside_frame", "references"})
            for name, table in tables.items()
        },
    }
    parts = {"specification": dict(specification), "contents": dict(contents), "population": population}
    return digest(parts)
