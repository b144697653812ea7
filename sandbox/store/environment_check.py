"""Check virtual environments against a signed digest of what they hold, since code that runs on them could write there."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING

from sandbox.errors import StoreError
from sandbox.manifest.sandbox_record import EnvironmentRecord
from sandbox.store.folder import translate_os_errors, write_file
from sandbox.store.seal_key import load_seal_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

EntryStats = tuple[int, int, int, int, int]

RECORDS_FOLDER = "checked-environments"


def write_environment_record(environment: Path) -> None:
    """Write the record of a complete environment.

    Raises:
        StoreError: It cannot be written.
    """
    records = _build_record_path(environment).parent
    for path in records.glob("*.json"):
        if not (environment.parent / path.stem).exists():
            path.unlink(missing_ok=True)
    record = EnvironmentRecord(environment=environment.name, listing=compute_listing_digest(environment))
    write_file(_build_record_path(environment), record.to_json_text(key=load_seal_key()), mode=0o600)


def is_environment_unchanged(environment: Path) -> bool:
    """Return whether an environment is as it was recorded; false without a record of this installation.

    Raises:
        StoreError: The environment cannot be read.
    """
    try:
        record = EnvironmentRecord.read(_build_record_path(environment), key=load_seal_key())
    except StoreError:
        return False
    return record.environment == environment.name and record.listing == compute_listing_digest(environment)


def compute_listing_digest(environment: Path) -> str:
    """Compute the SHA-256 (hex) of `list_entries`."""
    entries = sorted(list_entries(environment).items())
    return hashlib.sha256(repr(entries).encode("utf-8", "surrogateescape")).hexdigest()


def list_entries(environment: Path) -> dict[str, EntryStats]:
    """Return type and mode, size, times and inode of every entry, by its path; links count as they are.

    The time of change cannot be set by a program, so that every write shows. A hard link to a file shows too.

    Raises:
        StoreError: The environment cannot be read.
    """
    with translate_os_errors(environment):
        return {
            path: (found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
            for path, found in _scan_entries(environment, "")
        }


def find_changed_entry(before: Mapping[str, EntryStats], after: Mapping[str, EntryStats]) -> str | None:
    """Return the first file, else folder, that came, went or changed between two moments; None if there is none."""
    changed = [path for path in {**before, **after} if before.get(path) != after.get(path)]
    return min(changed, key=lambda path: (stat.S_ISDIR((after.get(path) or before[path])[0]), path), default=None)


def _scan_entries(environment: Path, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(environment / prefix) as entries:
        for entry in entries:
            found = entry.stat(follow_symlinks=False)
            path = f"{prefix}{entry.name}"
            yield path, found
            if stat.S_ISDIR(found.st_mode):
                yield from _scan_entries(environment, f"{path}/")


def _build_record_path(environment: Path) -> Path:
    return environment.parents[1] / RECORDS_FOLDER / f"{environment.name}.json"
