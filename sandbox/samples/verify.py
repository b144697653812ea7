"""Verify a stored sample against its manifest."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import Session
from sandbox.errors import StoreError
from sandbox.manifest.canonical_json import hash_file
from sandbox.manifest.sample import SampleManifest
from sandbox.samples.catalog import MANIFEST_FILE, find_size_problem, list_files
from sandbox.samples.contents import compute_assignment_digest, describe_parquet_files
from sandbox.samples.fingerprint import compute_fingerprint
from sandbox.samples.weights_check import find_weights_problems
from sandbox.store.checked_folder import list_folder_contents

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox.manifest.sample import StoredFile, UnitDrawRecord
    from sandbox.model import Progress


def verify_sample(sample_path: Path, progress: Progress) -> list[str]:
    """Return the problems of a stored sample, one sentence each.

    Files are compared by size and SHA-256, tables by content digest. The fingerprint must follow from specification and
    contents, the weights from manifest and keys.
    """
    try:
        manifest = SampleManifest.read(sample_path / MANIFEST_FILE)
    except StoreError as error:
        return [error.message]
    recorded = list_files(manifest)
    problems = _find_extra_files(sample_path, recorded)
    total = sum(file.bytes for file in recorded)
    with progress.step(f"checking {sample_path.name[:12]}", total=total, unit="bytes") as advance:
        for file in recorded:
            problems += _verify_file(sample_path, file)
            advance(file.bytes)
        if not problems:
            problems = _verify_contents(sample_path, manifest)
    return problems


def _find_extra_files(sample_path: Path, recorded: list[StoredFile]) -> list[str]:
    try:
        found, others = list_folder_contents(sample_path)
    except OSError as error:
        return [f"{sample_path} cannot be read: {error.strerror}"]
    paths = {file.path for file in recorded}
    folders = {str(parent) for path in paths for parent in PurePosixPath(path).parents}  # empty ones lack a file
    extra = {*found, *others} - paths - folders - {MANIFEST_FILE}
    return [f"{name} does not belong there" for name in sorted(extra)]


def _verify_file(sample_path: Path, file: StoredFile) -> list[str]:
    problem = find_size_problem(sample_path, file)
    if problem:
        return [problem]
    try:
        if hash_file(sample_path / file.path) != file.sha256:
            return [f"{file.path} was changed: its SHA-256 is not the recorded one"]
    except OSError as error:
        return [f"{file.path} cannot be read: {error.strerror}"]
    return []


def _verify_contents(sample_path: Path, manifest: SampleManifest) -> list[str]:
    problems: list[str] = []
    contents: dict[str, str] = {}
    with Session(failure=StoreError) as session:
        for name, table in manifest.tables.items():
            paths = [sample_path / file.path for file in table.files]
            columns, contents[name] = describe_parquet_files(session, paths)
            if columns != {column.name: column.type for column in table.columns}:
                problems.append(f"the columns of {name} are not the recorded ones")
            if contents[name] != table.content:
                problems.append(f"the content of {name} is not the recorded one")
        if not problems:
            units = _compute_assignments(session, sample_path, manifest)
            problems = _verify_fingerprint(sample_path, manifest, units, contents)
        return problems or find_weights_problems(session, sample_path, manifest)


def _compute_assignments(
    session: Session, sample_path: Path, manifest: SampleManifest
) -> dict[str, UnitDrawRecord | None]:
    """Return the units with the digests that follow from the weights; None for a unit without weights."""
    units: dict[str, UnitDrawRecord | None] = {}
    for name, unit in manifest.units.items():
        stored = manifest.weights.get(name)
        types = {column.name: column.type for column in manifest.tables[name].columns}
        if unit.assignment is None or stored is None:
            units[name] = unit if unit.assignment is None else None
            continue
        try:
            digest = compute_assignment_digest(
                session, sample_path / stored.path, unit.key, types, manifest.proven_sizes.get(name, ())
            )
        except StoreError:
            units[name] = None  # the file has other columns
        else:
            units[name] = unit.model_copy(update={"assignment": digest})
    return units


def _verify_fingerprint(
    sample_path: Path,
    manifest: SampleManifest,
    units: Mapping[str, UnitDrawRecord | None],
    contents: Mapping[str, str],
) -> list[str]:
    problems = [
        f"{manifest.weights[name].path if name in manifest.weights else name} does not have the strata and sizes of the fingerprint"
        for name, unit in units.items()
        if unit != manifest.units[name]
    ]
    fingerprint = compute_fingerprint(
        manifest.specification, manifest.units, manifest.tables, contents, manifest.proven_sizes
    )
    if fingerprint != manifest.fingerprint:
        problems.append(
            f"the fingerprint that follows from its contents is {fingerprint[:12]}, not {manifest.fingerprint[:12]}"
        )
    if sample_path.name != manifest.fingerprint:
        problems.append(f"the folder's name is not its fingerprint {manifest.fingerprint[:12]}")
    return problems
