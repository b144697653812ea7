"""The runs that somebody asked for: not those that only look for noise, or for what depends on what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.errors import StoreError
from sandbox.manifest.run import RunRecord
from sandbox.manifest.sample import compute_half_fingerprint

if TYPE_CHECKING:
    from pathlib import Path


def list_requested_runs(runs: Path) -> list[tuple[Path, RunRecord]]:
    """Give a project's ordinary runs that have ended, the latest first; those that are damaged are left out."""
    found = []
    for folder in sorted(runs.glob("[0-9]*"), reverse=True):
        try:
            found.append((folder, RunRecord.read(folder / "run.json")))
        except StoreError:
            continue  # `sandbox verify` says so
    # A half is run only after the whole.
    halves = {compute_half_fingerprint(record.sample) for _, record in found}
    return [(folder, record) for folder, record in found if record.variation is None and record.sample not in halves]
