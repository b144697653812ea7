"""List runs requested by the user, without noise and separability runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.errors import StoreError
from sandbox.manifest.run import RunRecord
from sandbox.manifest.sample import HALF_FAMILY, compute_half_fingerprint

if TYPE_CHECKING:
    from pathlib import Path


def list_requested_runs(runs: Path) -> list[tuple[Path, RunRecord]]:
    """Return a project's requested, finished runs, newest first, without damaged ones."""
    records = []
    for folder in sorted(runs.glob("[0-9]*"), reverse=True):
        try:
            records.append((folder, RunRecord.read(folder / "run.json")))
        except StoreError:
            continue  # reported by `sandbox verify`
    # A half-sample is run only after the whole sample.
    halves = {compute_half_fingerprint(record.sample)[HALF_FAMILY] for _, record in records}
    return [
        (folder, record)
        for folder, record in records
        if record.variation is None and record.sample[HALF_FAMILY] not in halves
    ]
