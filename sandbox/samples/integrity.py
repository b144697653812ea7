"""Check that a sample is unchanged wherever a verdict depends on it.

A sample that this installation drew or verified has a signed record of its files (see `sandbox.store.checked_folder`).
Any other is first verified as a whole, including contents, fingerprint and weights. ``sandbox verify`` does that each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.errors import StoreError
from sandbox.manifest.canonical_json import hash_file
from sandbox.samples.catalog import MANIFEST_FILE, list_files
from sandbox.samples.verify import verify_sample
from sandbox.store.checked_folder import check_folder, list_folder_contents, read_checked_files, write_checked_files
from sandbox.store.folder import translate_os_errors

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.manifest.sample import SampleManifest
    from sandbox.model import Progress, Sample
    from sandbox.store.checked_folder import FileStats


def check_sample_integrity(sample: Sample, manifest: SampleManifest, progress: Progress) -> None:
    """Check that a sample is what was drawn.

    Raises:
        StoreError: A file was changed, added or removed, or the sample is not what its fingerprint is of.
    """
    record = read_checked_files(sample.path)
    if record is not None:
        problem = check_folder(sample.path, record, progress)
        if problem is not None:
            raise _build_damaged_error(sample, problem)
        return
    stats = _list_stats(sample.path)
    problems = verify_sample(sample.path, progress)
    if problems:
        raise _build_damaged_error(sample, problems[0])
    record_sample_files(sample.path, manifest, stats)


def record_sample_files(sample_path: Path, manifest: SampleManifest, stats: dict[str, FileStats] | None = None) -> None:
    """Record the files of a sample that was drawn or verified just now.

    Args:
        sample_path: The sample.
        manifest: Its manifest, whose digests are known to be those of the files.
        stats: What the files were before that was found; None takes what they are.
    """
    digests = {file.path: file.sha256 for file in list_files(manifest)}
    digests[MANIFEST_FILE] = hash_file(sample_path / MANIFEST_FILE)
    write_checked_files(sample_path, digests, stats or _list_stats(sample_path))


def _list_stats(sample_path: Path) -> dict[str, FileStats]:
    with translate_os_errors(sample_path):
        return list_folder_contents(sample_path)[0]


def _build_damaged_error(sample: Sample, problem: str) -> StoreError:
    return StoreError(
        f"the sample {sample.fingerprint[:12]} is damaged: {problem}",
        hint="draw it again: sandbox sample --refresh",
    )
