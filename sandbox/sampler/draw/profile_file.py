"""Write the comparison of a draw with production."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine.duckdb.table_functions import build_parquet_reader
from sandbox.manifest.canonical_json import hash_file
from sandbox.manifest.sample import StoredFile
from sandbox.sampler.profile.compare import profile_sample
from sandbox.samples.catalog import PROFILE_FILE
from sandbox.store.folder import write_file

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config.settings import Project
    from sandbox.sampler.draw.extraction import Extraction


MIN_PARALLEL_MEMORY = 2**28  # below which the comparison uses one thread


def write_profile(extraction: Extraction, project: Project, *, whole: bool) -> StoredFile:
    """Write the comparison of the sample with production."""
    folder = extraction.journal.sample
    sample = {name: written.build_relation() for name, written in extraction.writers.items()}
    weighed = {
        name: _build_parquet_relation([folder / "weights" / f"{name}.parquet"]) for name in extraction.plan.units
    }
    extraction.session.execute("set preserve_insertion_order = false")  # takes less memory
    if project.settings.sample.memory < MIN_PARALLEL_MEMORY:
        extraction.session.execute("set threads = 1")  # each thread has its own read buffers
    profile = profile_sample(
        extraction.session,
        extraction.plan,
        sample,
        weighed,
        ranges={name: table.ranges for name, table in project.settings.tables.items()},
        whole=whole,
        progress=extraction.progress,
    )
    path = folder / PROFILE_FILE
    write_file(path, profile.to_json_text())
    return StoredFile(path=PROFILE_FILE, bytes=path.stat().st_size, sha256=hash_file(path))


def _build_parquet_relation(paths: list[Path]) -> str:
    return build_parquet_reader(paths)
