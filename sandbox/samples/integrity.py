"""Check that a sample is unchanged wherever a verdict depends on it.

Every file's SHA-256 is compared once, and again only if its size, times or inode change. This detects every change made
through the file system; ``sandbox verify`` reads all files each time.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sandbox.errors import StoreError
from sandbox.manifest.canonical_json import hash_file
from sandbox.samples.catalog import list_files
from sandbox.samples.fingerprint import compute_fingerprint
from sandbox.store.folder import write_file

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.manifest.sample import SampleManifest
    from sandbox.model import Progress, Sample

FileStats = dict[str, list[int]]

CHECKED_FOLDER = "checked"


def check_sample_integrity(project: Project, sample: Sample, manifest: SampleManifest, progress: Progress) -> None:
    """Check that a sample is unchanged since it was drawn.

    Raises:
        StoreError: A file was changed, or the manifest does not match the fingerprint.
    """
    contents = {name: table.content for name, table in manifest.tables.items()}
    if compute_fingerprint(manifest.specification, manifest.units, manifest.tables, contents) != sample.fingerprint:
        raise _build_damaged_error(sample, "manifest.json was changed: another fingerprint follows from it")
    stats_path = project.state_folder / CHECKED_FOLDER / f"{sample.fingerprint}.json"
    known = _read_recorded_stats(stats_path)
    stats = {file.path: _read_stats(sample.path / file.path) for file in list_files(manifest)}
    fresh = [file for file in list_files(manifest) if known.get(file.path) != stats[file.path]]
    if not fresh:
        return
    total = sum(file.bytes for file in fresh)
    with progress.step("checking the sample", total=total, unit="bytes") as advance:
        for file in fresh:
            try:
                digest = hash_file(sample.path / file.path)
            except OSError as error:
                raise _build_damaged_error(sample, f"{file.path} cannot be read: {error.strerror}") from error
            if digest != file.sha256:
                raise _build_damaged_error(sample, f"{file.path} was changed: its SHA-256 is not the recorded one")
            advance(file.bytes)
    write_file(stats_path, json.dumps(stats))


def _build_damaged_error(sample: Sample, problem: str) -> StoreError:
    return StoreError(
        f"the sample {sample.fingerprint[:12]} is damaged: {problem}",
        hint="draw it again: sandbox sample --refresh",
    )


def _read_recorded_stats(path: Path) -> FileStats:
    try:
        stats = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return stats if isinstance(stats, dict) else {}


def _read_stats(path: Path) -> list[int]:
    stat = path.stat()  # exists: opening a sample checks the sizes
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
