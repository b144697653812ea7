"""Whether a sample is still as it was drawn, asked wherever a verdict rests on it.

Every file's SHA-256 is compared with the recorded one, once: as long as size, times and inode are those of then, a file is
not read again. That holds against whatever goes through the file system; ``sandbox verify`` reads everything each time.
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
    """Make sure that the sample is what was drawn.

    Raises:
        StoreError: A file was changed, or the manifest is not the one that its fingerprint is of.
    """
    contents = {name: table.content for name, table in manifest.tables.items()}
    found = compute_fingerprint(manifest.specification, manifest.units, manifest.tables, contents)
    if found != sample.fingerprint:
        raise _build_damaged_error(sample, "manifest.json was changed: another fingerprint follows from it")
    place = project.state_folder / CHECKED_FOLDER / f"{sample.fingerprint}.json"
    known, stats = (
        _read_recorded_stats(place),
        {file.path: _read_stats(sample.path / file.path) for file in list_files(manifest)},
    )
    fresh = [file for file in list_files(manifest) if known.get(file.path) != stats[file.path]]
    if not fresh:
        return
    total = sum(file.bytes for file in fresh)
    with progress.step("checking the sample", total=total, unit="bytes") as advance:
        for file in fresh:
            try:
                found = hash_file(sample.path / file.path)
            except OSError as error:
                raise _build_damaged_error(sample, f"{file.path} cannot be read: {error.strerror}") from error
            if found != file.sha256:
                raise _build_damaged_error(sample, f"{file.path} was changed: its SHA-256 is not the recorded one")
            advance(file.bytes)
    write_file(place, json.dumps(stats))


def _build_damaged_error(sample: Sample, problem: str) -> StoreError:
    return StoreError(
        f"the sample {sample.fingerprint[:12]} is damaged: {problem}",
        hint="draw it again: sandbox sample --refresh",
    )


def _read_recorded_stats(place: Path) -> FileStats:
    try:
        found = json.loads(place.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _read_stats(path: Path) -> list[int]:
    found = path.stat()  # it is there: whoever opens a sample looks at the sizes
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
