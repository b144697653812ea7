"""Store samples as immutable folders named by fingerprint, with pointers from requests to them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sandbox.errors import StoreError
from sandbox.formatting import format_count
from sandbox.manifest.canonical_json import hash_json
from sandbox.manifest.sample import SampleManifest
from sandbox.model import Sample, TableFiles
from sandbox.samples.specification import compute_request_id
from sandbox.store.folder import write_file
from sandbox.store.leases import acquire_lease

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config.settings import Project
    from sandbox.manifest.sample import StoredFile

MANIFEST_FILE = "manifest.json"
PROFILE_FILE = "profile.json"
FINGERPRINT_PATTERN = re.compile(r"[0-9a-f]{64}")


def resolve_sample_path(home: Path, fingerprint: str) -> Path:
    """Return the path of a sample, whether it exists or not."""
    return home / "samples" / fingerprint


def find_sample_and_manifest(project: Project, home: Path) -> tuple[Sample, SampleManifest] | None:
    """Return the sample drawn for a project's request and its manifest; None if the store has none.

    Raises:
        StoreError: It is damaged, of an unknown format, or was drawn for another request.
    """
    fingerprint = read_requested_fingerprint(project)
    if not fingerprint or not acquire_lease(resolve_sample_path(home, fingerprint)):
        return None
    sample, manifest = load_sample(home, fingerprint)
    if hash_json(manifest.specification) != compute_request_id(project.settings):
        raise StoreError(
            f"{_resolve_pointer_path(project)} names the sample {fingerprint[:12]}, which was drawn for something else",
            hint="draw this project's: sandbox sample --refresh",
        )
    return sample, manifest


def find_sample(project: Project, home: Path) -> Sample | None:
    """Return the sample drawn for a project's request (see `find_sample_and_manifest`)."""
    known = find_sample_and_manifest(project, home)
    return known[0] if known else None


def read_requested_fingerprint(project: Project) -> str | None:
    """Return the fingerprint recorded for a project's request, even if the sample is no longer stored.

    Raises:
        StoreError: The record is damaged.
    """
    try:
        text = _resolve_pointer_path(project).read_text("utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{_resolve_pointer_path(project)} cannot be read: {error}") from error
    if not FINGERPRINT_PATTERN.fullmatch(text):
        raise StoreError(
            f"{_resolve_pointer_path(project)} does not name a sample: {text[:80]!r}",
            hint="remove it and draw again",
        )
    return text


def record_sample(project: Project, fingerprint: str) -> None:
    """Record the sample drawn for a project's request."""
    ignored = project.state_folder / ".gitignore"
    if not ignored.exists():
        write_file(ignored, "*\n")
    write_file(_resolve_pointer_path(project), fingerprint + "\n")


def load_sample(home: Path, fingerprint: str) -> tuple[Sample, SampleManifest]:
    """Load a stored sample and its manifest, with a lease against removal while this process lives.

    Raises:
        StoreError: It is missing, damaged or of an unknown format.
    """
    path = resolve_sample_path(home, fingerprint)
    if not acquire_lease(path):
        raise StoreError(f"there is no sample {fingerprint} in {path.parent}", hint="draw it: sandbox sample")
    manifest = SampleManifest.read(path / MANIFEST_FILE)
    tables = {
        name: TableFiles(name=name, format="parquet", paths=tuple(sorted(path / file.path for file in table.files)))
        for name, table in manifest.tables.items()
    }
    for file in list_files(manifest):
        problem = find_size_problem(path, file)
        if problem:
            raise StoreError(
                f"the sample {fingerprint[:12]} is damaged: {problem}",
                hint="draw it again: sandbox sample --refresh",
            )
    return Sample(fingerprint=fingerprint, path=path, tables=tables), manifest


def list_files(manifest: SampleManifest) -> list[StoredFile]:
    """Return every file named in a manifest."""
    tables: list[StoredFile] = [file for table in manifest.tables.values() for file in table.files]
    return [*tables, *manifest.weights.values(), *([manifest.profile] if manifest.profile else [])]


def find_size_problem(sample_path: Path, file: StoredFile) -> str | None:
    """Return the problem with a file's size, or None; cheap enough for every use."""
    try:
        size = (sample_path / file.path).stat().st_size
    except FileNotFoundError:
        return f"{file.path} is missing"
    except OSError as error:
        return f"{file.path} cannot be read: {error.strerror}"
    return None if size == file.bytes else f"{file.path} has {format_count(size, 'byte')}, not {file.bytes:,}"


def list_samples(home: Path) -> list[Sample]:
    """Return every sample in the store, by fingerprint; damaged ones have no tables."""
    folder = home / "samples"
    if not folder.is_dir():
        return []
    return [
        _load_sample_if_sound(home, path.name)
        for path in sorted(folder.iterdir())
        if FINGERPRINT_PATTERN.fullmatch(path.name)
    ]


def _load_sample_if_sound(home: Path, fingerprint: str) -> Sample:
    try:
        return load_sample(home, fingerprint)[0]
    except StoreError:
        return Sample(fingerprint=fingerprint, path=resolve_sample_path(home, fingerprint))


def _resolve_pointer_path(project: Project) -> Path:
    return project.state_folder / "requests" / compute_request_id(project.settings)
