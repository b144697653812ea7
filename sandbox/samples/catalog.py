"""The store of samples: immutable folders named by fingerprint, and pointers from what was asked for to them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sandbox.errors import StoreError
from sandbox.manifest.sample import SampleManifest
from sandbox.model import Sample, TableFiles
from sandbox.samples.specification import request_id
from sandbox.store.folder import write
from sandbox.store.leases import use

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config.settings import Project
    from sandbox.manifest.sample import Stored

MANIFEST = "manifest.json"
PROFILE = "profile.json"
FINGERPRINT = re.compile(r"[0-9a-f]{64}")


def folder_of(home: Path, fingerprint: str) -> Path:
    """Give where a sample lies, or would lie."""
    return home / "samples" / fingerprint


def found(project: Project, home: Path) -> tuple[Sample, SampleManifest] | None:
    """Give the sample that was drawn for what a project asks for, and its manifest; None where there is none in the store.

    Raises:
        StoreError: It is there, but damaged or of an unknown format.
    """
    fingerprint = requested(project)
    return load(home, fingerprint) if fingerprint and use(folder_of(home, fingerprint)) else None


def drawn(project: Project, home: Path) -> Sample | None:
    """Give the sample alone (see `found`)."""
    known = found(project, home)
    return known[0] if known else None


def requested(project: Project) -> str | None:
    """Give the fingerprint that was drawn for what a project asks for, whether the store still has it or not.

    Raises:
        StoreError: What is remembered of it is damaged.
    """
    try:
        text = _pointer(project).read_text("utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{_pointer(project)} cannot be read: {error}") from error
    if not FINGERPRINT.fullmatch(text):
        raise StoreError(
            f"{_pointer(project)} does not name a sample: {text[:80]!r}", hint="remove it and draw again"
        )
    return text


def remember(project: Project, fingerprint: str) -> None:
    """Record which sample was drawn for what a project asks for."""
    ignored = project.state / ".gitignore"
    if not ignored.exists():
        write(ignored, "*\n")
    write(_pointer(project), fingerprint + "\n")


def load(home: Path, fingerprint: str) -> tuple[Sample, SampleManifest]:
    """Give a stored sample and its manifest; nobody removes it while this process lives.

    Raises:
        StoreError: It is missing, damaged or of an unknown format.
    """
    path = folder_of(home, fingerprint)
    if not use(path):
        raise StoreError(f"there is no sample {fingerprint} in {path.parent}", hint="draw it: sandbox sample")
    manifest = SampleManifest.read(path / MANIFEST)
    tables = {
        name: TableFiles(
            name=name, format="parquet", paths=tuple(sorted(path / file.path for file in table.files))
        )
        for name, table in manifest.tables.items()
    }
    for file in files(manifest):
        problem = size_problem(path, file)
        if problem:
            raise StoreError(
                f"the sample {fingerprint[:12]} is damaged: {problem}",
                hint="draw it again: sandbox sample --refresh",
            )
    return Sample(fingerprint=fingerprint, path=path, tables=tables), manifest


def files(manifest: SampleManifest) -> list[Stored]:
    """Give every file that a manifest names."""
    found: list[Stored] = [file for table in manifest.tables.values() for file in table.files]
    return [*found, *manifest.weights.values(), *([manifest.profile] if manifest.profile else [])]


def size_problem(sample_path: Path, file: Stored) -> str | None:
    """Say what is wrong with a file, as far as its size tells: that costs nothing, so it is asked at every use."""
    try:
        size = (sample_path / file.path).stat().st_size
    except FileNotFoundError:
        return f"{file.path} is missing"
    except OSError as error:
        return f"{file.path} cannot be read: {error.strerror}"
    return None if size == file.bytes else f"{file.path} has {size:,} bytes, not {file.bytes:,}"


def samples(home: Path) -> list[Sample]:
    """Give every sample in the store, by fingerprint; what is damaged is given too, without tables."""
    folder = home / "samples"
    if not folder.is_dir():
        return []
    return [_listed(home, path.name) for path in sorted(folder.iterdir()) if FINGERPRINT.fullmatch(path.name)]


def _listed(home: Path, fingerprint: str) -> Sample:
    try:
        return load(home, fingerprint)[0]
    except StoreError:
        return Sample(fingerprint=fingerprint, path=folder_of(home, fingerprint))


def _pointer(project: Project) -> Path:
    return project.state / "requests" / request_id(project.settings)
