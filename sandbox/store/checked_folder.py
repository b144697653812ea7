"""Check folders of immutable files, samples and half-samples, against a signed record of every file.

A file is read again only when its size, times or inode differ from the record. Files and folders missing in the record
count as changes.
"""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from sandbox.errors import StoreError
from sandbox.manifest.canonical_json import hash_file
from sandbox.manifest.sample import CheckedFile, CheckedFiles
from sandbox.scratch import UNFINISHED_PREFIX
from sandbox.store.folder import translate_os_errors, write_file
from sandbox.store.seal_key import load_seal_key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox.model import Progress

FileStats = tuple[int, int, int, int]
RECORDS_FOLDER = "checked"


def list_folder_contents(folder: Path) -> tuple[dict[str, FileStats], list[str]]:
    """Return the stats of every plain file in a folder, and the paths outside a tree of plain files.

    The latter are links, devices and folders without a file.

    Raises:
        OSError: The folder cannot be read.
    """
    files: dict[str, FileStats] = {}
    others: list[str] = []
    open_folders = [""]
    while open_folders:
        prefix = open_folders.pop()
        empty = True
        with os.scandir(folder / prefix) as entries:
            for entry in entries:
                empty = False
                path = f"{prefix}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    open_folders.append(f"{path}/")
                elif entry.is_file(follow_symlinks=False):
                    stats = entry.stat(follow_symlinks=False)
                    files[path] = (stats.st_size, stats.st_mtime_ns, stats.st_ctime_ns, stats.st_ino)
                else:
                    others.append(path)
        if empty and prefix:
            others.append(prefix.rstrip("/"))
    return files, sorted(others)


def read_checked_files(folder: Path) -> CheckedFiles | None:
    """Return the record of a folder; None without a record signed by this installation."""
    try:
        record = CheckedFiles.read(_build_record_path(folder), key=load_seal_key())
    except StoreError:
        return None
    return record if record.folder == folder.name else None


def write_checked_files(folder: Path, digests: Mapping[str, str], stats: Mapping[str, FileStats]) -> None:
    """Write the record of a folder.

    Args:
        folder: The folder.
        digests: The SHA-256 of each file, already compared with the file's content.
        stats: The stats of each file before that comparison.

    Raises:
        StoreError: The record cannot be written.
    """
    files = {path: CheckedFile(sha256=sha256, stats=stats[path]) for path, sha256 in digests.items()}
    record = CheckedFiles(folder=folder.name, files=files)
    _remove_stale_records(folder)
    write_file(_build_record_path(folder), record.to_json_text(key=load_seal_key()), mode=0o600)


def check_folder(folder: Path, record: CheckedFiles, progress: Progress) -> str | None:
    """Compare a folder with its record; return the first problem, or None.

    Touched files with unchanged content are recorded again.
    """
    try:
        stats, others = list_folder_contents(folder)
    except OSError as error:
        return f"{folder} cannot be read: {error.strerror}"
    strange = sorted({*(stats.keys() - record.files.keys()), *others})
    if strange:
        return f"{strange[0]} does not belong there"
    missing = sorted(record.files.keys() - stats.keys())
    if missing:
        return f"{missing[0]} is missing"
    touched = sorted(path for path, file in record.files.items() if file.stats != stats[path])
    if not touched:
        return None
    problem = _compare_files(folder, {path: record.files[path].sha256 for path in touched}, stats, progress)
    if problem is None:
        write_checked_files(folder, {path: file.sha256 for path, file in record.files.items()}, stats)
    return problem


def set_folder_aside(folder: Path) -> Path:
    """Rename a changed folder so that it is not used any more; leftovers are removed after a week.

    Raises:
        StoreError: The folder cannot be renamed.
    """
    aside = folder.parent / f"{UNFINISHED_PREFIX}changed-{folder.name[:12]}-{secrets.token_hex(2)}"
    with translate_os_errors(aside):
        os.utime(folder)
        folder.rename(aside)
    _build_record_path(folder).unlink(missing_ok=True)
    return aside


def _compare_files(
    folder: Path, digests: Mapping[str, str], stats: Mapping[str, FileStats], progress: Progress
) -> str | None:
    total = sum(stats[path][0] for path in digests)
    with progress.step(f"checking {folder.name[:12]}", total=total, unit="bytes") as advance:
        for path, sha256 in digests.items():
            try:
                if hash_file(folder / path) != sha256:
                    return f"{path} was changed: its SHA-256 is not the recorded one"
            except OSError as error:
                return f"{path} cannot be read: {error.strerror}"
            advance(stats[path][0])
    return None


def _build_record_path(folder: Path) -> Path:
    return folder.parents[1] / RECORDS_FOLDER / f"{folder.name}.json"


def _remove_stale_records(folder: Path) -> None:
    """Remove the records of deleted folders."""
    for path in _build_record_path(folder).parent.glob("*.json"):
        if not (folder.parent / path.stem).exists():
            path.unlink(missing_ok=True)
